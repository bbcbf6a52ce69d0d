package state_test

import (
	"fmt"
	"iter"
	"reflect"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

var now = time.Unix(1_800_000_000, 0)

func ago(d time.Duration) state.Time { return state.TimeOf(now.Add(-d)) }

// cluster returns a State of the given objects.
func cluster(t *testing.T, objects ...state.Object) *state.State {
	t.Helper()
	var d state.Delta
	for i, o := range objects {
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: uint32(i), Object: o})
	}
	s, err := state.Apply(&state.State{}, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSummaryCounts(t *testing.T) {
	node := func(name string, ready state.Tristate, free int64) []state.Object {
		return []state.Object{
			&state.Node{Name: name, Ready: ready, Schedulable: true, Allocatable: state.Resources{CPUMillis: 4000, MemoryBytes: 100}},
			&state.NodeLoad{Node: name, Requested: state.Resources{CPUMillis: 4000 - free, MemoryBytes: free / 100}},
		}
	}
	done := &state.Container{Namespace: "a", Pod: "done", Name: "c", Kind: state.Main, State: state.Running, Restarts: 9, Ready: true}
	objects := append(node("n1", state.True, 1000), node("n2", state.True, 2000)...)
	objects = append(objects, node("n3", state.False, 3000)...)
	objects = append(objects,
		&state.Pod{Namespace: "a", Name: "done", Phase: state.PodSucceeded}, done,
		&state.Pod{Namespace: "a", Name: "up", Phase: state.PodRunning, Terminating: true},
		&state.Container{Namespace: "a", Pod: "up", Name: "c", Kind: state.Main, State: state.Running, Ready: true, Restarts: 2},
		&state.Container{Namespace: "a", Pod: "up", Name: "s", Kind: state.Sidecar, State: state.Waiting},
		&state.Container{Namespace: "a", Pod: "up", Name: "i", Kind: state.Init, State: state.Terminated},
		&state.Container{Namespace: "a", Pod: "up", Name: "x", Kind: state.Main},
	)
	got := state.Summarize(cluster(t, objects...), now)
	if want := (state.NodeCounts{Total: 3, Ready: 2, Schedulable: 3}); got.Nodes != want {
		t.Errorf("nodes %+v, want %+v", got.Nodes, want)
	}
	if want := (state.PodCounts{Total: 2, Running: 1, Succeeded: 1, Terminating: 1}); got.Pods != want {
		t.Errorf("pods %+v, want %+v", got.Pods, want)
	}
	if want := (state.ContainerCounts{Total: 5, Running: 1, Waiting: 1, Terminated: 2, Unknown: 1, Restarts: 2, Desired: 3, Ready: 1}); got.Containers != want {
		t.Errorf("containers %+v, want %+v", got.Containers, want)
	}
	if want := (state.FreeResources{CPUMillis: 2000, MemoryBytes: 90}); got.Fragmentation != want {
		t.Errorf("largest free %+v, want %+v: the node that is not ready does not count", got.Fragmentation, want)
	}
	if d := state.DisplayOf(got); d != (state.Display{Nodes: "2/3", Containers: "1/3", CPURequested: "50%", MemoryRequested: "20%"}) {
		t.Errorf("display %+v", d)
	}
}

func TestDisplayOf(t *testing.T) {
	const tebi = int64(1) << 40
	sum := state.Summary{
		Allocatable: state.Resources{CPUMillis: 100, MemoryBytes: 100_000 * tebi}, Requested: state.Resources{CPUMillis: 29, MemoryBytes: 99_999 * tebi},
		Used: &state.UsedSum{CPUMillis: 250, MemoryBytes: 0},
	}
	if d := state.DisplayOf(sum); d.CPURequested != "29%" || d.MemoryRequested != "99%" || d.CPUUsed != "250%" || d.MemoryUsed != "0%" {
		t.Errorf("display %+v", d)
	}
	if d := state.DisplayOf(state.Summary{}); d.CPURequested != "" || d.CPUUsed != "" {
		t.Errorf("of a cluster without nodes: %+v", d)
	}
}

func conflictingHostPortAndNodePort() []state.Object {
	return []state.Object{
		&state.Port{Node: "*", Protocol: state.TCP, Port: 31000, Kind: state.NodePort, Namespace: "shop", Service: "web"},
		&state.Port{Node: "n1", Protocol: state.TCP, Port: 31000, Kind: state.HostPort, Namespace: "shop", Pod: "edge"},
	}
}

func TestConflicts(t *testing.T) {
	row := func(node, address string, protocol state.Protocol, pod string) *state.Port {
		return &state.Port{Node: node, Address: address, Protocol: protocol, Port: 80, Kind: state.HostPort, Namespace: "a", Pod: pod}
	}
	for name, c := range map[string]struct {
		a, b *state.Port
		want bool
	}{
		"same node, all addresses":    {row("n", "", state.TCP, "x"), row("n", "", state.TCP, "y"), true},
		"same node, one address":      {row("n", "10.0.0.1", state.TCP, "x"), row("n", "", state.TCP, "y"), true},
		"same node, equal addresses":  {row("n", "10.0.0.1", state.TCP, "x"), row("n", "10.0.0.1", state.TCP, "y"), true},
		"same node, other addresses":  {row("n", "10.0.0.1", state.TCP, "x"), row("n", "10.0.0.2", state.TCP, "y"), false},
		"other nodes":                 {row("n", "", state.TCP, "x"), row("m", "", state.TCP, "y"), false},
		"one on all nodes":            {row("*", "", state.TCP, "x"), row("m", "", state.TCP, "y"), true},
		"both on all nodes":           {row("*", "", state.TCP, "x"), row("*", "", state.TCP, "y"), true},
		"other protocols":             {row("n", "", state.TCP, "x"), row("n", "", state.UDP, "y"), false},
		"a load balancer's port":      {&state.Port{Node: "*", Address: "203.0.113.7", Protocol: state.TCP, Port: 80, Kind: state.LoadBalancer, Service: "s"}, row("n", "", state.TCP, "x"), false},
		"a load balancer on an IP":    {&state.Port{Node: "*", Address: "10.0.0.1", Protocol: state.TCP, Port: 80, Kind: state.LoadBalancer, Service: "s"}, row("n", "10.0.0.1", state.TCP, "x"), true},
		"an external IP":              {&state.Port{Node: "*", Address: "10.0.0.1", Protocol: state.TCP, Port: 80, Kind: state.ExternalIP, Service: "s"}, row("n", "", state.TCP, "x"), true},
		"one and the same pod":        {row("n", "10.0.0.1", state.TCP, "x"), row("n", "", state.TCP, "x"), false},
		"a pod and the kubelet of it": {row("n", "", state.TCP, "x"), &state.Port{Node: "n", Protocol: state.TCP, Port: 80, Kind: state.Kubelet}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := state.Conflicts(cluster(t, c.a, c.b))
			if (len(got) == 2) != c.want || (len(got) != 0) != c.want {
				t.Errorf("conflicts %v, want %v", got, c.want)
			}
		})
	}
}

