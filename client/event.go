package client

import (
	"encoding/json"
	"fmt"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// EventType is the type of an event.
type EventType = httpv1.EventType

// Types of events. An Added object may be known already: after a reconnection in the middle
// of a change, all events of the change are repeated.
const (
	Added    = httpv1.Added
	Modified = httpv1.Modified
	Deleted  = httpv1.Deleted
	// Bookmark confirms that the state is current up to its version. If Event.InitialEnd is
	// set, it ends the initial state.
	Bookmark = httpv1.BookmarkEvent
	// Restarted is created by the client: the watch could not be resumed, and the initial
	// state follows, up to the Bookmark with InitialEnd. An object that is not in it has been
	// deleted.
	Restarted EventType = "RESTARTED"
	// Failed is an event of WatchClusters only. It ends the events of Cluster, with a *Problem
	// as Object. The events of other clusters continue.
	Failed = httpv1.ErrorEvent
)

// Kind is the kind of an event's object.
type Kind = httpv1.Kind

// Kinds of objects, and the type of Event.Object.
const (
	KindNode      = httpv1.KindNode      // *state.NodeView
	KindPod       = httpv1.KindPod       // *state.PodView
	KindContainer = httpv1.KindContainer // *state.ContainerView
	KindPort      = httpv1.KindPort      // *state.PortView
	KindSummary   = httpv1.KindSummary   // *state.Summary
	KindUsage     = httpv1.KindUsage     // *Usage
	KindSession   = httpv1.KindSession   // *SessionStatus
	KindCluster   = httpv1.KindCluster   // *Cluster
)

// Event is one event of a watch.
type Event struct {
	Type EventType
	Kind Kind
	// Cluster is the cluster of an event of WatchClusters; empty for those of kind Cluster.
	Cluster string
	// ResourceVersion is where to resume after this event. All events of a change but the
	// last have the version before it. Those of the initial state have "0".
	ResourceVersion string
	// Initial is true for an event of the initial state; InitialEnd for the Bookmark that
	// ends it.
	Initial, InitialEnd bool
	// Object is a pointer to the type of Kind, a *BookmarkStatus for a Bookmark, or a
	// json.RawMessage for an unknown Kind.
	Object any
}

// decodeEvent decodes a line. An event of type Failed has a *Problem.
func decodeEvent(line []byte) (Event, error) {
	var w httpv1.Event
	if err := json.Unmarshal(line, &w); err != nil {
		return Event{}, fmt.Errorf("decode event: %w", err)
	}
	e := Event{Type: w.Type, Kind: w.Kind, Cluster: w.Cluster, ResourceVersion: w.ResourceVersion}
	var err error
	switch w.Type {
	case Failed:
		e.Object, err = decodeStatus(w.Object)
	case Bookmark:
		b := &BookmarkStatus{}
		err = json.Unmarshal(w.Object, b)
		e.Object, e.InitialEnd = b, b.Annotations[httpv1.InitialEventsEnd] == "true"
	default:
		e.Initial = w.ResourceVersion == httpv1.InitialVersion
		e.Object, err = decodeObject(w.Kind, w.Object)
	}
	if err != nil {
		return Event{}, fmt.Errorf("decode event %s %s: %w", w.Type, w.Kind, err)
	}
	return e, nil
}

func decodeObject(k Kind, data json.RawMessage) (any, error) {
	switch k {
	case KindNode:
		return decodeRow(data, normalizeNode)
	case KindPod:
		return decodeRow(data, normalizePod)
	case KindContainer:
		return decodeRow(data, normalizeContainer)
	case KindPort:
		return decodeRow(data, normalizePort)
	case KindSummary:
		return decodeRow(data, func(*state.Summary) error { return nil })
	case KindUsage:
		return decodeRow(data, func(*Usage) error { return nil })
	case KindSession:
		return decodeRow(data, func(*SessionStatus) error { return nil })
	case KindCluster:
		return decodeRow(data, func(*Cluster) error { return nil })
	}
	return data, nil
}

// decodeStatus decodes the object of an ERROR event.
func decodeStatus(data json.RawMessage) (*Problem, error) {
	var status httpv1.Status
	if err := json.Unmarshal(data, &status); err != nil {
		return nil, err
	}
	return &Problem{Status: status.Code, Reason: status.Reason, Detail: status.Message}, nil
}
