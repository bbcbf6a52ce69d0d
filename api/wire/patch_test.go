package wire

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// renamed returns a copy of o with the key of another object of its kind.
func renamed(o, under state.Object) state.Object {
	switch u := under.(type) {
	case *state.Node:
		c := *o.(*state.Node)
		c.Name = u.Name
		return &c
	case *state.NodeLoad:
		c := *o.(*state.NodeLoad)
		c.Node = u.Node
		return &c
	case *state.Pod:
		c := *o.(*state.Pod)
		c.Namespace, c.Name = u.Namespace, u.Name
		return &c
	case *state.Container:
		c := *o.(*state.Container)
		c.Namespace, c.Pod, c.Name = u.Namespace, u.Pod, u.Name
		return &c
	case *state.Port:
		c := *o.(*state.Port)
		c.Node, c.Address, c.Protocol, c.Port, c.Kind, c.Namespace, c.Service, c.Pod = u.Node, u.Address, u.Protocol, u.Port, u.Kind, u.Namespace, u.Service, u.Pod
		return &c
	case *state.Target:
		c := *o.(*state.Target)
		c.ServiceNamespace, c.Service, c.ServicePort, c.Protocol, c.Pod, c.ContainerPort, c.Addresses = u.ServiceNamespace, u.Service, u.ServicePort, u.Protocol, u.Pod, u.ContainerPort, u.Addresses
		return &c
	case *state.Service:
		c := *o.(*state.Service)
		c.Namespace, c.Name = u.Namespace, u.Name
		return &c
	case *state.Claim:
		c := *o.(*state.Claim)
		c.Namespace, c.Name = u.Namespace, u.Name
		return &c
	case *state.PersistentVolume:
		c := *o.(*state.PersistentVolume)
		c.Name = u.Name
		return &c
	}
	panic("no object")
}

// Each object is replaced by another one of its kind under the same key, so that every field, list
// and optional part is added, removed, changed and kept by some patch.
func TestPatchedObjectsRoundTrip(t *testing.T) {
	w := statetest.New(11, 60, 300)
	held := w.State
	d := &Delta{From: held.Seq, To: held.Seq, Base: held}
	for kind := range state.NumKinds {
		all := slices.Collect(held.Entries(kind))
		for i, e := range all {
			other := all[(7*i+3)%len(all)]
			d.To++
			d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: other.Slot, Object: renamed(other.Object, e.Object)})
		}
	}
	next, err := state.Apply(held, state.Delta{Epoch: held.Epoch, From: d.From, To: d.To, Upserts: d.Upserts})
	if err != nil {
		t.Fatal(err)
	}
	before := entries(held)
	r := NewReceiver(held.Epoch, NewLazyState(held))
	receive(t, r, d)
	wantEqual(t, receive(t, r, bookmarkOf(next)), next)
	if again := statetest.New(11, 60, 300).State; !reflect.DeepEqual(entries(again), before) {
		t.Error("the base State was modified")
	}
}

func TestDeltaKeysListsAllChangedKeys(t *testing.T) {
	w := statetest.New(3, 3, 50)
	prev := w.State
	w.Step(10)
	d := patchDeltaOf(prev, w.State)
	sorted := func(keys []state.Key) []state.Key { slices.SortFunc(keys, state.Key.Compare); return keys }
	came := roundTrip(t, d).(*Delta)
	if got, want := sorted(came.Keys()), sorted(d.Keys()); !slices.Equal(got, want) || len(came.Upserts) == len(d.Upserts) {
		t.Errorf("got %d keys, want %d; %d of %d upserts came whole", len(got), len(want), len(came.Upserts), len(d.Upserts))
	}
}

func TestPatchOfUnknownObjectIsResync(t *testing.T) {
	w := statetest.New(6, 3, 50)
	prev := w.State
	pod := &state.Pod{Namespace: "team-0", Name: "late", Phase: state.PodPending}
	w.Apply(state.Changes{Upserts: []state.Object{pod}})
	held := w.State
	ended := *pod
	ended.Phase = state.PodFailed
	w.Apply(state.Changes{Upserts: []state.Object{&ended}})
	d := patchDeltaOf(held, w.State)
	d.From = prev.Seq
	_, err := NewReceiver(prev.Epoch, NewLazyState(prev)).Receive(roundTrip(t, d), now)
	if !errors.Is(err, ErrResync) || !strings.Contains(err.Error(), "late") || !strings.Contains(err.Error(), "not held") {
		t.Errorf("got %v, want a resync that names the pod", err)
	}
}

func TestInvalidPatchesAreRejected(t *testing.T) {
	held, err := state.Apply(&state.State{Epoch: 1}, state.Delta{Epoch: 1, To: 1, Upserts: []state.Entry{{Seq: 1, Object: &state.Pod{Namespace: "ns", Name: "a"}}}})
	if err != nil {
		t.Fatal(err)
	}
	key := &wirepb.Keys{Kind: []int64{int64(state.KindPod)}, Namespace: []int64{1}, Name: []int64{2}}
	strings := []string{"ns", "a"}
	for name, d := range map[string]*wirepb.Delta{
		"an object without a key":  {Patches: &wirepb.Objects{Strings: strings, Pods: &wirepb.Pods{Back: []int64{0}}}},
		"a key without an object":  {PatchKeys: key, Patches: &wirepb.Objects{Strings: strings}},
		"a key and no objects":     {PatchKeys: &wirepb.Keys{Kind: []int64{0}}},
		"an object of other kind":  {PatchKeys: key, Patches: &wirepb.Objects{Strings: strings, Nodes: &wirepb.Nodes{Back: []int64{0}}}},
		"another name":             {PatchKeys: key, Patches: &wirepb.Objects{Strings: strings, Pods: &wirepb.Pods{Back: []int64{0}, Name: []int64{2}}}},
		"a string that is none":    {PatchKeys: key, Patches: &wirepb.Objects{Strings: strings, Pods: &wirepb.Pods{Back: []int64{0}, Reason: []int64{4}}}},
		"a list longer than comes": {PatchKeys: key, Patches: &wirepb.Objects{Strings: strings, Pods: &wirepb.Pods{Back: []int64{0}, PodIps: []int64{1 << 40}}}},
		"the same object twice": {
			PatchKeys: &wirepb.Keys{Kind: []int64{int64(state.KindPod), 0}, Namespace: []int64{1}, Name: []int64{2}},
			Patches:   &wirepb.Objects{Strings: strings, Pods: &wirepb.Pods{Back: []int64{0, 0}}},
		},
	} {
		d.From, d.To = 1, 2
		frame, err := proto.Marshal(&wirepb.AgentMessage{Message: &wirepb.AgentMessage_Delta{Delta: d}})
		if err != nil {
			t.Fatal(err)
		}
		m, err := codec.DecodeAgent(frame)
		if err != nil {
			continue
		}
		r := NewReceiver(1, NewLazyState(held))
		if _, err = r.Receive(m, now); err == nil {
			_, err = r.Receive(&Bookmark{Seq: 2, Count: 1, Hash: HashObject((&state.Pod{Namespace: "ns", Name: "a"}).Key(), 2)}, now)
		}
		if !errors.Is(err, ErrResync) {
			t.Errorf("%s: got %v, want a resync", name, err)
		}
	}
}
