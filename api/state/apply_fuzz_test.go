package state_test

import (
	"fmt"
	"maps"
	"testing"

	"rollcall.dev/rollcall/api/state"
)

// FuzzApply applies arbitrary Deltas and compares the result with a map. Two bytes encode an edit: the
// number of the object, and whether it is put or removed. A zero byte ends a Delta.
func FuzzApply(f *testing.F) {
	f.Add(uint64(0), uint64(4), []byte{1, 1, 2, 1, 3, 1, 0, 1, 2, 3, 2})
	f.Add(uint64(0), uint64(1), []byte{1, 1, 1, 2})
	f.Add(uint64(1), uint64(0), []byte{1, 1})
	f.Fuzz(func(t *testing.T, from, to uint64, edits []byte) {
		prev, model := &state.State{Epoch: 1}, map[state.Key]state.Entry{}
		for len(edits) > 0 {
			d, want := state.Delta{Epoch: 1, From: prev.Seq + from, To: prev.Seq + to}, maps.Clone(model)
			var twice bool
			d, edits, twice = nextDelta(d, edits, want)
			next, err := state.Apply(prev, d)
			if fits := !twice && d.From == prev.Seq && d.To >= d.From; (err == nil) != fits {
				t.Fatalf("a delta from %d to %d, twice %v, on %d: %v", d.From, d.To, twice, prev.Seq, err)
			}
			wantModel(t, prev, model)
			if err != nil {
				return
			}
			prev, model = next, want
		}
		wantModel(t, prev, model)
	})
}

// nextDelta reads edits into a Delta and applies them to the model.
func nextDelta(d state.Delta, edits []byte, model map[state.Key]state.Entry) (_ state.Delta, rest []byte, twice bool) {
	touched := map[state.Key]bool{}
	for len(edits) > 1 && edits[0] > 0 {
		o := numbered(edits[0])
		what := edits[1]
		k := o.Key()
		twice = twice || touched[k]
		touched[k] = true
		if what%3 == 0 {
			d.Removes = append(d.Removes, k)
			delete(model, k)
		} else {
			e := state.Entry{Seq: uint64(what), Slot: uint32(what), Object: o}
			d.Upserts = append(d.Upserts, e)
			model[k] = e
		}
		edits = edits[2:]
	}
	return d, edits[min(1, len(edits)):], twice
}

// numbered returns the nth of the objects that Deltas edit.
func numbered(n byte) state.Object {
	name := fmt.Sprintf("n%d", n/6)
	switch n % 6 {
	case 0:
		return &state.Node{Name: name}
	case 1:
		return &state.NodeLoad{Node: name}
	case 2:
		return &state.Pod{Name: name}
	case 3:
		return &state.Container{Pod: "p", Name: name}
	case 4:
		return &state.Port{Port: uint16(n)}
	}
	return &state.Target{Pod: name}
}

// wantModel fails the test unless a State has exactly the model's entries, in order.
func wantModel(t *testing.T, s *state.State, model map[state.Key]state.Entry) {
	t.Helper()
	n := 0
	for kind := range state.NumKinds {
		var last *state.Key
		for e := range s.Entries(kind) {
			k := e.Object.Key()
			if n++; model[k] != e {
				t.Fatalf("%+v is %+v, want %+v", k, e, model[k])
			}
			if last != nil && last.Compare(k) >= 0 {
				t.Fatalf("%+v is not behind %+v", k, *last)
			}
			if got, ok := s.Get(k); !ok || got != e {
				t.Fatalf("get %+v: %+v, %v", k, got, ok)
			}
			last = &k
		}
	}
	if n != len(model) || s.Count() != n {
		t.Fatalf("%d objects, counted as %d, want %d", n, s.Count(), len(model))
	}
}
