package columnar

import (
	"fmt"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// Decoder decodes the chunks of a snapshot, or the objects of a Delta, into entries.
type Decoder struct {
	objectTables
	seq uint64
}

// NewDecoder returns a Decoder for a message with the given seq (Snapshot.seq or Delta.to).
func NewDecoder(seq uint64) *Decoder {
	r := &Decoder{seq: seq}
	r.strings = []string{""}
	return r
}

// Seq returns the seq of the message.
func (r *Decoder) Seq() uint64 { return r.seq }

// Decode returns the entries of the next chunk.
func (r *Decoder) Decode(pb *wirepb.Objects) ([]state.Entry, error) {
	if pb == nil {
		return nil, r.err
	}
	if err := r.readTables(pb); err != nil {
		return nil, err
	}
	counts, err := CountObjects(pb)
	if err != nil {
		return nil, err
	}
	entries := make([]state.Entry, 0, counts.Total())
	for kind, n := range counts {
		for range n {
			entries = append(entries, r.decodeEntry(pb, state.Kind(kind), state.Entry{}))
		}
	}
	return entries, r.err
}

// Counts has the number of objects of each kind.
type Counts [state.NumKinds]int

// Total returns the number of objects of all kinds.
func (c Counts) Total() (n int) {
	for _, of := range c {
		n += of
	}
	return n
}

// CountObjects returns the number of objects in a message, and an error if there are too many.
func CountObjects(pb *wirepb.Objects) (Counts, error) {
	c := Counts{
		len(pb.GetNodes().GetBack()), len(pb.GetNodeLoads().GetBack()), len(pb.GetPods().GetBack()),
		len(pb.GetContainers().GetBack()), len(pb.GetPorts().GetBack()), len(pb.GetTargets().GetBack()),
		len(pb.GetServices().GetBack()), len(pb.GetClaims().GetBack()), len(pb.GetPersistentVolumes().GetBack()),
	}
	if n := c.Total(); n > MaxObjects {
		return Counts{}, fmt.Errorf("message has %d objects, the limit is %d", n, MaxObjects)
	}
	return c, nil
}

// readTables reads the strings, resources and UIDs that the columns refer to.
func (r *Decoder) readTables(pb *wirepb.Objects) error {
	if len(r.strings)+len(pb.Strings) > MaxStrings {
		return fmt.Errorf("message has more than %d strings", MaxStrings)
	}
	for _, s := range pb.Strings {
		if len(s) > MaxString {
			return fmt.Errorf("string has %d bytes, the limit is %d", len(s), MaxString)
		}
		r.strings = append(r.strings, state.CleanText(s))
	}
	r.timeBase, r.uids = state.Time(pb.TimeBase), pb.Uids
	r.startChunk()
	amounts := pb.GetResources()
	if amounts == nil {
		amounts = &wirepb.Resources{}
	}
	r.resources = make([]state.Resources, 1+len(amounts.CpuMillis))
	for i := range amounts.CpuMillis {
		r.resourceRows.resourceRow(amounts, &r.resources[i+1])
	}
	return r.err
}

// decodeEntry returns the next entry of a kind. A patch is applied to a copy of held.
func (r *Decoder) decodeEntry(pb *wirepb.Objects, kind state.Kind, held state.Entry) state.Entry {
	var back uint64
	e := state.Entry{Slot: held.Slot}
	switch kind {
	case state.KindNode:
		e.Object = copyObject[state.Node](held.Object)
	case state.KindNodeLoad:
		e.Object = copyObject[state.NodeLoad](held.Object)
	case state.KindPod:
		e.Object = copyObject[state.Pod](held.Object)
	case state.KindContainer:
		e.Object = copyObject[state.Container](held.Object)
	case state.KindPort:
		e.Object = copyObject[state.Port](held.Object)
	case state.KindTarget:
		e.Object = copyObject[state.Target](held.Object)
	case state.KindService:
		e.Object = copyObject[state.Service](held.Object)
	case state.KindClaim:
		e.Object = copyObject[state.Claim](held.Object)
	case state.KindPersistentVolume:
		e.Object = copyObject[state.PersistentVolume](held.Object)
	}
	r.object(pb, e.Object, &back, &e.Slot)
	if back > r.seq {
		r.fail("change seq of an object is out of range")
	}
	e.Seq = r.seq - back
	return e
}

// copyObject returns a shallow copy of held, or a zero object if held is nil. Shared parts are
// never written to.
func copyObject[T any, O interface {
	*T
	state.Object
}](held state.Object) state.Object {
	o := O(new(T))
	if h, ok := held.(O); ok {
		*o = *h
	}
	return o
}

// keys decodes removed keys or the keys of patches.
func (r *Decoder) keys(pb *wirepb.Keys) []state.Key {
	if pb == nil {
		return nil
	}
	if len(pb.Kind) > MaxObjects {
		r.fail("message has %d removed or patched keys, the limit is %d", len(pb.Kind), MaxObjects)
		return nil
	}
	table, keys := tableCodec{tables: &r.tables}, make([]state.Key, len(pb.Kind))
	for i := range keys {
		table.key(pb, &keys[i])
	}
	return keys
}
