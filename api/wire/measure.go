package wire

import (
	"reflect"
	"unsafe"

	"rollcall.dev/rollcall/api/state"
)

// measureContents returns what the lists, maps and strings of all objects of s take. It
// walks over all of them, a millisecond for some thousand objects, and takes memory
// neither: what is shared is remembered for the last seenSize only, and what is shared
// with something longer ago counts twice.
func measureContents(s *state.State) int64 {
	w := sizer{seen: make([]uintptr, seenSize)}
	for kind := range state.NumKinds {
		for e := range s.Entries(kind) {
			v := reflect.ValueOf(e.Object).Elem()
			w.add(v, layoutOf(v.Type()))
		}
	}
	return w.size
}

// seenSize is a power of two.
const seenSize = 1 << 16

type sizer struct {
	size int64
	// seen are addresses, each at the place that it hashes to.
	seen []uintptr
}

// first reports whether an address was not seen lately.
func (w *sizer) first(address uintptr) bool {
	place := &w.seen[uint64(address)*0x9e3779b97f4a7c15>>(64-16)]
	if *place == address {
		return false
	}
	*place = address
	return true
}

// parts adds what a value points to, of a type that has a layout.
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

// layout is what of a type points to something; nil: nothing.
type layout struct {
	// inner and element are of what a slice, pointer or map has, and its size.
	inner   *layout
	element int64
	fields  []layoutField
}

type layoutField struct {
	index  int
	layout *layout
}

// layouts are those of all objects.
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
