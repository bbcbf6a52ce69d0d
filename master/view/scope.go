package view

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// UsageMode is how a watch tells of usage.
type UsageMode uint8

const (
	// UsageEvents: one Usage event a reading.
	UsageEvents UsageMode = iota
	// UsageObjects: a MODIFIED for each node and container whose usage changed.
	UsageObjects
	// UsageNone: not at all, nor in the objects.
	UsageNone
)

// UsageModes are the modes by their names in queries.
var UsageModes = map[string]UsageMode{"events": UsageEvents, "objects": UsageObjects, "none": UsageNone}

// Scope is what a watch sees of a cluster. Watches of one Scope share all bytes.
type Scope struct {
	Part   Part
	Filter Filter
	Usage  UsageMode
}

func (s *Scope) lists(p Part) bool { return slices.Contains(s.Part.lists(), p) }

// summary says that Summary events belong to the scope.
func (s *Scope) summary() bool { return s.Part == Whole || s.Part == Summary }

// rows are those of a State as the scope shows them.
func (s *Scope) rows(r rows) rows {
	if s.Usage == UsageNone {
		r.usage = nil
	}
	return r
}

// eventKinds are the kinds of events that tell of the rows of a list.
var eventKinds = [state.NumKinds]string{state.KindNode: "Node", state.KindPod: "Pod", state.KindContainer: "Container", state.KindPort: "Port"}

// partOf is the list that rows of a kind are in.
var partOf = [state.NumKinds]Part{state.KindNode: Nodes, state.KindPod: Pods, state.KindContainer: Containers, state.KindPort: Ports}
