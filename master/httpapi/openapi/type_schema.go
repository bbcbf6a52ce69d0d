package openapi

import (
	"encoding"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// fixedSchemas holds the schemas of types that encode themselves.
var fixedSchemas = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[time.Time]():      {Type: "string", Format: "date-time"},
	reflect.TypeFor[state.Time]():     {Type: "string", Format: "date-time"},
	reflect.TypeFor[state.UID]():      {Type: "string", Format: "uuid"},
	reflect.TypeFor[state.Fraction](): {Type: "string", Pattern: "^-?[0-9]+/-?[0-9]+$"},
}

// stringEnums holds the values of strings that have a few known values.
var stringEnums = map[reflect.Type][]any{
	reflect.TypeFor[httpv1.SectionName](): enumSchema(reflect.TypeFor[state.SectionName]()).Enum,
	reflect.TypeFor[httpv1.Phase]():       {httpv1.Idle, httpv1.Connecting, httpv1.Reporting, httpv1.Backoff},
}

// absentType is an embedded struct whose fields may all be absent.
var absentType = reflect.TypeFor[state.NodeLoad]()

// schemaSet infers the schemas of Go types. Each named struct and enumeration becomes one component
// that the others refer to.
type schemaSet struct {
	names      map[reflect.Type]string
	components map[string]*jsonschema.Schema
}

// newSchemaSet infers the components for all types, and for the types of their fields.
func newSchemaSet(types map[string]reflect.Type) (*schemaSet, error) {
	s := &schemaSet{names: map[reflect.Type]string{}, components: map[string]*jsonschema.Schema{}}
	for name, t := range types {
		s.names[t] = name
	}
	for _, t := range types {
		s.nameFields(t)
	}
	for t, name := range s.names {
		c, err := s.infer(t)
		if err != nil {
			return nil, fmt.Errorf("schema of %s: %w", name, err)
		}
		if s.components[name] != nil {
			return nil, fmt.Errorf("two types have the schema name %s", name)
		}
		s.components[name] = c
	}
	return s, nil
}

// nameFields names the structs and enumerations that t contains. Embedded structs become part of
// the struct that embeds them.
func (s *schemaSet) nameFields(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		s.name(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			switch {
			case f.Tag.Get("json") == "-" || !f.IsExported():
			case f.Anonymous:
				s.nameFields(indirect(f.Type))
			default:
				s.name(f.Type)
			}
		}
	}
}

func (s *schemaSet) name(t reflect.Type) {
	if fixedSchemas[t] != nil || s.names[t] != "" {
		return
	}
	if t.Name() != "" && (t.Kind() == reflect.Struct || isEnum(t) || stringEnums[t] != nil) {
		s.names[t] = t.Name()
	}
	s.nameFields(t)
}

// isEnum reports whether t is an enumeration, whose values encode as text.
func isEnum(t reflect.Type) bool {
	return t.Kind() == reflect.Uint8 && t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func indirect(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// infer returns the schema of the JSON that encoding/json produces for a type, with references to
// the components.
func (s *schemaSet) infer(t reflect.Type) (*jsonschema.Schema, error) {
	switch {
	case stringEnums[t] != nil:
		return &jsonschema.Schema{Type: "string", Enum: stringEnums[t]}, nil
	case isEnum(t):
		return enumSchema(t), nil
	}
	known := map[reflect.Type]*jsonschema.Schema{}
	for of, fixed := range fixedSchemas {
		known[of] = fixed
	}
	for of, name := range s.names {
		if of != t && of.Name() != "" {
			known[of] = &jsonschema.Schema{Ref: refTo(name)}
		}
	}
	inferred, err := jsonschema.ForType(flatten(t), &jsonschema.ForOptions{TypeSchemas: known})
	if err != nil {
		return nil, err
	}
	removeNull(inferred)
	return inferred, nil
}

// flatten returns a struct with the JSON fields of t and of the structs that t embeds. It leaves
// other types as they are. Package jsonschema follows the rules of Go for embedded structs, and so
// misses the field Port of a Port that is embedded.
func flatten(t reflect.Type) reflect.Type {
	if t.Kind() != reflect.Struct {
		return t
	}
	var fields []reflect.StructField
	at := map[string]int{}
	for f := range jsonFields(t, false) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		f.Name = fmt.Sprintf("F%d", len(fields))
		if i, ok := at[name]; ok {
			fields[i].Type, fields[i].Tag = f.Type, f.Tag
			continue
		}
		at[name] = len(fields)
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

// jsonFields iterates over the JSON fields of a struct and of the structs that it embeds, those of
// the embedded ones first. With absent, the fields may be missing.
func jsonFields(t reflect.Type, absent bool) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		fields := reflect.VisibleFields(t)
		for _, f := range fields {
			if len(f.Index) > 1 || !f.Anonymous {
				continue
			}
			embedded := indirect(f.Type)
			for inner := range jsonFields(embedded, absent || embedded == absentType) {
				if !yield(inner) {
					return
				}
			}
		}
		for _, f := range fields {
			tag := f.Tag.Get("json")
			if len(f.Index) > 1 || f.Anonymous || !f.IsExported() || tag == "-" {
				continue
			}
			if absent {
				tag += ",omitempty"
			}
			if !yield(reflect.StructField{Type: f.Type, Tag: reflect.StructTag(fmt.Sprintf("json:%q", tag))}) {
				return
			}
		}
	}
}

// removeNull removes null from the types of a schema. Responses omit pointers and lists that are
// nil, or encode them as empty.
func removeNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.Types = slices.DeleteFunc(s.Types, func(t string) bool { return t == "null" })
	switch len(s.Types) {
	case 0:
		s.Types = nil
	case 1:
		s.Type, s.Types = s.Types[0], nil
	}
	for _, property := range s.Properties {
		removeNull(property)
	}
	removeNull(s.Items)
	removeNull(s.AdditionalProperties)
}

// enumSchema returns the schema of an enumeration, whose values are numbered from 0. Unknown values
// encode as value 0 or as "unknown", which is not a value of its own then.
func enumSchema(t reflect.Type) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for i := range uint64(255) {
		v := reflect.New(t).Elem()
		v.SetUint(i)
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil || slices.Contains(s.Enum, any(string(text))) || i > 0 && string(text) == "unknown" {
			break
		}
		s.Enum = append(s.Enum, string(text))
	}
	return s
}
