package view

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
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

func TestUsageEventMatchesItsDeclaration(t *testing.T) {
	w := statetest.New(5, 4, 40)
	before := viewOf(t, w.State)
	w.Sample(1_800_000_000)
	after := viewOf(t, w.State)
	var got httpv1.Usage
	encoded, err := encodeUsage(&Scope{}, before, after)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &got); err != nil {
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
	m, err := newClusterView(&Report{Report: &report.Report{Cluster: "prod-eu", ReceivedAt: time.Unix(1_800_000_000, 0), LazyState: wire.NewLazyState(s)}}, ConnStatus{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
