package wire

import (
	"fmt"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectDecoder turns Objects back into entries.
type objectDecoder struct {
	objectTables
	// seq is up to which the message leads.
	seq uint64
}

func newObjectDecoder(seq uint64) *objectDecoder {
	r := &objectDecoder{seq: seq}
	r.strings = []string{""}
	return r
}

// chunk takes in one chunk's tables and gives its entries.
func (r *objectDecoder) decodeChunk(pb *wirepb.Objects) ([]state.Entry, error) {
	if pb == nil {
		return nil, r.err
	}
	if err := r.readTables(pb); err != nil {
		return nil, err
	}
	counts, err := countObjects(pb)
	if err != nil {
		return nil, err
	}
	entries := make([]state.Entry, 0, counts.total())
	for kind, n := range counts {
		for range n {
			entries = append(entries, r.decodeEntry(pb, state.Kind(kind), state.Entry{}))
		}
	}
	return entries, r.err
}

// counts are numbers of objects, by kind.
type counts [state.NumKinds]int

func (c counts) total() (n int) {
	for _, of := range c {
		n += of
	}
	return n
}

// countObjects are how many objects come, where they are not too many.
func countObjects(pb *wirepb.Objects) (counts, error) {
	c := counts{
		len(pb.GetNodes().GetBack()), len(pb.GetNodeLoads().GetBack()), len(pb.GetPods().GetBack()),
		len(pb.GetContainers().GetBack()), len(pb.GetPorts().GetBack()), len(pb.GetTargets().GetBack()),
		len(pb.GetServices().GetBack()), len(pb.GetClaims().GetBack()), len(pb.GetPersistentVolumes().GetBack()),
	}
	if n := c.total(); n > maxMessageObjects {
		return counts{}, fmt.Errorf("%d objects in one message, of at most %d", n, maxMessageObjects)
	}
	return c, nil
}

// takeTables takes in what the columns refer to.
func (r *objectDecoder) readTables(pb *wirepb.Objects) error {
	if len(r.strings)+len(pb.Strings) > maxStrings {
		return fmt.Errorf("more than %d strings", maxStrings)
	}
	for _, s := range pb.Strings {
		if len(s) > maxString {
			return fmt.Errorf("a string of %d bytes, of at most %d", len(s), maxString)
		}
		r.strings = append(r.strings, state.CleanText(s))
	}
	r.base, r.uids = state.Time(pb.TimeBase), pb.Uids
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

// entry reads the next object of a kind, from what is held of it where it patching that.
func (r *objectDecoder) decodeEntry(pb *wirepb.Objects, kind state.Kind, held state.Entry) state.Entry {
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
		r.fail("an object's change seq is out of range")
	}
	e.Seq = r.seq - back
	return e
}

// copyObject is a copy of what is held, empty where that is nothing. What it points to is
// shared, and is not written to.
func copyObject[T any](held state.Object) *T {
	o := new(T)
	if h, ok := any(held).(*T); ok {
		*o = *h
	}
	return o
}

// decodePort reads a port; it must not claim more targets than came.
func (r *objectDecoder) decodePort(pb *wirepb.Objects, o *state.Port, back *uint64) {
	own := pb.OwnTargets
	if own == nil {
		own = &wirepb.Targets{}
	}
	r.port(pb.Ports, own, o, back)
}

// keys reads removed keys.
func (r *objectDecoder) decodeKeys(pb *wirepb.Keys) []state.Key {
	if pb == nil {
		return nil
	}
	if len(pb.Kind) > maxMessageObjects {
		r.fail("%d removed keys in one message, of at most %d", len(pb.Kind), maxMessageObjects)
		return nil
	}
	in, removes := tableCodec{tables: &r.tables}, make([]state.Key, len(pb.Kind))
	for i := range removes {
		in.key(pb, &removes[i])
	}
	return removes
}
