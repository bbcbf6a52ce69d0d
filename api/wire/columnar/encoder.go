package columnar

import (
	"fmt"
	"iter"
	"slices"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectSize and elementSize are the approximate encoded sizes in bytes of an object without its
// strings and of a list element.
const objectSize, elementSize = 24, 4

// EncodeSnapshot calls yield with each chunk of a snapshot of s as soon as it is encoded. It stops
// at the first error that yield returns.
func EncodeSnapshot(s *state.State, yield func(chunk *wirepb.Objects, last bool) error) error {
	w := newEncoder(s.Seq, stateEntries(s))
	flush := func(last bool) error {
		chunk, err := w.finish()
		if err != nil {
			return err
		}
		return yield(chunk, last)
	}
	for kind := range state.NumKinds {
		left := s.Len(kind)
		w.reserve(kind, left)
		for e := range s.Entries(kind) {
			if w.full() {
				if err := flush(false); err != nil {
					return err
				}
				w.nextChunk()
				w.reserve(kind, left)
			}
			w.add(e)
			left--
		}
	}
	return flush(true)
}

// EncodeDelta returns a Delta. base is the State that the receiver holds at seq from, or nil if
// that is unknown: changes of objects in base are sent as patches, other upserts as whole objects.
// The error wraps ErrTooLarge if there are too many changes for one message.
func EncodeDelta(base *state.State, from, to uint64, upserts []state.Entry, removes []state.Key) (*wirepb.Delta, error) {
	w, delta := newEncoder(to, slices.Values(upserts)), &wirepb.Delta{From: from, To: to}
	whole, changes := splitUpserts(base, upserts)
	for _, e := range whole {
		w.add(e)
	}
	delta.Removes = w.addKeys(removes)
	var err error
	if len(whole)+len(removes) > 0 {
		delta.Upserts, err = w.finish()
	}
	if err == nil && len(changes) > 0 {
		delta.PatchKeys, delta.Patches, err = w.addPatches(changes)
	}
	return delta, err
}

// encoder encodes entries as Objects.
type encoder struct {
	objectTables
	seq uint64
	out *wirepb.Objects
	// sentStrings is the number of strings in earlier chunks. objects is the number of objects in the
	// current chunk, keys that of the keys which were added last.
	sentStrings, objects, keys int
}

// newEncoder returns an encoder for a message with the given seq. The message's time base is
// one second before the earliest time in entries.
func newEncoder(seq uint64, entries iter.Seq[state.Entry]) *encoder {
	w := &encoder{seq: seq}
	w.tables = tables{writing: true, strings: []string{""}, stringIndexes: map[string]int64{"": 0}}
	first := true
	visit := func(t state.Time) {
		if t != 0 && (first || t <= w.timeBase) {
			w.timeBase, first = t-1, false
		}
	}
	for e := range entries {
		visitTimes(e.Object, visit)
	}
	w.nextChunk()
	return w
}

// nextChunk starts a chunk. The string table continues; resources and columns start again.
func (w *encoder) nextChunk() {
	w.sentStrings, w.objects, w.size, w.hasTimes, w.uids = len(w.strings), 0, 0, false, nil
	w.resources = []state.Resources{{}}
	w.resourceIndexes = map[plainResources]int64{{}: 0}
	w.out = &wirepb.Objects{
		Resources: &wirepb.Resources{}, Nodes: &wirepb.Nodes{}, NodeLoads: &wirepb.NodeLoads{}, Pods: &wirepb.Pods{},
		Containers: &wirepb.Containers{}, Ports: &wirepb.Ports{}, Targets: &wirepb.Targets{}, OwnTargets: &wirepb.Targets{},
		Services: &wirepb.Services{}, Claims: &wirepb.Claims{}, PersistentVolumes: &wirepb.PersistentVolumes{},
	}
	w.startChunk()
}

// reserve sets the number of rows to allocate for a kind, at most as many as fit the chunk.
func (w *encoder) reserve(kind state.Kind, objects int) {
	w.kinds[kind].capacity = min(objects, ChunkTarget/objectSize)
}

// add encodes one entry of any kind.
func (w *encoder) add(e state.Entry) {
	back, slot := w.seq-e.Seq, e.Slot
	w.object(w.out, e.Object, &back, &slot)
	w.objects++
}

// full reports whether the next entry belongs in the next chunk.
func (w *encoder) full() bool {
	return w.size+w.objects*objectSize+w.listElements*elementSize >= ChunkTarget || w.objects >= MaxObjects
}

// addKeys encodes removed keys or the keys of patches. Their strings are in the string table of the
// objects.
func (w *encoder) addKeys(keys []state.Key) *wirepb.Keys {
	if len(keys) == 0 {
		return nil
	}
	w.keys = len(keys)
	r, pb := tableCodec{tables: &w.tables}, &wirepb.Keys{}
	for i := range keys {
		r.key(pb, &keys[i])
	}
	r.trimColumns()
	return pb
}

// finish returns the Objects of all entries since the chunk was started.
func (w *encoder) finish() (*wirepb.Objects, error) {
	if w.objects > MaxObjects || w.keys > MaxObjects || w.listElements > MaxElements {
		return nil, fmt.Errorf("%w: it has %d objects, %d list elements and %d removed or patched keys", ErrTooLarge, w.objects, w.listElements, w.keys)
	}
	for i := range w.resources[1:] {
		w.resourceRows.resourceRow(w.out.Resources, &w.resources[i+1])
	}
	for i := range w.kinds {
		w.kinds[i].trimColumns()
	}
	w.ownTargets.trimColumns()
	w.resourceRows.trimColumns()
	w.out.Strings, w.out.Uids = w.strings[w.sentStrings:], w.uids
	if w.hasTimes {
		w.out.TimeBase = int64(w.timeBase)
	}
	removeEmptyTables(w.out)
	return w.out, nil
}

// removeEmptyTables sets tables without rows to nil.
func removeEmptyTables(o *wirepb.Objects) {
	if len(o.Resources.CpuMillis) == 0 {
		o.Resources = nil
	}
	if len(o.Nodes.Back) == 0 {
		o.Nodes = nil
	}
	if len(o.NodeLoads.Back) == 0 {
		o.NodeLoads = nil
	}
	if len(o.Pods.Back) == 0 {
		o.Pods = nil
	}
	if len(o.Containers.Back) == 0 {
		o.Containers = nil
	}
	if len(o.Ports.Back) == 0 {
		o.Ports = nil
	}
	if len(o.Targets.Back) == 0 {
		o.Targets = nil
	}
	if len(o.OwnTargets.Back) == 0 {
		o.OwnTargets = nil
	}
	if len(o.Services.Back) == 0 {
		o.Services = nil
	}
	if len(o.Claims.Back) == 0 {
		o.Claims = nil
	}
	if len(o.PersistentVolumes.Back) == 0 {
		o.PersistentVolumes = nil
	}
}

// stateEntries yields all entries of s.
func stateEntries(s *state.State) iter.Seq[state.Entry] {
	return func(yield func(state.Entry) bool) {
		for kind := range state.NumKinds {
			for e := range s.Entries(kind) {
				if !yield(e) {
					return
				}
			}
		}
	}
}
