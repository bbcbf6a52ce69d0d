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
		o := copyObject[state.Node](held.Object)
		r.node(pb.Nodes, o, &back, &e.Slot)
		e.Object = o
	case state.KindNodeLoad:
		o := copyObject[state.NodeLoad](held.Object)
		r.nodeLoad(pb.NodeLoads, o, &back)
		e.Object = o
	case state.KindPod:
		o := copyObject[state.Pod](held.Object)
		r.pod(pb.Pods, o, &back)
		e.Object = o
	case state.KindContainer:
		o := copyObject[state.Container](held.Object)
		r.container(pb.Containers, o, &back, &e.Slot)
		e.Object = o
	case state.KindPort:
		o := copyObject[state.Port](held.Object)
		r.decodePort(pb, o, &back)
		e.Object = o
	case state.KindTarget:
		o := copyObject[state.Target](held.Object)
		r.startRow(state.KindTarget).target(pb.Targets, o, &back)
		e.Object = o
	case state.KindService:
		o := copyObject[state.Service](held.Object)
		r.service(pb.Services, o, &back)
		e.Object = o
	case state.KindClaim:
		o := copyObject[state.Claim](held.Object)
		r.claim(pb.Claims, o, &back)
		e.Object = o
	case state.KindPersistentVolume:
		o := copyObject[state.PersistentVolume](held.Object)
		r.persistentVolume(pb.PersistentVolumes, o, &back)
		e.Object = o
	}
	if back > r.seq {
		r.fail("change seq of an object is out of range")
	}
	e.Seq = r.seq - back
	return e
}

// copyObject returns a shallow copy of held, or a zero object if held is nil. Shared parts are
// never written to.
func copyObject[T any](held state.Object) *T {
	o := new(T)
	if h, ok := any(held).(*T); ok {
		*o = *h
	}
	return o
}

// decodePort decodes a port with its own target, if it has one. The target's column limits how
// many targets the peer can claim.
func (r *Decoder) decodePort(pb *wirepb.Objects, o *state.Port, back *uint64) {
	own := pb.OwnTargets
	if own == nil {
		own = &wirepb.Targets{}
	}
	r.port(pb.Ports, own, o, back)
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
