package view

import (
	"slices"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// eventsOf returns the events that a watch of the shop receives when these objects change.
func eventsOf(t *testing.T, scope Scope, removes []state.Key, upserts ...state.Object) []string {
	t.Helper()
	s := shop(t)
	log := &ChangeLog{}
	first := reportOf(s)
	refresh(t, log, first, ConnStatus{})
	f := follow(t, log, scope)
	f.events = nil
	d := state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq + 1, Removes: removes}
	for _, o := range upserts {
		e, _ := s.Get(o.Key())
		d.Upserts = append(d.Upserts, state.Entry{Seq: s.Seq + 1, Slot: e.Slot, Object: o})
	}
	next, err := state.Apply(s, d)
	if err != nil {
		t.Fatal(err)
	}
	refresh(t, log, receivedAt(reportOf(next), received.Add(time.Second)), ConnStatus{})
	f.catchUp()
	return f.events
}

func TestRowsChangeWithTheObjectsTheyDependOn(t *testing.T) {
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
		{"a pod's owner changes: its containers leave the filter", Scope{Part: Containers, Filter: owned}, nil, []state.Object{pod1}, []string{"DELETED Container", "DELETED Container"}},
		{"a pod's owner changes: its containers enter the filter", Scope{Part: Containers, Filter: Filter{OwnerName: "api"}}, nil, []state.Object{pod1}, []string{"ADDED Container", "ADDED Container"}},
		{"a pod is deleted before its containers", Scope{Part: Containers, Filter: owned}, []state.Key{web2}, nil, []string{"DELETED Container"}},
		{"a port loses all pods of the owner", Scope{Part: Ports, Filter: owned}, []state.Key{web1, web2}, nil, []string{"DELETED Port", "DELETED Port"}},
		{"a port keeps one of two pods of the owner", Scope{Part: Ports, Filter: owned}, []state.Key{web2}, nil, nil},
		{"a target changes", Scope{Part: Ports}, nil, []state.Object{away}, []string{"MODIFIED Port"}},
		{"a target changes on another node than the filter's", Scope{Part: Ports, Filter: Filter{Node: "n1"}}, nil, []state.Object{edgeAway}, nil},
		{"a target changes on the filter's node", Scope{Part: Ports, Filter: Filter{Node: "n2"}}, nil, []state.Object{edgeAway}, []string{"MODIFIED Port"}},
		{"the load of a node changes", Scope{Part: Nodes}, nil, []state.Object{&state.NodeLoad{Node: "n1", Pods: 9}}, []string{"MODIFIED Node"}},
		{"the load of a missing node changes", Scope{Part: Nodes}, nil, []state.Object{&state.NodeLoad{Node: "n9", Pods: 9}}, nil},
		{
			"a new port conflicts with an existing one",
			Scope{Part: Ports},
			nil,
			[]state.Object{&state.Port{Node: "n2", Protocol: state.TCP, Port: 30080, Kind: state.HostPort, Namespace: "infra", Pod: "other"}},
			[]string{"MODIFIED Port", "ADDED Port"},
		},
		{
			"a conflicting port is deleted",
			Scope{Part: Ports},
			[]state.Key{(&state.Port{Node: "n1", Protocol: state.TCP, Port: 9100, Kind: state.HostPort, Namespace: "infra", Pod: "exporter-a"}).Key()},
			nil,
			[]string{"MODIFIED Port", "DELETED Port"},
		},
	} {
		if got := eventsOf(t, tc.scope, tc.removes, tc.upserts...); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got events %v, want %v", tc.name, got, tc.want)
		}
	}
}
