package wire

import (
	"fmt"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// objectReader turns Objects back into entries.
type objectReader struct {
	objectTables
	// seq is up to which the message leads.
	seq uint64
}

func newObjectReader(seq uint64) *objectReader {
	r := &objectReader{seq: seq}
	r.strings = []string{""}
	return r
}

// chunk takes in one chunk's tables and gives its entries.
func (r *objectReader) chunk(pb *wirepb.Objects) ([]state.Entry, error) {
	if pb == nil {
		return nil, r.err
	}
	if err := r.takeTables(pb); err != nil {
		return nil, err
	}
	counts, err := countsOf(pb)
	if err != nil {
		return nil, err
	}
	entries := make([]state.Entry, 0, counts.total())
	for kind, n := range counts {
		for range n {
			entries = append(entries, r.entry(pb, state.Kind(kind), state.Entry{}))
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

// countsOf are how many objects come, where they are not too many.
func countsOf(pb *wirepb.Objects) (counts, error) {
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
func (r *objectReader) takeTables(pb *wirepb.Objects) error {
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
	r.begin()
	amounts := pb.GetResources()
	if amounts == nil {
		amounts = &wirepb.Resources{}
	}
	r.resources = make([]state.Resources, 1+len(amounts.CpuMillis))
	for i := range amounts.CpuMillis {
		r.amounts.resourceRow(amounts, &r.resources[i+1])
	}
	return r.err
}

// entry reads the next object of a kind, from what is held of it where it amends that.
func (r *objectReader) entry(pb *wirepb.Objects, kind state.Kind, held state.Entry) state.Entry {
	var back uint64
	e := state.Entry{Slot: held.Slot}
	switch kind {
	case state.KindNode:
		o := copyOf[state.Node](held.Object)
		r.node(pb.Nodes, o, &back, &e.Slot)
		e.Object = o
	case state.KindNodeLoad:
		o := copyOf[state.NodeLoad](held.Object)
		r.nodeLoad(pb.NodeLoads, o, &back)
		e.Object = o
	case state.KindPod:
		o := copyOf[state.Pod](held.Object)
		r.pod(pb.Pods, o, &back)
		e.Object = o
	case state.KindContainer:
		o := copyOf[state.Container](held.Object)
		r.container(pb.Containers, o, &back, &e.Slot)
		e.Object = o
	case state.KindPort:
		o := copyOf[state.Port](held.Object)
		r.portWithTarget(pb, o, &back)
		e.Object = o
	case state.KindTarget:
		o := copyOf[state.Target](held.Object)
		r.of(state.KindTarget).target(pb.Targets, o, &back)
		e.Object = o
	case state.KindService:
		o := copyOf[state.Service](held.Object)
		r.service(pb.Services, o, &back)
		e.Object = o
	case state.KindClaim:
		o := copyOf[state.Claim](held.Object)
		r.claim(pb.Claims, o, &back)
		e.Object = o
	case state.KindPersistentVolume:
		o := copyOf[state.PersistentVolume](held.Object)
		r.persistentVolume(pb.PersistentVolumes, o, &back)
		e.Object = o
	}
	if back > r.seq {
		r.fail("an object's change seq is out of range")
	}
	e.Seq = r.seq - back
	return e
}

// copyOf is a copy of what is held, empty where that is nothing. What it points to is
// shared, and is not written to.
func copyOf[T any](held state.Object) *T {
	o := new(T)
	if h, ok := any(held).(*T); ok {
		*o = *h
	}
	return o
}

// portWithTarget reads a port; it must not claim more targets than came.
func (r *objectReader) portWithTarget(pb *wirepb.Objects, o *state.Port, back *uint64) {
	own := pb.OwnTargets
	if own == nil {
		own = &wirepb.Targets{}
	}
	r.port(pb.Ports, own, o, back)
}

// keys reads removed keys.
func (r *objectReader) keys(pb *wirepb.Keys) []state.Key {
	if pb == nil {
		return nil
	}
	if len(pb.Kind) > maxMessageObjects {
		r.fail("%d removed keys in one message, of at most %d", len(pb.Kind), maxMessageObjects)
		return nil
	}
	in, removes := rows{tables: &r.tables}, make([]state.Key, len(pb.Kind))
	for i := range removes {
		in.key(pb, &removes[i])
	}
	return removes
}
