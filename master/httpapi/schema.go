package httpapi

import (
	"encoding"
	"reflect"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// schema is a JSON Schema as in OpenAPI 3.1.
type schema map[string]any

func boolean() schema { return schema{"type": "boolean"} }

func enum(values ...string) schema { return schema{"type": "string", "enum": values} }

func integer(least, most int) schema {
	return schema{"type": "integer", "minimum": least, "maximum": most}
}

func instant() schema { return schema{"type": "string", "format": "date-time"} }

func ref(name string) schema { return schema{"$ref": "#/components/schemas/" + name} }

// optional holds the embedded structs whose fields may all be absent.
var optional = map[reflect.Type]bool{reflect.TypeFor[*state.NodeLoad](): true}

// schemaOf returns the schema of the JSON that encoding/json produces for a type.
func schemaOf(t reflect.Type) schema {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem())
	}
	switch {
	case t == reflect.TypeFor[time.Time](), t == reflect.TypeFor[state.Time]():
		return instant()
	case t == reflect.TypeFor[state.UID]():
		return schema{"type": "string", "format": "uuid"}
	case t == reflect.TypeFor[state.Fraction]():
		return schema{"type": "string", "pattern": "^-?[0-9]+/-?[0-9]+$"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return enumOf(t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return structOf(t)
	case reflect.Slice:
		return schema{"type": "array", "items": schemaOf(t.Elem())}
	case reflect.Array:
		return schema{"type": "array", "items": schemaOf(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case reflect.Bool:
		return boolean()
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Float64:
		return schema{"type": "number"}
	case reflect.Interface:
		return schema{}
	}
	return schema{"type": "integer"}
}

// enumOf returns the schema of an enumeration type, whose values are numbered from 0. Unknown
// values must encode as value 0.
func enumOf(t reflect.Type) schema {
	var words []string
	for i := range uint64(255) {
		v := reflect.New(t).Elem()
		v.SetUint(i)
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil || i > 0 && string(text) == words[0] {
			break
		}
		words = append(words, string(text))
	}
	return enum(words...)
}

func structOf(t reflect.Type) schema {
	properties, required := map[string]schema{}, []string{}
	addFields(t, properties, &required, true)
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func addFields(t reflect.Type, properties map[string]schema, required *[]string, always bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "":
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			addFields(inner, properties, required, always && !optional[f.Type])
		case f.IsExported():
			if name == "" {
				name = f.Name
			}
			properties[name] = schemaOf(f.Type)
			if always && !strings.Contains(options, "omit") {
				*required = append(*required, name)
			}
		}
	}
}
