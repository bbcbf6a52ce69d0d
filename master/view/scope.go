package view

import (
	"slices"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// UsageMode is how a watch reports usage.
type UsageMode uint8

const (
	// UsageEvents sends one Usage event for each reading.
	UsageEvents UsageMode = iota
	// UsageObjects sends a MODIFIED event for each node and container whose usage changed.
	UsageObjects
	// UsageNone omits usage, also from the objects.
	UsageNone
)

// UsageModes maps the values of the parameter usage to modes.
var UsageModes = map[string]UsageMode{"events": UsageEvents, "objects": UsageObjects, "none": UsageNone}

// Scope is what a watch selects from a cluster. Watches with the same Scope share all bytes.
type Scope struct {
	Part   Part
	Filter Filter
	Usage  UsageMode
}

// includes reports whether the list p belongs to the scope.
func (s *Scope) includes(p Part) bool { return slices.Contains(s.Part.lists(), p) }

// hasSummary reports whether Summary events belong to the scope.
func (s *Scope) hasSummary() bool { return s.Part == Whole || s.Part == Summary }

// rows returns the row encoder of a State, adjusted for the scope.
func (s *Scope) rows(r rowEncoder) rowEncoder {
	if s.Usage == UsageNone {
		r.usage = nil
	}
	return r
}

// eventKinds holds the kind in the events of each kind of object.
var eventKinds = [state.NumKinds]httpv1.Kind{
	state.KindNode: httpv1.KindNode, state.KindPod: httpv1.KindPod, state.KindContainer: httpv1.KindContainer, state.KindPort: httpv1.KindPort,
}

// partOfKind holds the list that each kind of object belongs to.
var partOfKind = [state.NumKinds]Part{state.KindNode: Nodes, state.KindPod: Pods, state.KindContainer: Containers, state.KindPort: Ports}
