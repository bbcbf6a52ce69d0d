package snapshot

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// With few keys, each is added, changed, removed and added again.
var (
	nodeNames      = []string{"a", "b", "c"}
	containerNames = []string{"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"}
)

// drawObject draws an object of one of three kinds, two of which have slots.
func drawObject(t *rapid.T) state.Object {
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		return &state.Node{Name: rapid.SampledFrom(nodeNames).Draw(t, "node"), Schedulable: rapid.Bool().Draw(t, "schedulable")}
	case 1:
		return &state.Container{Namespace: "ns", Pod: "pod", Name: rapid.SampledFrom(containerNames).Draw(t, "container"), Restarts: rapid.Int32Range(0, 2).Draw(t, "restarts")}
	default:
		return &state.Port{
			Node: state.AllNodes, Port: rapid.Uint16Range(1, 4).Draw(t, "port"), Protocol: state.TCP, Kind: state.NodePort,
			Namespace: "ns", Service: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "service"),
		}
	}
}

// drawBatch draws a batch of updates.
func drawBatch(t *rapid.T) batch {
	b := batch{changes: map[state.Key]state.Object{}}
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		o := drawObject(t)
		if key := o.Key(); rapid.Bool().Draw(t, "remove") {
			b.changes[key] = nil
		} else {
			b.changes[key] = o
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "reading") == 0 {
		b.reading = state.Reading{}
		for range rapid.IntRange(0, 6).Draw(t, "samples") {
			used := state.Used{CPUMillis: rapid.Int64Range(1, 1000).Draw(t, "cpu"), SampledAt: 1}
			b.reading[drawObject(t).Key()] = used
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "report") == 0 {
		b.sections = map[state.SectionName]state.SectionStatus{
			rapid.SampledFrom([]state.SectionName{state.SectionNodes, state.SectionUsage}).Draw(t, "section"): {
				Live:  rapid.Bool().Draw(t, "live"),
				Error: state.SectionError{Reason: rapid.SampledFrom([]string{"", "Pending"}).Draw(t, "reason")},
			},
		}
	}
	return b
}

// model computes the expected result of a versioner in the simplest way.
type model struct {
	objects map[state.Key]state.Object
	used    map[state.Key]state.Used
}

func (m *model) apply(b batch) {
	for key, object := range b.changes {
		if object == nil {
			delete(m.objects, key)
			delete(m.used, key)
			continue
		}
		m.objects[key] = object
	}
	if b.reading == nil {
		return
	}
	m.used = map[state.Key]state.Used{}
	for key, used := range b.reading {
		if m.objects[key] != nil && hasSlot(key.Kind) {
			m.used[key] = used
		}
	}
}

// entries returns all entries of a state by key.
func entries(s *state.State) map[state.Key]state.Entry {
	all := map[state.Key]state.Entry{}
	for kind := range state.NumKinds {
		for e := range s.Entries(kind) {
			all[e.Object.Key()] = e
		}
	}
	return all
}

func TestVersionerMatchesModelWithUniqueSlotsAndHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := newVersioner(7)
		vs.maxTombstones = 4
		m := model{objects: map[state.Key]state.Object{}, used: map[state.Key]state.Used{}}
		for range rapid.IntRange(1, 30).Draw(t, "batches") {
			b := drawBatch(t)
			before := vs.version
			v, changed := vs.apply(b)
			m.apply(b)
			m.check(t, v)
			checkSlots(t, v)
			if changed && v.State.Seq == before.State.Seq {
				t.Fatal("changed = true, but seq did not change")
			}
			if v.State.Seq < before.State.Seq || v.Floor < before.Floor || len(v.Tombstones) > 4 {
				t.Fatalf("seq %d after %d, floor %d after %d, %d tombstones", v.State.Seq, before.State.Seq, v.Floor, before.Floor, len(v.Tombstones))
			}
		}
	})
}

