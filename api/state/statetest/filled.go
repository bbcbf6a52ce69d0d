package statetest

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"reflect"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// NewObject returns an object of a kind without any field set.
func NewObject(kind state.Kind) state.Object {
	return [state.NumKinds]func() state.Object{
		state.KindNode:             func() state.Object { return &state.Node{} },
		state.KindNodeLoad:         func() state.Object { return &state.NodeLoad{} },
		state.KindPod:              func() state.Object { return &state.Pod{} },
		state.KindContainer:        func() state.Object { return &state.Container{} },
		state.KindPort:             func() state.Object { return &state.Port{} },
		state.KindTarget:           func() state.Object { return &state.Target{} },
		state.KindService:          func() state.Object { return &state.Service{} },
		state.KindClaim:            func() state.Object { return &state.Claim{} },
		state.KindPersistentVolume: func() state.Object { return &state.PersistentVolume{} },
	}[kind]()
}

// Filled returns an object of a kind with every field set. The value of a field depends on the
// path of its name and on variant only, so a new field does not change the others.
func Filled(kind state.Kind, variant int) state.Object {
	o := NewObject(kind)
	Fill(o, variant)
	return o
}

// Fill sets every field that a pointer leads to, as Filled does.
func Fill(pointer any, variant int) {
	v := reflect.ValueOf(pointer).Elem()
	fill(v, v.Type().Name(), variant)
}

func fill(v reflect.Value, path string, variant int) {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, path, variant)
	n := int64(h.Sum32() % 10_000)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"."+v.Type().Field(i).Name, variant)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, variant)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+variant%2, 1+variant%2))
		for i := range v.Len() {
			fill(v.Index(i), path, variant+100*i)
		}
	case reflect.Array: // a UID
		for i := range v.Len() {
			v.Index(i).SetUint(uint64(n+int64(i)) % 256)
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"nvidia.com/gpu": n, fmt.Sprintf("hugepages-%dMi", variant): 2 * n}))
	case reflect.String:
		v.SetString(text(path, n, variant))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(1 + uint64(n)%lastOf(v))
	case reflect.Uint16:
		v.SetUint(1 + uint64(n))
	case reflect.Int32, reflect.Int64:
		if v.Type() == reflect.TypeFor[state.Time]() {
			n += 1_790_000_000
		}
		v.SetInt(1 + n)
	default:
		panic(fmt.Sprintf("%s has the type %s, which Fill does not know", path, v.Type()))
	}
}

// text returns an address for the fields that hold one, alternately IPv4 and IPv6, else a word.
func text(path string, n int64, variant int) string {
	switch isAddress := strings.HasSuffix(path, "Address") || strings.HasSuffix(path, "Addresses") || strings.HasSuffix(path, "IP") || strings.HasSuffix(path, "IPs"); {
	case isAddress && variant%2 == 1:
		return netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}).String()
	case isAddress:
		return fmt.Sprintf("fd00::%x", 1+n)
	}
	return fmt.Sprintf("%s-%d", strings.ToLower(path[strings.LastIndexByte(path, '.')+1:]), n)
}

// lastOf returns the largest value of the enum or bit set that v has the type of.
func lastOf(v reflect.Value) uint64 {
	if v.Type() == reflect.TypeFor[state.Zeros]() {
		return uint64(state.AllZeros)
	}
	one := reflect.New(v.Type()).Elem()
	unknown := one.Interface().(fmt.Stringer).String()
	last := uint64(0)
	for {
		one.SetUint(last + 1)
		if one.Interface().(fmt.Stringer).String() == unknown {
			return last
		}
		last++
	}
}

// FieldsOutsideKey returns the names of the fields of an object that are no part of its key.
func FieldsOutsideKey(kind state.Kind) (names []string) {
	t := reflect.TypeOf(NewObject(kind)).Elem()
	for i := range t.NumField() {
		o := Filled(kind, 1)
		Set(o, t.Field(i).Name, NewObject(kind))
		if o.Key() == Filled(kind, 1).Key() {
			names = append(names, t.Field(i).Name)
		}
	}
	return names
}

// Set sets one field of an object to its value in from, an object of the same kind.
func Set(o state.Object, field string, from state.Object) {
	reflect.ValueOf(o).Elem().FieldByName(field).Set(reflect.ValueOf(from).Elem().FieldByName(field))
}
