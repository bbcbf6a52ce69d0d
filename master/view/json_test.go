package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// view is the row of an entry as package state declares it.
func (r rows) view(e state.Entry) any {
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

// written is a row as it is written, and declared as encoding/json makes it of its
// declaration.
func written(v any) (got, declared []byte) {
	var t text
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

func TestRowsAreWrittenAsTheyAreDeclared(t *testing.T) {
	w := statetest.New(5, 30, 600)
	w.Sample(1_800_000_000)
	r := rowsOf(w.State)
	for _, p := range lists {
		for e := range w.State.Entries(kinds[p]) {
			var want bytes.Buffer
			if err := appendJSON(&want, r.view(e)); err != nil {
				t.Fatal(err)
			}
			if got := r.append(nil, e, ""); !bytes.Equal(got, want.Bytes()) {
				t.Fatalf("%s\n got %s\nwant %s", p, got, want.Bytes())
			}
		}
	}
}

// TestEachFieldOfARowIsWritten sets one field after the other: one that is added to a row
// and not to what writes it would be missed otherwise.
func TestEachFieldOfARowIsWritten(t *testing.T) {
	for _, row := range []any{
		&state.NodeView{Node: &state.Node{}, NodeLoad: &state.NodeLoad{}},
		&state.NodeView{Node: &state.Node{}},
		&state.PodView{Pod: &state.Pod{}},
		&state.ContainerView{Container: &state.Container{}},
		&state.PortView{Port: &state.Port{}},
	} {
		compare := func(field string) {
			if got, want := written(row); !bytes.Equal(got, want) || !json.Valid(got) {
				t.Errorf("%T with %s\n got %s\nwant %s", row, field, got, want)
			}
		}
		compare("nothing")
		eachField(reflect.ValueOf(row).Elem(), "", compare)
	}
}

// eachField gives each field below v some value, tells of it, and takes it back; where a
// field leads to others it is given each of theirs in turn. Behind it all are set.
func eachField(v reflect.Value, path string, tell func(field string)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			eachField(v.Field(i), path+"."+v.Type().Field(i).Name, tell)
		}
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
			defer v.SetZero()
			tell(path)
		}
		eachField(v.Elem(), path, tell)
	case reflect.Array:
		v.Index(v.Len() - 1).SetUint(7)
		defer v.SetZero()
		tell(path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		defer v.SetZero()
		if e := v.Type().Elem(); e.Kind() == reflect.Pointer {
			v.Index(0).Set(reflect.New(e.Elem()))
			v.Index(1).Set(reflect.New(e.Elem()))
		}
		tell(path)
		eachField(v.Index(1), path+"[1]", tell)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]int64{"b": 1, "a<\"": 2, "c": 0}))
		defer v.SetZero()
		tell(path)
	case reflect.String:
		for _, s := range []string{"x", `"<&>\` + "\n\u2028é\xff\x7f\x00"} {
			v.SetString(s)
			tell(path)
		}
		v.SetString("")
	case reflect.Bool:
		v.SetBool(true)
		defer v.SetZero()
		tell(path)
	case reflect.Uint8, reflect.Uint16:
		for n := range uint64(8) {
			if known(v, n) {
				tell(path)
			}
		}
		v.SetUint(0)
	case reflect.Int32, reflect.Int64:
		for _, n := range []int64{-1, 7, 1_790_000_000} {
			v.SetInt(n)
			tell(path)
		}
		v.SetInt(0)
	}
}

// known sets v to a number, and says whether that is one of those that an enum has, or v
// is none.
func known(v reflect.Value, n uint64) bool {
	v.SetUint(0)
	zero, isEnum := v.Interface().(fmt.Stringer)
	v.SetUint(n)
	return !isEnum || n == 0 || v.Interface().(fmt.Stringer).String() != zero.String()
}

func TestAUsageEventIsWrittenAsItIsDeclared(t *testing.T) {
	w := statetest.New(5, 4, 40)
	before := momentOf(t, w.State)
	w.Sample(1_800_000_000)
	after := momentOf(t, w.State)
	var got usageObject
	if err := json.Unmarshal(encodeUsage(&Scope{}, before, after), &got); err != nil {
		t.Fatal(err)
	}
	want := usageObject{Nodes: map[string][2]int64{}, Containers: map[string][2]int64{}}
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

func momentOf(t *testing.T, s *state.State) *Moment {
	t.Helper()
	m, err := newMoment(&Report{Cluster: "prod-eu", ReceivedAt: time.Unix(1_800_000_000, 0), State: s}, Standing{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