// check compares a Version with the model.
func (m *model) check(t *rapid.T, v *Version) {
	got := entries(v.State)
	if len(got) != len(m.objects) {
		t.Fatalf("got %d objects, want %d", len(got), len(m.objects))
	}
	for key, want := range m.objects {
		e := got[key]
		if e.Object == nil || !state.Equal(e.Object, want) {
			t.Fatalf("%+v is %+v, want %+v", key, e.Object, want)
		}
		if !hasSlot(key.Kind) {
			continue
		}
		used, want := v.State.Usage.Of(e.Slot), m.used[key]
		if (used != nil) != (want.SampledAt != 0) || used != nil && *used != want {
			t.Fatalf("usage of %+v is %+v, want %+v", key, used, want)
		}
	}
	if want := wire.HashState(v.State); v.Hash != want {
		t.Fatalf("hash %x, want %x as computed from the whole state", v.Hash, want)
	}
}

// checkSlots checks that no two objects and tombstones share a slot.
func checkSlots(t *rapid.T, v *Version) {
	owners := map[uint32]string{}
	add := func(slot uint32, owner string) {
		if other := owners[slot]; other != "" {
			t.Fatalf("slot %d belongs to both %s and %s", slot, other, owner)
		}
		owners[slot] = owner
	}
	for key, e := range entries(v.State) {
		if hasSlot(key.Kind) {
			add(e.Slot, key.Kind.String()+" "+key.Name+key.Sub)
		}
	}
	for i, tomb := range v.Tombstones {
		if hasSlot(tomb.Key.Kind) {
			add(tomb.slot, fmt.Sprintf("tombstone %d", i))
		}
	}
}

func TestDeltaSinceAnyVersionAboveFloorGivesCurrent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := newVersioner(7)
		vs.maxTombstones = 6
		history := []*Version{vs.version}
		for range rapid.IntRange(1, 20).Draw(t, "batches") {
			v, _ := vs.apply(drawBatch(t))
			history = append(history, v)
		}
		now := vs.version
		for _, base := range history {
			d, ok := now.DeltaSince(base.State.Seq)
			if ok != (base.State.Seq >= now.Floor) {
				t.Fatalf("delta since %d with floor %d: ok = %v", base.State.Seq, now.Floor, ok)
			}
			if !ok {
				continue
			}
			got, err := state.Apply(base.State, state.Delta{Epoch: 7, From: d.From, To: d.To, Upserts: d.Upserts, Removes: d.Removes})
			if err != nil {
				t.Fatal(err)
			}
			got.Usage, got.Sections = now.State.Usage, now.State.Sections
			if diff := state.Diff(got, now.State); len(diff.Upserts)+len(diff.Removes) != 0 || got.Seq != now.State.Seq {
				t.Fatalf("the delta from %d to %d does not lead to the current state; difference: %+v", d.From, d.To, diff)
			}
		}
	})
}

func TestDeltaSinceAFutureSeqIsRefused(t *testing.T) {
	vs := newVersioner(7)
	v, _ := vs.apply(batch{changes: changesOf(&state.Node{Name: "a"})})
	if _, ok := v.DeltaSince(v.State.Seq + 1); ok {
		t.Error("got a delta since a future seq, want none")
	}
}

// changesOf returns the changes that upsert objects.
func changesOf(objects ...state.Object) map[state.Key]state.Object {
	changes := map[state.Key]state.Object{}
	for _, o := range objects {
		changes[o.Key()] = o
	}
	return changes
}

func TestEqualObjectIsNoChange(t *testing.T) {
	vs := newVersioner(7)
	before, _ := vs.apply(batch{changes: changesOf(&state.Node{Name: "a", Roles: []string{"worker"}})})
	after, changed := vs.apply(batch{changes: changesOf(&state.Node{Name: "a", Roles: []string{"worker"}})})
	if changed || after.State != before.State {
		t.Errorf("changed = %v, seq %d after %d; want no change", changed, after.State.Seq, before.State.Seq)
	}
}

func TestRemovalOfUnknownKeyIsNoChange(t *testing.T) {
	vs := newVersioner(7)
	v, changed := vs.apply(batch{changes: map[state.Key]state.Object{{Kind: state.KindNode, Name: "missing"}: nil}})
	if changed || v.State.Seq != 0 || len(v.Tombstones) != 0 {
		t.Errorf("changed = %v, seq %d, %d tombstones; want none", changed, v.State.Seq, len(v.Tombstones))
	}
}

