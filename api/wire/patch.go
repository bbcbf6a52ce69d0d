package wire

import (
	"fmt"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Most changes touch one field of an object that the receiver holds: it is sent by its
// key and the fields in which it differs.

// change is an object as it was and as it became.
type change struct{ held, next state.Entry }

// split tells the upserts that are sent whole from those that the receiver holds.
// Ports with a target of their own are sent whole: they have a table in a table.
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

// amendments writes objects by their differences, in a chunk of its own.
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

// compare says of each column in the row of an object whether it is the same as before.
// It writes both objects, one behind the other.
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

// repeats says whether a column of differences has the same values before and after an
// end.
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

// amended are objects by their differences, as they came.
type patches struct {
	reader  *objectDecoder
	objects *wirepb.Objects
	keys    []state.Key
}

// amendments are those of a Delta, nil for none. There are as many keys of each kind as
// objects.
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
		return nil, fmt.Errorf("%v objects are held, %v amended", held, come)
	}
	return a, nil
}

// upserts are all objects of m as they became, given what is held.
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
			return nil, fmt.Errorf("it patching %s %+v, which is not held", key.Kind, key)
		}
		e := r.decodeEntry(m.patches.objects, key.Kind, was)
		if e.Object.Key() != key {
			r.fail("%s %+v is amended to %+v", key.Kind, key, e.Object.Key())
		}
		upserts = append(upserts, e)
	}
	return upserts, r.err
}
