package view

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// row is an entry as clients see it. from is the node from which ports are looked
// at: where externalTrafficPolicy is Local it reaches its own targets only.
func (r rows) row(e state.Entry, from string) any {
	switch o := e.Object.(type) {
	case *state.Node:
		return state.NodeView{Node: o, NodeLoad: r.state.Load(o.Name), Used: r.usage.Of(e.Slot)}
	case *state.Pod:
		return state.PodView{Pod: o}
	case *state.Container:
		return state.NewContainerView(o, r.usage.Of(e.Slot))
	case *state.Port:
		return state.PortView{Port: o, Targets: r.targets(o, from), Conflicts: r.conflicts()[o]}
	}
	return nil
}

// targets is never nil, as JSON's null is no list.
func (r rows) targets(p *state.Port, from string) []*state.Target {
	targets := []*state.Target{}
	for t := range r.state.TargetsOf(p) {
		if from == "" || p.ExternalTrafficPolicy != state.TrafficPolicyLocal || t.Node == from {
			targets = append(targets, t)
		}
	}
	return targets
}

// writer writes the rows of a list as a JSON array, one at a time: a large cluster's
// rows are never all there as values.
type writer struct {
	buf   *bytes.Buffer
	enc   *json.Encoder
	count int
}

func newWriter(buf *bytes.Buffer) *writer {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	buf.WriteByte('[')
	return &writer{buf: buf, enc: enc}
}

func (w *writer) write(row any) error {
	if w.count > 0 {
		w.buf.WriteByte(',')
	}
	if err := w.enc.Encode(row); err != nil {
		return fmt.Errorf("encode %T: %w", row, err)
	}
	w.buf.Truncate(w.buf.Len() - 1)
	w.count++
	return nil
}

func (w *writer) close() { w.buf.WriteByte(']') }

// all is every row of a list.
func (r rows) all(p Part) ([]byte, error) {
	var buf bytes.Buffer
	w := newWriter(&buf)
	for e := range r.state.Entries(kinds[p]) {
		if err := w.write(r.row(e, "")); err != nil {
			return nil, err
		}
	}
	w.close()
	return slices.Clip(buf.Bytes()), nil
}