func TestSeqRisesByOnePerKeyReadingAndSectionError(t *testing.T) {
	vs := newVersioner(7)
	for _, step := range []struct {
		name string
		batch
		want    uint64
		changed bool
	}{
		{"two objects", batch{changes: changesOf(&state.Node{Name: "a"}, &state.Node{Name: "b"})}, 2, true},
		{"a reading", batch{reading: state.Reading{}}, 3, false},
		{"an equal reading", batch{reading: state.Reading{}}, 4, false},
		{"a section's error", sectionBatch(state.SectionStatus{Error: state.SectionError{Reason: "Forbidden"}}), 5, true},
		{"a section's time", sectionBatch(state.SectionStatus{ObservedAt: time.Unix(9, 0), Error: state.SectionError{Reason: "Forbidden"}}), 5, false},
		{"a section's recovery", sectionBatch(state.SectionStatus{Live: true}), 6, true},
	} {
		v, changed := vs.apply(step.batch)
		if v.State.Seq != step.want || changed != step.changed {
			t.Errorf("after %s: seq %d, changed %v; want %d, %v", step.name, v.State.Seq, changed, step.want, step.changed)
		}
	}
	if n := vs.version.State.Usage.N; n != 2 {
		t.Errorf("got usage reading %d, want 2", n)
	}
}

// sectionBatch returns a batch with one status of the storage section.
func sectionBatch(status state.SectionStatus) batch {
	return batch{sections: map[state.SectionName]state.SectionStatus{state.SectionStorage: status}}
}

func TestReusedSlotHasNoSampleOfItsFormerOwner(t *testing.T) {
	vs := newVersioner(7)
	vs.maxTombstones = 0
	old, newer := &state.Node{Name: "old"}, &state.Node{Name: "new"}
	vs.apply(batch{changes: changesOf(old), reading: state.Reading{old.Key(): {CPUMillis: 5, SampledAt: 1}}})
	afterRemoval, _ := vs.apply(batch{changes: map[state.Key]state.Object{old.Key(): nil}})
	if afterRemoval.State.Usage.N != 2 {
		t.Errorf("got usage reading %d, want 2: one without the sample of the removed node", afterRemoval.State.Usage.N)
	}
	v, _ := vs.apply(batch{changes: changesOf(newer)})
	e, _ := v.State.Get(newer.Key())
	if e.Slot != 0 {
		t.Fatalf("got slot %d, want the released slot 0", e.Slot)
	}
	if used := v.State.Usage.Of(e.Slot); used != nil {
		t.Errorf("the new node has the usage of the old one: %+v", used)
	}
}

func TestVersionAgesAndErrorsOfSections(t *testing.T) {
	now := time.Unix(1000, 0)
	v := &Version{State: &state.State{}}
	v.SectionStatuses[state.SectionNodes] = state.SectionStatus{Live: true}
	v.SectionStatuses[state.SectionPods] = state.SectionStatus{ObservedAt: now.Add(-time.Minute), Error: state.SectionError{Reason: "Disconnected"}}
	v.SectionStatuses[state.SectionUsage] = state.SectionStatus{ObservedAt: now.Add(time.Second)}
	ages := v.Ages(now)
	if ages[state.SectionNodes] != 0 || ages[state.SectionPods] != time.Minute || ages[state.SectionStorage] >= 0 || ages[state.SectionUsage] != 0 {
		t.Errorf("got ages %v, want nodes 0, pods 1m, storage negative, usage 0", ages)
	}
	if errs := v.Errors(); errs[state.SectionPods].Reason != "Disconnected" || errs[state.SectionNodes].Reason != "" {
		t.Errorf("got errors %v, want Disconnected for pods only", errs)
	}
}

func TestWithUsageDoesNotModifyVersion(t *testing.T) {
	vs := newVersioner(7)
	node := &state.Node{Name: "a"}
	v, _ := vs.apply(batch{changes: changesOf(node)})
	s := v.WithUsage(state.Reading{node.Key(): {CPUMillis: 5, SampledAt: 1}, {Kind: state.KindNode, Name: "missing"}: {SampledAt: 1}})
	if used := s.Usage.Of(0); used == nil || used.CPUMillis != 5 || len(s.Usage.BySlot) != 1 {
		t.Errorf("got usage %+v, want one sample of 5 millicores", s.Usage)
	}
	if v.State.Usage != nil {
		t.Error("WithUsage modified the version")
	}
}