func BenchmarkSummarize5000Nodes(b *testing.B) {
	var d state.Delta
	for i := range 5000 {
		d.To++
		n := fmt.Sprintf("n%d", i)
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: &state.Node{Name: n}},
			state.Entry{Seq: d.To, Object: &state.Port{Node: n, Protocol: state.TCP, Port: 9100, Kind: state.HostPort, Namespace: "m", Pod: n}})
	}
	s, err := state.Apply(&state.State{}, d)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		state.Summarize(s, now)
	}
}

func nodeSlots(s *state.State) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for e := range s.Entries(state.KindNode) {
			if !yield(e.Slot) {
				return
			}
		}
	}
}

// resummarize returns the Summary of a State, by Resummarize if possible.
func resummarize(sum state.Summary, before, s *state.State, now time.Time) state.Summary {
	if got, ok := state.Resummarize(sum, &before.Sections, &s.Sections, s.Usage, nodeSlots(s), now); ok {
		return got
	}
	return state.Summarize(s, now)
}

func TestResummarize(t *testing.T) {
	w := statetest.New(2, 5, 50)
	w.Sample(1_790_000_000)
	now := time.Unix(1_790_000_100, 0)
	before, sum := w.State, state.Summarize(w.State, now)
	w.Sample(1_790_000_015)
	if w.State.ObjectsID() != before.ObjectsID() {
		t.Error("a reading of usage changed the ID of the objects")
	}
	got, ok := state.Resummarize(sum, &before.Sections, &w.State.Sections, w.State.Usage, nodeSlots(w.State), now)
	if want := state.Summarize(w.State, now); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, summary\n%+v, want\n%+v", ok, got, want)
	}
	sections := w.State.Sections
	sections[state.SectionPods].Error.Reason = state.ReasonDisconnected
	if _, ok := state.Resummarize(sum, &before.Sections, &sections, w.State.Usage, nodeSlots(w.State), now); ok {
		t.Error("a summary was reused although a section has another error")
	}
	due := state.Summary{NextEvaluation: now}
	if _, ok := state.Resummarize(due, &before.Sections, &before.Sections, nil, nodeSlots(w.State), now); ok {
		t.Error("a summary was reused although health is to be evaluated again")
	}
	w.Step(3)
	if w.State.ObjectsID() == before.ObjectsID() {
		t.Error("a change of objects kept their ID")
	}
}
