package main

import (
	"log"
	"reflect"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// rows generates a method of rows.Writer for each struct in the rows of the HTTP API. The methods
// write the same JSON as encoding/json.
func rows(s *source) {
	s.line("package rows")
	s.line("")
	s.line(`import "rollcall.dev/rollcall/api/state"`)
	done := map[reflect.Type]bool{resourcesType: true} // Writer.resources is written by hand
	for _, view := range []any{state.NodeView{}, state.PodView{}, state.ContainerView{}, state.PortView{}} {
		structWriter(s, reflect.TypeOf(view), done)
	}
}

// structWriter generates the method for a struct, and those for the structs in its fields.
func structWriter(s *source, t reflect.Type, done map[reflect.Type]bool) {
	if done[t] {
		return
	}
	done[t] = true
	var nested []reflect.Type
	s.line("")
	s.line("func (w *Writer) %sFields(o *state.%s) {", unexported(t.Name()), t.Name())
	for i := range t.NumField() {
		f := t.Field(i)
		if n := fieldWriter(s, t, f); n != nil {
			nested = append(nested, n)
		}
	}
	s.line("}")
	for _, n := range nested {
		structWriter(s, n, done)
	}
}

// fieldWriter generates the statements for a field. It returns the struct that the field contains.
func fieldWriter(s *source, in reflect.Type, f reflect.StructField) (nested reflect.Type) {
	name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
	t, value, omit := f.Type, "o."+f.Name, option != ""
	call := func(method, argument string) {
		if omit {
			method = "Opt" + method
		}
		s.line("w.%s(%q, %s)", method, name, argument)
	}
	switch {
	case name == "-":
	case f.Anonymous: // a pointer, as the views have them
		s.line("if %s != nil {", value)
		s.line("w.%sFields(%s)", unexported(t.Elem().Name()), value)
		s.line("}")
		return t.Elem()
	case name == "":
		log.Fatalf("field %s of %s has no JSON name", f.Name, in)
	case t == timeType && omit:
		s.line("w.Time(%q, %s)", name, value)
	case t == uidType && omit:
		call("Text", value+".String()")
	case t.Implements(stringerType) && t.Kind() != reflect.Int64:
		call("Text", value+".String()")
	case t.Kind() == reflect.String:
		call("Text", value)
	case t.Kind() == reflect.Bool:
		call("Bool", value)
	case t.Kind() == reflect.Int64:
		call("Int", value)
	case t.Kind() == reflect.Int32, t.Kind() == reflect.Uint16:
		call("Int", "int64("+value+")")
	default:
		return containerWriter(s, in, f, name, option)
	}
	return nil
}

// containerWriter generates the statements for a field that is a list, a pointer or a struct. It returns the struct
// that the field contains.
func containerWriter(s *source, in reflect.Type, f reflect.StructField, name, option string) (nested reflect.Type) {
	t, value, omit := f.Type, "o."+f.Name, option != ""
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && omit:
		s.line("w.strings(%q, %s)", name, value)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && omit:
		s.line("if len(%s) > 0 {", value)
		listWriter(s, name, t.Elem(), value, "&"+value+"[i]")
		s.line("}")
		return t.Elem()
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer && !omit:
		listWriter(s, name, t.Elem().Elem(), value, value+"[i]")
		return t.Elem().Elem()
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Int32 && omit:
		s.line("if %s != nil {", value)
		s.line("w.Int(%q, int64(*%s))", name, value)
		s.line("}")
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct && omit:
		s.line("if %s != nil {", value)
		object(s, name, t.Elem(), value)
		s.line("}")
		return t.Elem()
	case t.Kind() == reflect.Struct:
		if option == "omitzero" {
			s.line("if %s != (state.%s{}) {", value, t.Name())
			defer s.line("}")
		}
		object(s, name, t, "&"+value)
		return t
	default:
		log.Fatalf("field %s of %s: hack/fields cannot write the type %s with the option %q; extend containerWriter", f.Name, in, t, option)
	}
	return nil
}

// object generates the statements for a field that holds an object.
func object(s *source, name string, t reflect.Type, pointer string) {
	if t == resourcesType {
		s.line("w.resources(%q, %s)", name, pointer)
		return
	}
	s.line("w.Field(%q)", name)
	s.line("%s := w.Begin()", name)
	s.line("w.%sFields(%s)", unexported(t.Name()), pointer)
	s.line("w.Close(%s, \"{}\")", name)
}

// listWriter generates the statements for a field that holds a list of objects. pointer is the element
// with the index i.
func listWriter(s *source, name string, of reflect.Type, slice, pointer string) {
	s.line("w.Field(%q)", name)
	s.line("%s := w.Begin()", name)
	s.line("for i := range %s {", slice)
	s.line("w.Element()")
	s.line("element := w.Begin()")
	s.line("w.%sFields(%s)", unexported(of.Name()), pointer)
	s.line("w.Close(element, \"{}\")")
	s.line("}")
	s.line("w.Close(%s, \"[]\")", name)
}
