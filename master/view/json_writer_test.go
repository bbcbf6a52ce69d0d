package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// declaredRow returns the row of an entry as package state declares it.
func (r rowEncoder) declaredRow(e state.Entry) any {
	switch o := e.Object.(type) {
	case *state.Node:
		return state.NodeView{Node: o, NodeLoad: r.state.Load(o.Name), Used: r.usage.Of(e.Slot)}
	case *state.Container:
		return state.NewContainerView(o, r.usage.Of(e.Slot))
	case *state.Port:
		return state.PortView{Port: o, Targets: append([]*state.Target{}, r.targets(o, "")...), Conflicts: r.conflicts()[o]}
	}
	return e.Object
}

// encodeBoth returns a row as jsonWriter writes it and as encoding/json encodes it.
func encodeBoth(v any) (got, declared []byte) {
	var t jsonWriter
	switch v := v.(type) {
	case *state.NodeView:
		t.node(v.Node, v.NodeLoad, v.Used)
	case *state.PodView:
		t.pod(v.Pod)
	case *state.ContainerView:
		v.ExitCode = nil
		if v.State == state.Terminated {
			v.ExitCode = &v.Container.ExitCode
		}
		t.container(v.Container, v.Used)
	case *state.PortView:
		if v.Targets == nil {
			v.Targets = []*state.Target{}
		}
		t.port(v.Port, v.Targets, v.Conflicts)
	}
	var buf bytes.Buffer
	_ = appendJSON(&buf, v)
	return t, buf.Bytes()
}

func TestRowsEqualEncodingJSON(t *testing.T) {
	w := statetest.New(5, 30, 600)
	w.Sample(1_800_000_000)
	r := newRowEncoder(w.State)
	for _, p := range lists {
		for e := range w.State.Entries(kinds[p]) {
			var want bytes.Buffer
			if err := appendJSON(&want, r.declaredRow(e)); err != nil {
				t.Fatal(err)
			}
			if got := r.appendRow(nil, e, ""); !bytes.Equal(got, want.Bytes()) {
				t.Fatalf("%s\n got %s\nwant %s", p, got, want.Bytes())
			}
		}
	}
}

// TestEachFieldOfARowIsWritten sets one field at a time, so that it fails if a field is added to a
// row but not to jsonWriter.
func TestEachFieldOfARowIsWritten(t *testing.T) {
	for _, row := range []any{
		&state.NodeView{Node: &state.Node{}, NodeLoad: &state.NodeLoad{}},
		&state.NodeView{Node: &state.Node{}},
		&state.PodView{Pod: &state.Pod{}},
		&state.ContainerView{Container: &state.Container{}},
		&state.PortView{Port: &state.Port{}},
	} {
		compare := func(field string) {
			if got, want := encodeBoth(row); !bytes.Equal(got, want) || !json.Valid(got) {
				t.Errorf("%T with field %s\n got %s\nwant %s", row, field, got, want)
			}
		}
		compare("no field")
		eachField(reflect.ValueOf(row).Elem(), "", compare)
	}
}

// eachField sets each field below v, one at a time, calls check, and resets the field. Nested
// fields are set in turn.
func eachField(v reflect.Value, path string, check func(field string)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			eachField(v.Field(i), path+"."+v.Type().Field(i).Name, check)
		}
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			defer v.SetZero()
			check(path)
		}
		eachField(v.Elem(), path, check)
	case reflect.Array:
		v.Index(v.Len() - 1).SetUint(7)
		defer v.SetZero()
		check(path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		defer v.SetZero()
		if e := v.Type().Elem(); e.Kind() == reflect.Pointer {
			v.Index(0).Set(reflect.New(e.Elem()))
			v.Index(1).Set(reflect.New(e.Elem()))
		}
		check(path)
		eachField(v.Index(1), path+"[1]", check)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"b": 1, "a<\"": 2, "c": 0}))
		defer v.SetZero()
		check(path)
	case reflect.String:
		for _, s := range []string{"x", `"<&>\` + "\n\u2028é\xff\x7f\x00"} {
			v.SetString(s)
			check(path)
		}
		v.SetString("")
	case reflect.Bool:
		v.SetBool(true)
		defer v.SetZero()
		check(path)
	case reflect.Uint8, reflect.Uint16:
		for n := range uint64(8) {
			if setKnown(v, n) {
				check(path)
			}
		}
		v.SetUint(0)
	case reflect.Int32, reflect.Int64:
		for _, n := range []int64{-1, 7, 1_790_000_000} {
			v.SetInt(n)
			check(path)
		}
		v.SetInt(0)
	}
}

// setKnown sets v to a number. It returns false if v is an enum that has no such value.
func setKnown(v reflect.Value, n uint64) bool {
	v.SetUint(0)
	zero, isEnum := v.Interface().(fmt.Stringer)
	v.SetUint(n)
	return !isEnum || n == 0 || v.Interface().(fmt.Stringer).String() != zero.String()
}

func TestUsageEventMatchesItsDeclaration(t *testing.T) {
	w := statetest.New(5, 4, 40)
	before := viewOf(t, w.State)
	w.Sample(1_800_000_000)
	after := viewOf(t, w.State)
	var got httpv1.Usage
	if err := json.Unmarshal(encodeUsage(&Scope{}, before, after), &got); err != nil {
		t.Fatal(err)
	}
	want := httpv1.Usage{Nodes: map[string][2]int64{}, Containers: map[string][2]int64{}}
	for p, to := range map[Part]map[string][2]int64{Nodes: want.Nodes, Containers: want.Containers} {
		for e := range w.State.Entries(kinds[p]) {
			if used := w.State.Usage.Of(e.Slot); used != nil {
				to[usageName(e.Object)] = [2]int64{used.CPUMillis, used.MemoryBytes}
				if want.SampledAt == 0 || used.SampledAt < want.SampledAt {
					want.SampledAt = used.SampledAt
				}
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func viewOf(t *testing.T, s *state.State) *ClusterView {
	t.Helper()
	m, err := newClusterView(&Report{Cluster: "prod-eu", ReceivedAt: time.Unix(1_800_000_000, 0), State: s}, ConnStatus{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
