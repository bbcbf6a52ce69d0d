package columnar

import (
	"reflect"
	"unsafe"

	"rollcall.dev/rollcall/api/state"
)

// MeasureContents returns the memory of the lists, maps and strings of all objects of s, in bytes.
// It visits all objects, which takes about a millisecond for some thousand. It remembers only the
// last seenSize addresses, so memory that objects far apart share may be counted twice.
func MeasureContents(s *state.State) int64 {
	w := sizer{seen: make([]uintptr, seenSize)}
	for kind := range state.NumKinds {
		for e := range s.Entries(kind) {
			v := reflect.ValueOf(e.Object).Elem()
			w.add(v, layoutOf(v.Type()))
		}
	}
	return w.size
}

// seenSize is the number of remembered addresses, a power of two.
const seenSize = 1 << 16

type sizer struct {
	size int64
	// seen has addresses, each at the index that it hashes to.
	seen []uintptr
}

// first reports whether an address is new or was forgotten, and remembers it.
func (w *sizer) first(address uintptr) bool {
	place := &w.seen[uint64(address)*0x9e3779b97f4a7c15>>(64-16)]
	if *place == address {
		return false
	}
	*place = address
	return true
}

// add adds the memory that a value of the given layout points to.
func (w *sizer) add(v reflect.Value, s *layout) {
	if s == nil {
		return
	}
	switch v.Kind() {
	case reflect.String:
		text := v.String()
		if len(text) > 0 && w.first(uintptr(unsafe.Pointer(unsafe.StringData(text)))) { //nolint:gosec // only compared, never dereferenced
			w.size += textSize(len(text))
		}
	case reflect.Slice:
		if v.Len() == 0 || !w.first(v.Pointer()) {
			return
		}
		w.size += int64(v.Cap()) * s.element
		for i := range v.Len() {
			w.add(v.Index(i), s.inner)
		}
	case reflect.Pointer:
		if !v.IsNil() && w.first(v.Pointer()) {
			w.size += s.element
			w.add(v.Elem(), s.inner)
		}
	case reflect.Map:
		if v.Len() > 0 && w.first(v.Pointer()) {
			w.size += mapSize + int64(v.Len())*pairSize
			for _, key := range v.MapKeys() {
				w.add(key, s.inner)
			}
		}
	case reflect.Struct:
		for _, f := range s.fields {
			w.add(v.Field(f.index), f.layout)
		}
	}
}

// layout describes the pointers within a type. It is nil for a type without pointers.
type layout struct {
	// inner and element are the layout and the size of the elements of a slice, pointer or map.
	inner   *layout
	element int64
	fields  []layoutField
}

type layoutField struct {
	index  int
	layout *layout
}

// layouts has the layouts of all object types.
var layouts = func() map[reflect.Type]*layout {
	all := map[reflect.Type]*layout{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[state.Node](), reflect.TypeFor[state.NodeLoad](), reflect.TypeFor[state.Pod](), reflect.TypeFor[state.Container](), reflect.TypeFor[state.Port](),
		reflect.TypeFor[state.Target](), reflect.TypeFor[state.Service](), reflect.TypeFor[state.Claim](), reflect.TypeFor[state.PersistentVolume](),
	} {
		all[t] = newLayout(t)
	}
	return all
}()

func layoutOf(t reflect.Type) *layout { return layouts[t] }

func newLayout(t reflect.Type) *layout {
	switch t.Kind() {
	case reflect.String:
		return &layout{}
	case reflect.Slice:
		return &layout{inner: newLayout(t.Elem()), element: int64(t.Elem().Size())}
	case reflect.Pointer:
		return &layout{inner: newLayout(t.Elem()), element: allocated(int64(t.Elem().Size()))}
	case reflect.Map:
		return &layout{inner: newLayout(t.Key())}
	case reflect.Struct:
		s := &layout{}
		for i := range t.NumField() {
			if f := newLayout(t.Field(i).Type); f != nil {
				s.fields = append(s.fields, layoutField{i, f})
			}
		}
		if len(s.fields) > 0 {
			return s
		}
	}
	return nil
}
