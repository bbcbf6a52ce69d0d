package view

import (
	"slices"
	"sync"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/view/rows"
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

// String returns the part's name in documents and paths.
func (p Part) String() string { return partNames[p] }

// lists holds the parts that have rows.
var lists = []Part{Nodes, Pods, Containers, Ports}

// kinds holds the kind of object in each list.
var kinds = [numParts]state.Kind{Nodes: state.KindNode, Pods: state.KindPod, Containers: state.KindContainer, Ports: state.KindPort}

// rowEncoder encodes the rows of one State.
type rowEncoder struct {
	state *state.State
	// usage is the usage of the State, or nil to omit usage from the rows.
	usage     *state.Usage
	conflicts func() map[*state.Port][]state.PortKey
}

func newRowEncoder(s *state.State) rowEncoder {
	return rowEncoder{state: s, usage: s.Usage, conflicts: sync.OnceValue(func() map[*state.Port][]state.PortKey { return state.Conflicts(s) })}
}

// lazyRows returns a row encoder. The first call reads the State of a report, and may decode it. The error is a
// *report.StateError.
type lazyRows func() (rowEncoder, error)

func newLazyRows(r *report.Report) lazyRows {
	return sync.OnceValues(func() (rowEncoder, error) {
		s, err := r.State()
		if err != nil {
			return rowEncoder{}, err
		}
		return newRowEncoder(s), nil
	})
}

// appendRow appends an entry as clients see it. If fromNode is set, ports are shown as seen from
// that node: with externalTrafficPolicy Local they only reach targets on it.
func (r rowEncoder) appendRow(line []byte, e state.Entry, fromNode string) []byte {
	switch o := e.Object.(type) {
	case *state.Node:
		return rows.Node(line, &state.NodeView{Node: o, NodeLoad: r.state.Load(o.Name), Used: r.usage.Of(e.Slot)})
	case *state.Pod:
		return rows.Pod(line, &state.PodView{Pod: o})
	case *state.Container:
		view := state.NewContainerView(o, r.usage.Of(e.Slot))
		return rows.Container(line, &view)
	case *state.Port:
		return rows.Port(line, &state.PortView{Port: o, Targets: r.targets(o, fromNode), Conflicts: r.conflicts()[o]})
	}
	return line
}

// targets returns the targets of a port, as seen from a node if fromNode is set.
func (r rowEncoder) targets(p *state.Port, fromNode string) (targets []*state.Target) {
	for t := range r.state.TargetsOf(p) {
		if fromNode == "" || p.ExternalTrafficPolicy != state.TrafficPolicyLocal || t.Node == fromNode {
			targets = append(targets, t)
		}
	}
	return targets
}

// sampleSize is the number of rows after which the length of the remaining rows is estimated.
const sampleSize = 64

// encodeList returns all rows of a list as a JSON array.
func (r rowEncoder) encodeList(p Part) []byte {
	var list []byte
	written, total := 0, r.state.Len(kinds[p])
	for e := range r.state.Entries(kinds[p]) {
		if written == sampleSize {
			list = slices.Grow(list, len(list)/sampleSize*(total-sampleSize)*9/8)
		}
		list = r.appendRow(append(list, ','), e, "")
		written++
	}
	return array(list)
}

// array turns elements, each preceded by a comma, into a JSON array.
func array(elements []byte) []byte {
	t := rows.Writer(elements)
	t.Close(0, "[]")
	return t
}
