package view

import (
	"slices"
	"sync"

	"rollcall.dev/rollcall/api/state"
)

// Part is a part of a cluster's document.
type Part uint8

const (
	// Whole is the document with all its parts.
	Whole Part = iota
	Summary
	Nodes
	Pods
	Containers
	Ports
	numParts
)

var partNames = [numParts]string{"whole", "summary", "nodes", "pods", "containers", "ports"}

// String is the part's name in documents and paths.
func (p Part) String() string { return partNames[p] }

// lists are the parts that have rows.
var lists = []Part{Nodes, Pods, Containers, Ports}

// kinds are the kinds of objects that the rows of a list are made of.
var kinds = [numParts]state.Kind{Nodes: state.KindNode, Pods: state.KindPod, Containers: state.KindContainer, Ports: state.KindPort}

// rows makes the rows of one State.
type rows struct {
	state *state.State
	// usage is the State's, or nil for rows that leave it out.
	usage     *state.Usage
	conflicts func() map[*state.Port][]state.PortKey
}

func rowsOf(s *state.State) rows {
	return rows{state: s, usage: s.Usage, conflicts: sync.OnceValue(func() map[*state.Port][]state.PortKey { return state.Conflicts(s) })}
}

// append writes an entry as clients see it. from is the node from which ports are looked
// at: where externalTrafficPolicy is Local it reaches its own targets only.
func (r rows) append(line []byte, e state.Entry, from string) []byte {
	t := text(line)
	switch o := e.Object.(type) {
	case *state.Node:
		t.node(o, r.state.Load(o.Name), r.usage.Of(e.Slot))
	case *state.Pod:
		t.pod(o)
	case *state.Container:
		t.container(o, r.usage.Of(e.Slot))
	case *state.Port:
		t.port(o, r.targets(o, from), r.conflicts()[o])
	}
	return t
}

// targets are where a port leads.
func (r rows) targets(p *state.Port, from string) (targets []*state.Target) {
	for t := range r.state.TargetsOf(p) {
		if from == "" || p.ExternalTrafficPolicy != state.TrafficPolicyLocal || t.Node == from {
			targets = append(targets, t)
		}
	}
	return targets
}

// sampled is after how many rows of a list it is known how long the others are, about.
const sampled = 64

// all is every row of a list, as a JSON array.
func (r rows) all(p Part) []byte {
	var list []byte
	written, total := 0, r.state.Len(kinds[p])
	for e := range r.state.Entries(kinds[p]) {
		if written == sampled {
			list = slices.Grow(list, len(list)/sampled*(total-sampled)*9/8)
		}
		list = r.append(append(list, ','), e, "")
		written++
	}
	return array(list)
}

// array makes of elements, each behind a comma, a JSON array.
func array(elements []byte) []byte {
	t := text(elements)
	t.end(0, "[]")
	return t
}
