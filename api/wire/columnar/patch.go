package columnar

import (
	"fmt"
	"slices"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Most changes affect one field of an object that the receiver holds. Such a change is sent as a
// patch: the object's key and the changed fields.

// change is an object before and after a change.
type change struct{ held, next state.Entry }

// splitUpserts returns the upserts that are sent whole, and the changes that are sent as patches.
// Ports with a target of their own are sent whole, since their target is in another table.
func splitUpserts(base *state.State, upserts []state.Entry) (whole []state.Entry, changes []change) {
	if base == nil {
		return upserts, nil
	}
	for _, e := range upserts {
		held, ok := base.Get(e.Object.Key())
		if ok && !hasOwnTarget(held.Object) && !hasOwnTarget(e.Object) {
			changes = append(changes, change{held, e})
		} else {
			whole = append(whole, e)
		}
	}
	return whole, changes
}

func hasOwnTarget(o state.Object) bool {
	p, ok := o.(*state.Port)
	return ok && p.Target != nil
}

// addPatches encodes changes as patches, in a chunk of its own.
func (w *encoder) addPatches(changes []change) (*wirepb.Keys, *wirepb.Objects, error) {
	w.nextChunk()
	w.setPatching()
	keys := make([]state.Key, len(changes))
	for i, c := range changes {
		keys[i] = c.next.Object.Key()
	}
	patchKeys := w.addKeys(keys)
	comparer := newEncoder(w.seq, slices.Values[[]state.Entry](nil))
	comparer.comparing = true
	for i, c := range changes {
		w.kinds[keys[i].Kind].unchanged = comparer.compare(keys[i].Kind, c)
		w.add(c.next)
	}
	patches, err := w.finish()
	return patchKeys, patches, err
}

// compare reports for each column of an object's row whether a change leaves it unchanged. It
// encodes the old and the new object one after the other.
func (w *encoder) compare(kind state.Kind, c change) (unchanged []bool) {
	w.nextChunk()
	w.add(c.held)
	r := &w.kinds[kind]
	ends := make([]int, len(r.columns))
	for i, column := range r.columns {
		ends[i] = column.written()
	}
	w.add(c.next)
	unchanged = make([]bool, len(r.columns))
	for i, column := range r.columns {
		var end int
		if i < len(ends) {
			end = ends[i]
		}
		unchanged[i] = column.values == nil || repeats(*column.values, end)
	}
	return unchanged
}

// written returns the number of values in the column.
func (c *column) written() int {
	if c.values == nil {
		return 0
	}
	return len(*c.values)
}

// repeats reports whether a column of differences has the same values before and after index end.
func repeats(differences []int64, end int) bool {
	if len(differences) != 2*end {
		return false
	}
	values := make([]int64, len(differences))
	var value int64
	for i, d := range differences {
		value += d
		values[i] = value
		if i >= end && value != values[i-end] {
			return false
		}
	}
	return true
}

// Delta is a decoded Delta whose patches are not applied yet.
type Delta struct {
	// Upserts has the objects that were sent whole.
	Upserts []state.Entry
	Removes []state.Key
	// PatchKeys has the keys of the objects that patches changes.
	PatchKeys []state.Key

	decoder *Decoder
	patches *wirepb.Objects
}

// DecodeDelta decodes a Delta. It returns an error unless each kind has as many keys of patches as
// patches.
func DecodeDelta(pb *wirepb.Delta) (*Delta, error) {
	r := NewDecoder(pb.To)
	upserts, err := r.Decode(pb.Upserts)
	if err != nil {
		return nil, err
	}
	d := &Delta{Upserts: upserts, Removes: r.keys(pb.Removes), decoder: r, patches: pb.Patches}
	patches, err := CountObjects(pb.Patches)
	if err != nil {
		return nil, err
	}
	if pb.Patches != nil {
		if err := r.readTables(pb.Patches); err != nil {
			return nil, err
		}
	}
	d.PatchKeys = r.keys(pb.PatchKeys)
	var keys Counts
	for _, k := range d.PatchKeys {
		keys[k.Kind]++
	}
	if keys != patches {
		return nil, fmt.Errorf("number of patches for each kind is %v, but that of their keys is %v", patches, keys)
	}
	return d, r.err
}

// AllUpserts returns all changed objects, with the patches applied to the objects in held.
func (d *Delta) AllUpserts(held *state.State) ([]state.Entry, error) {
	if len(d.PatchKeys) == 0 {
		return d.Upserts, nil
	}
	r := d.decoder
	r.startChunk()
	r.setPatching()
	upserts := append(make([]state.Entry, 0, len(d.Upserts)+len(d.PatchKeys)), d.Upserts...)
	for _, key := range d.PatchKeys {
		before, ok := held.Get(key)
		if !ok {
			return nil, fmt.Errorf("it patches %s %+v, which is not held", key.Kind, key)
		}
		e := r.decodeEntry(d.patches, key.Kind, before)
		if e.Object.Key() != key {
			r.fail("the patch changes the key of %s %+v to %+v", key.Kind, key, e.Object.Key())
		}
		upserts = append(upserts, e)
	}
	return upserts, r.err
}
