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
	counts := [state.NumKinds]int{
		len(pb.GetNodes().GetBack()), len(pb.GetNodeLoads().GetBack()), len(pb.GetPods().GetBack()),
		len(pb.GetContainers().GetBack()), len(pb.GetPorts().GetBack()), len(pb.GetTargets().GetBack()),
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	if total > maxMessageObjects {
		return nil, fmt.Errorf("%d objects in one message, of at most %d", total, maxMessageObjects)
	}
	entries := make([]state.Entry, 0, total)
	for kind, n := range counts {
		for range n {
			entries = append(entries, r.entry(pb, state.Kind(kind)))
		}
	}
	return entries, r.err
}

// takeTables takes in what the columns refer to.
func (r *objectReader) takeTables(pb *wirepb.Objects) error {
	if len(r.strings)+len(pb.Strings) > maxStrings {
		return fmt.Errorf("more than %d strings", maxStrings)
	}
	r.strings = append(r.strings, pb.Strings...)
	r.base = state.Time(pb.TimeBase)
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

// entry reads the next object of a kind.
func (r *objectReader) entry(pb *wirepb.Objects, kind state.Kind) state.Entry {
	var back uint64
	var e state.Entry
	switch kind {
	case state.KindNode:
		o := &state.Node{}
		r.node(pb.Nodes, o, &back, &e.Slot)
		e.Object = o
	case state.KindNodeLoad:
		o := &state.NodeLoad{}
		r.nodeLoad(pb.NodeLoads, o, &back)
		e.Object = o
	case state.KindPod:
		o := &state.Pod{}
		r.pod(pb.Pods, o, &back)
		e.Object = o
	case state.KindContainer:
		o := &state.Container{}
		r.container(pb.Containers, o, &back, &e.Slot)
		e.Object = o
	case state.KindPort:
		o := &state.Port{}
		r.portWithTarget(pb, o, &back)
		e.Object = o
	case state.KindTarget:
		o := &state.Target{}
		r.of(state.KindTarget).target(pb.Targets, o, &back)
		e.Object = o
	}
	if back > r.seq {
		r.fail("an object's change seq is out of range")
	}
	e.Seq = r.seq - back
	return e
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
