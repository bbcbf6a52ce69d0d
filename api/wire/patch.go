package wire

import (
	"fmt"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Most changes affect one field of an object that the receiver holds. Such a change is sent as a
// patch: the object's key and the changed fields.

// change is an object before and after a change.
type change struct{ held, next state.Entry }

// splitUpserts returns the upserts that are sent whole, and the changes that are sent as patches.
// Ports with a target of their own are sent whole, since their target is in another table.
func (m *Delta) splitUpserts() (whole []state.Entry, changes []change) {
	if m.Base == nil {
		return m.Upserts, nil
	}
	for _, e := range m.Upserts {
		held, ok := m.Base.Get(e.Object.Key())
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

// encodePatches encodes changes as patches, in a chunk of its own.
func (w *objectEncoder) encodePatches(changes []change) (*wirepb.Keys, *wirepb.Objects, error) {
	w.nextChunk()
	w.setPatching()
	keys := make([]state.Key, len(changes))
	for i, c := range changes {
		keys[i] = c.next.Object.Key()
	}
	held := w.encodeKeys(keys)
	comparer := newObjectEncoder(w.seq, entryTimes(nil))
	comparer.comparing = true
	for i, c := range changes {
		w.kinds[keys[i].Kind].unchanged = comparer.compare(keys[i].Kind, c)
		w.encodeEntry(c.next)
	}
	amended, err := w.finish()
	return held, amended, err
}

// compare reports for each column of an object's row whether a change leaves it unchanged. It
// encodes the old and the new object one after the other.
func (w *objectEncoder) compare(kind state.Kind, c change) (unchanged []bool) {
	w.nextChunk()
	w.encodeEntry(c.held)
	r := &w.kinds[kind]
	ends := make([]int, len(r.columns))
	for i, column := range r.columns {
		ends[i] = column.written()
	}
	w.encodeEntry(c.next)
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

// patches holds received patches until they are applied.
type patches struct {
	reader  *objectDecoder
	objects *wirepb.Objects
	keys    []state.Key
}

// decodePatches returns the patches of a Delta, nil if it has none. It returns an error unless
// each kind has as many keys as objects.
func (r *objectDecoder) decodePatches(pb *wirepb.Delta) (*patches, error) {
	if pb.Patches == nil && pb.PatchKeys == nil {
		return nil, nil
	}
	a := &patches{reader: r, objects: pb.Patches}
	come, err := countObjects(pb.Patches)
	if err != nil {
		return nil, err
	}
	if pb.Patches != nil {
		if err := r.readTables(pb.Patches); err != nil {
			return nil, err
		}
	}
	a.keys = r.decodeKeys(pb.PatchKeys)
	var held counts
	for _, k := range a.keys {
		held[k.Kind]++
	}
	if held != come {
		return nil, fmt.Errorf("%v keys for %v patches", held, come)
	}
	return a, nil
}

// upserts returns all changed objects of m, with its patches applied to the objects in held.
func (m *Delta) upserts(held *state.State) ([]state.Entry, error) {
	if m.patches == nil {
		return m.Upserts, nil
	}
	r := m.patches.reader
	r.startChunk()
	r.setPatching()
	upserts := append(make([]state.Entry, 0, len(m.Upserts)+len(m.patches.keys)), m.Upserts...)
	for _, key := range m.patches.keys {
		was, ok := held.Get(key)
		if !ok {
			return nil, fmt.Errorf("it patches %s %+v, which is not held", key.Kind, key)
		}
		e := r.decodeEntry(m.patches.objects, key.Kind, was)
		if e.Object.Key() != key {
			r.fail("the patch changes the key of %s %+v to %+v", key.Kind, key, e.Object.Key())
		}
		upserts = append(upserts, e)
	}
	return upserts, r.err
}
