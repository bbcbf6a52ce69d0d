package main

import (
	"cmp"
	"fmt"
	"log"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// table is the table of one kind of objects in the wire protocol.
type table struct {
	object reflect.Type
	// message is the name of the table's protobuf message.
	message string
	// slots is set if the table has a column with the slots of its objects.
	slots  bool
	fields []field
}

// field is one field of an object, with the statements that are generated for it.
type field struct {
	// columns are the columns of the field. A field is converted after those whose first column has a smaller number.
	columns []column
	// convert converts the field from or to its columns.
	convert string
	// times passes the times in the field to the function visit.
	times string
	// memory adds the memory of the field's lists and addresses to the variable size.
	memory string
}

// column is one column of a table.
type column struct {
	number int
	name   string
}

// get returns the expression for the column's values.
func (c column) get() string { return "pb.Get" + camelCase(c.name) + "()" }

func (c column) pointer() string { return "&pb." + camelCase(c.name) }

// newTables returns the tables of all kinds, as the struct tags in package state declare them.
func newTables() []table {
	tables := []table{
		{object: reflect.TypeFor[state.Node](), message: "Nodes", slots: true},
		{object: reflect.TypeFor[state.NodeLoad](), message: "NodeLoads"},
		{object: reflect.TypeFor[state.Pod](), message: "Pods"},
		{object: reflect.TypeFor[state.Container](), message: "Containers", slots: true},
		{object: reflect.TypeFor[state.Port](), message: "Ports"},
		{object: reflect.TypeFor[state.Target](), message: "Targets"},
		{object: reflect.TypeFor[state.Service](), message: "Services"},
		{object: reflect.TypeFor[state.Claim](), message: "Claims"},
		{object: reflect.TypeFor[state.PersistentVolume](), message: "PersistentVolumes"},
	}
	for i := range tables {
		t := &tables[i]
		t.fields = fieldsOf(t.object, "o", "")
		all := t.columns()
		for i, c := range all {
			if c.number != i+1 {
				log.Fatalf("%s has no column %d, or has it twice: number its columns in the wire tags without a gap, a new one %d", t.object, i+1, len(all)+1)
			}
		}
	}
	return tables
}

// columns returns all columns of the table by their numbers.
func (t *table) columns() []column {
	all := []column{{1, "back"}}
	if t.slots {
		all = append(all, column{2, "slot"})
	}
	for _, f := range t.fields {
		all = append(all, f.columns...)
	}
	slices.SortFunc(all, func(a, b column) int { return cmp.Compare(a.number, b.number) })
	return all
}

// fieldsOf returns the fields of a struct in the order in which they are converted. value is the expression for
// the struct, prefix the beginning of the columns' names.
func fieldsOf(t reflect.Type, value, prefix string) (fields []field) {
	for i := range t.NumField() {
		fields = append(fields, fieldOf(t, t.Field(i), value, prefix))
	}
	slices.SortFunc(fields, func(a, b field) int { return cmp.Compare(a.columns[0].number, b.columns[0].number) })
	return fields
}

// tag is the struct tag of a field: the numbers of its columns, and an option that has an argument or none.
type tag struct {
	numbers          []int
	option, argument string
}

func parseTag(t reflect.Type, f reflect.StructField) (parsed tag) {
	for part := range strings.SplitSeq(f.Tag.Get("wire"), ",") {
		if n, err := strconv.Atoi(part); err == nil {
			parsed.numbers = append(parsed.numbers, n)
			continue
		}
		parsed.option, parsed.argument, _ = strings.Cut(part, "=")
	}
	if len(parsed.numbers) == 0 {
		log.Fatalf("field %s of %s needs the number of its column: add a tag like wire:\"44\"", f.Name, t)
	}
	return parsed
}

// fieldOf returns one field of a struct.
func fieldOf(in reflect.Type, f reflect.StructField, value, prefix string) field {
	parsed, t := parseTag(in, f), f.Type
	value += "." + f.Name
	own := column{parsed.numbers[0], prefix + snakeCase(f.Name)}
	switch {
	case parsed.option == "ownTarget":
		own.name = "own_target"
		return field{columns: []column{own}, convert: fmt.Sprintf("r.ownTarget(%s, &%s, targets, own)\n", own.pointer(), value)}
	case t == resourcesType, t == uidType:
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return stringList(own, parsed, value)
	case t.Kind() == reflect.Slice:
		return list(own, t, value, "list", "inlineSize", "for i := range %[1]s {\nelement := &%[1]s[i]\n")
	case t.Kind() == reflect.Pointer:
		return list(own, t, value, "optional", "heapSize", "if element := %[1]s; element != nil {\n")
	case t.Kind() == reflect.Struct:
		return flattened(own, parsed, t, value)
	}
	return scalar(own, parsed, in, f, value)
}

// scalar returns a field that is one column.
func scalar(own column, parsed tag, in reflect.Type, f reflect.StructField, value string) field {
	t := f.Type
	var method string
	out := field{columns: []column{own}}
	switch {
	case parsed.option == "not":
		own.name = parsed.argument
		out.columns[0] = own
		method = "not"
	case parsed.option == "address", parsed.option == "hostIP":
		method = parsed.option
		out.memory = fmt.Sprintf("size += addressMemory(%s, len(pb.GetBack()))\n", own.get())
	case t == timeType:
		method = cmp.Or(parsed.option, "time")
		out.times = fmt.Sprintf("visit(%s)\n", value)
	case t == uidType:
		method = "uid"
	case t == resourcesType:
		method = "resourcesRef"
	case t.Kind() == reflect.String:
		method = "stringRef"
	case t.Kind() == reflect.Bool:
		method = "flag"
	case t.Kind() == reflect.Uint8:
		out.convert = fmt.Sprintf("enum(r, %s, &%s, %s)\n", own.pointer(), value, lastOf(t))
		return out
	default:
		out.convert = fmt.Sprintf("number(r, %s, &%s, %s)\n", own.pointer(), value, limits(in, f, parsed.option))
		return out
	}
	argument := ""
	if parsed.argument != "" && parsed.option != "not" {
		argument = ", " + value[:strings.LastIndexByte(value, '.')+1] + parsed.argument
	}
	out.convert = fmt.Sprintf("r.%s(%s, &%s%s)\n", method, own.pointer(), value, argument)
	return out
}

// stringList returns a field with a list of strings: a column with its length, and one with its elements.
func stringList(count column, parsed tag, value string) field {
	if len(parsed.numbers) != 2 {
		log.Fatalf("%s needs the numbers of two columns in its wire tag: of its length and of its elements", value)
	}
	method, name := "stringRef", "name"
	if parsed.option == "address" {
		method, name = "address", "address"
	}
	elements := column{parsed.numbers[1], count.name + "_" + name}
	out := field{
		columns: []column{count, elements},
		convert: fmt.Sprintf("list(r, %s, %s, &%s, 1, func(element *string) { r.%s(%s, element) })\n", count.pointer(), elements.pointer(), value, method, elements.pointer()),
		memory:  fmt.Sprintf("size += int64(len(%s)) * inlineSize[string]()\n", elements.get()),
	}
	if method == "address" {
		out.memory += fmt.Sprintf("size += addressMemory(%[1]s, len(%[1]s))\n", elements.get())
	}
	return out
}

// list returns a field with a list of structs, or with a pointer to one struct: a column with its length, and one for
// each field of the struct. each is the beginning of a loop over the elements, of a block with the variable element.
func list(count column, t reflect.Type, value, function, size, each string) field {
	elements := fieldsOf(t.Elem(), "element", count.name+"_")
	out := field{columns: []column{count}}
	var convert, times, memory string
	for _, f := range elements {
		out.columns = append(out.columns, f.columns...)
		convert += f.convert
		times += f.times
		memory += f.memory
	}
	first, width := out.columns[1], len(out.columns)-1
	out.convert = fmt.Sprintf("%s(r, %s, %s, &%s, %d, func(element *state.%s) {\n%s})\n", function, count.pointer(), first.pointer(), value, width, t.Elem().Name(), convert)
	if times != "" {
		out.times = fmt.Sprintf(each, value) + times + "}\n"
	}
	// The rows of addresses in a list are its elements.
	out.memory = fmt.Sprintf("size += int64(len(%s)) * %s[state.%s]()\n", first.get(), size, t.Elem().Name()) +
		strings.ReplaceAll(memory, "len(pb.GetBack())", "len("+first.get()+")")
	return out
}

// flattened returns a field with a struct whose fields are columns of the table.
func flattened(own column, parsed tag, t reflect.Type, value string) (out field) {
	if len(parsed.numbers) != t.NumField() {
		log.Fatalf("%s needs the numbers of %d columns in its wire tag: one for each field of %s", value, t.NumField(), t)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		c := column{parsed.numbers[i], own.name + "_" + snakeCase(f.Name)}
		part := scalar(c, tag{}, t, f, value+"."+f.Name)
		out.columns = append(out.columns, c)
		out.convert += part.convert
	}
	return out
}

// lastOf returns the largest value of an enum or bit set.
func lastOf(t reflect.Type) string {
	if t == reflect.TypeFor[state.Zeros]() {
		return "state.AllZeros"
	}
	value := reflect.New(t).Elem()
	text := func(n uint64) string {
		value.SetUint(n)
		return value.Interface().(fmt.Stringer).String()
	}
	last := uint64(0)
	for last < math.MaxUint8 && text(last+1) != text(0) {
		last++
	}
	return strconv.FormatUint(last, 10)
}

// limits returns the smallest and the largest value that a number may have.
func limits(in reflect.Type, f reflect.StructField, option string) string {
	switch kind := f.Type.Kind(); {
	case option == "count":
		return "0, math.MaxInt32"
	case kind == reflect.Int32:
		return "math.MinInt32, math.MaxInt32"
	case kind == reflect.Int64:
		return "math.MinInt64, math.MaxInt64"
	case kind == reflect.Uint16:
		return "0, math.MaxUint16"
	}
	log.Fatalf("field %s of %s: hack/fields cannot make a column of the type %s; extend fieldOf", f.Name, in, f.Type)
	return ""
}

// columnsProto generates the tables as protobuf messages.
func columnsProto(s *source, tables []table) {
	s.line("// Code generated by hack/fields from the wire tags in api/state. DO NOT EDIT.")
	s.line(`syntax = "proto3";`)
	s.line("")
	s.line("package rollcall.v1;")
	s.line("")
	s.line(`option go_package = "rollcall.dev/rollcall/api/wire/wirepb";`)
	for _, t := range tables {
		s.line("")
		s.line("message %s {", t.message)
		for _, c := range t.columns() {
			s.line("  repeated sint64 %s = %d;", c.name, c.number)
		}
		s.line("}")
	}
}

// columnCodec generates the functions that convert objects of each kind, visit their times, and estimate the memory
// of their lists and addresses.
func columnCodec(s *source, tables []table) {
	s.line("package columnar")
	s.line("")
	s.line("import (")
	s.line(`"math"`)
	s.line("")
	s.line(`"rollcall.dev/rollcall/api/state"`)
	s.line(`"rollcall.dev/rollcall/api/wire/wirepb"`)
	s.line(")")
	for _, t := range tables {
		object := t.object.Name()
		s.line("")
		parameters := fmt.Sprintf("pb *wirepb.%s, o *state.%s, back *uint64", t.message, object)
		if t.slots {
			parameters += ", slot *uint32"
		}
		if t.object == reflect.TypeFor[state.Port]() {
			parameters += ", targets *tableCodec, own *wirepb.Targets"
		}
		s.line("func (r *tableCodec) %s(%s) {", unexported(object), parameters)
		s.line("r.startRow()")
		s.line("r.back(&pb.Back, back)")
		if t.slots {
			s.line("r.slot(&pb.Slot, slot)")
		}
		for _, f := range t.fields {
			s.WriteString(f.convert)
		}
		s.line("}")
	}
	timeVisitor(s, tables)
	memoryEstimates(s, tables)
}

// timeVisitor generates the function that visits the times of an object.
func timeVisitor(s *source, tables []table) {
	s.line("")
	s.line("// visitTimes calls visit with each time of an object.")
	s.line("func visitTimes(o state.Object, visit func(state.Time)) {")
	s.line("switch o := o.(type) {")
	for _, t := range tables {
		var times string
		for _, f := range t.fields {
			times += f.times
		}
		if times != "" {
			s.line("case *state.%s:", t.object.Name())
			s.WriteString(times)
		}
	}
	s.line("}")
	s.line("}")
}

// memoryEstimates generates the functions that estimate the memory of the lists and addresses of a table.
func memoryEstimates(s *source, tables []table) {
	for _, t := range tables {
		var memory string
		for _, f := range t.fields {
			memory += f.memory
		}
		if memory == "" {
			continue
		}
		s.line("")
		s.line("// %sMemory returns the memory of the lists and addresses of a table, without other strings.", unexported(t.message))
		s.line("func %sMemory(pb *wirepb.%s) (size int64) {", unexported(t.message), t.message)
		s.WriteString(memory)
		s.line("return size")
		s.line("}")
	}
}

var (
	wordStart    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	acronymStart = regexp.MustCompile(`([A-Z])([A-Z][a-z]{2})`)
)

// snakeCase returns the name of a field as protobuf writes it: pod_ips for PodIPs, os_image for OSImage.
func snakeCase(name string) string {
	return strings.ToLower(acronymStart.ReplaceAllString(wordStart.ReplaceAllString(name, "${1}_$2"), "${1}_$2"))
}

// camelCase returns the name that protoc-gen-go gives to a column.
func camelCase(name string) (camel string) {
	for word := range strings.SplitSeq(name, "_") {
		camel += strings.ToUpper(word[:1]) + word[1:]
	}
	return camel
}
