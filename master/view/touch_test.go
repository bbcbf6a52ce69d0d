package view

import (
	"slices"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// changed is what a watch of the shop hears when these objects change.
func changed(t *testing.T, scope Scope, removes []state.Key, upserts ...state.Object) []string {
	t.Helper()
	s := shop(t)
	log := &Log{}
	first := reportOf(s)
	advance(t, log, first, Standing{})
	f := follow(t, log, scope)
	f.seen = nil
	d := state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq + 1, Removes: removes}
	for _, o := range upserts {
		e, _ := s.Get(o.Key())
		d.Upserts = append(d.Upserts, state.Entry{Seq: s.Seq + 1, Slot: e.Slot, Object: o})
	}
	next, err := state.Apply(s, d)
	if err != nil {
		t.Fatal(err)
	}
	second := reportOf(next)
	second.ReceivedAt = received.Add(time.Second)
	advance(t, log, second, Standing{})
	f.catchUp()
	return f.seen
}

func TestARowIsToldWhenItsNeighboursChangeIt(t *testing.T) {
	api := state.Owner{Kind: "Deployment", Name: "api"}
	pod1 := &state.Pod{Namespace: "shop", Name: "web-1", Node: "n1", Phase: state.PodRunning, Owner: api, PodIPs: []string{"10.1.0.1"}}
	pod2 := &state.Pod{Namespace: "shop", Name: "web-2", Node: "n2", Phase: state.PodPending, Owner: api}
	web1, web2 := pod1.Key(), pod2.Key()
	away := target("web", "web-1", "n1")
	away.Ready = false
	edgeAway := target("edge", "web-2", "n2")
	edgeAway.Terminating = true
	owned := Filter{OwnerKind: "Deployment", OwnerName: "web"}
	for _, tc := range []struct {
		name    string
		scope   Scope
		removes []state.Key
		upserts []state.Object
		want    []string
	}{
		{"a pod gets another owner, and its containers leave", Scope{Part: Containers, Filter: owned}, nil, []state.Object{pod1}, []string{"DELETED Container", "DELETED Container"}},
		{"and enter", Scope{Part: Containers, Filter: Filter{OwnerName: "api"}}, nil, []state.Object{pod1}, []string{"ADDED Container", "ADDED Container"}},
		{"a pod goes before its containers do", Scope{Part: Containers, Filter: owned}, []state.Key{web2}, nil, []string{"DELETED Container"}},
		{"ports lead to no pod of the owner any more", Scope{Part: Ports, Filter: owned}, []state.Key{web1, web2}, nil, []string{"DELETED Port", "DELETED Port"}},
		{"one of two is enough to stay", Scope{Part: Ports, Filter: owned}, []state.Key{web2}, nil, nil},
		{"a target changes its rows", Scope{Part: Ports}, nil, []state.Object{away}, []string{"MODIFIED Port"}},
		{"but not as they look from a node that it is not on", Scope{Part: Ports, Filter: Filter{Node: "n1"}}, nil, []state.Object{edgeAway}, nil},
		{"and does from its own", Scope{Part: Ports, Filter: Filter{Node: "n2"}}, nil, []state.Object{edgeAway}, []string{"MODIFIED Port"}},
		{"a node's load is the node's", Scope{Part: Nodes}, nil, []state.Object{&state.NodeLoad{Node: "n1", Pods: 9}}, []string{"MODIFIED Node"}},
		{"a load of no node is nobody's", Scope{Part: Nodes}, nil, []state.Object{&state.NodeLoad{Node: "n9", Pods: 9}}, nil},
		{
			"a new row conflicts with one that did not change",
			Scope{Part: Ports},
			nil,
			[]state.Object{&state.Port{Node: "n2", Protocol: state.TCP, Port: 30080, Kind: state.HostPort, Namespace: "infra", Pod: "other"}},
			[]string{"MODIFIED Port", "ADDED Port"},
		},
		{
			"a conflict ends with one of the two",
			Scope{Part: Ports},
			[]state.Key{(&state.Port{Node: "n1", Protocol: state.TCP, Port: 9100, Kind: state.HostPort, Namespace: "infra", Pod: "exporter-a"}).Key()},
			nil,
			[]string{"MODIFIED Port", "DELETED Port"},
		},
	} {
		if got := changed(t, tc.scope, tc.removes, tc.upserts...); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
