package client

import (
	"encoding/json"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// EventType is what happened to an object.
type EventType string

// Types of events. Added is also what an object may be that was there before: where a
// watch was cut in the middle of a change, all of the change comes again.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
	// Bookmark tells that all is well up to its version; where Event.InitialEnd is set,
	// that the present state is complete.
	Bookmark EventType = "BOOKMARK"
	// Restarted is the client's own: what changed since the last event is not known, so
	// the present state comes anew, up to the Bookmark with InitialEnd. What is not in
	// it by then is gone.
	Restarted EventType = "RESTARTED"
	// Failed comes on the fleet's stream only: the events of Cluster end, with a
	// *Problem as Object; those of others go on.
	Failed EventType = "ERROR"
)

// Kind is what an event tells of.
type Kind string

// Kinds, and the Object of their events.
const (
	KindNode      Kind = "Node"      // *state.NodeView
	KindPod       Kind = "Pod"       // *state.PodView
	KindContainer Kind = "Container" // *state.ContainerView
	KindPort      Kind = "Port"      // *state.PortView
	KindSummary   Kind = "Summary"   // *state.Summary
	KindUsage     Kind = "Usage"     // *Usage
	KindSession   Kind = "Session"   // *SessionStatus
	KindCluster   Kind = "Cluster"   // *Cluster
)

// Event is one event of a watch.
type Event struct {
	Type EventType
	Kind Kind
	// Cluster is whose event it is, on the fleet's stream; empty for those of kind
	// Cluster.
	Cluster string
	// ResourceVersion is where to resume after this event. All but the last event of
	// one change carry the version before it, and those of the initial state "0".
	ResourceVersion string
	// Initial says that the event is part of the present state, with which a watch
	// begins; InitialEnd that it is the Bookmark which completes it.
	Initial, InitialEnd bool
	// Object is a pointer as Kind tells; *BookmarkStatus of a Bookmark; json.RawMessage
	// of a kind that this client does not know.
	Object any
}

// Usage is one reading of metrics.k8s.io: millicores and bytes.
type Usage struct {
	// SampledAt is the time of the oldest sample in it.
	SampledAt state.Time `json:"sampledAt"`
	// Nodes are by name, Containers by namespace/pod/name.
	Nodes      map[string][2]int64 `json:"nodes"`
	Containers map[string][2]int64 `json:"containers"`
}

// SessionStatus is how a cluster is heard of.
type SessionStatus struct {
	Session
	Suspended bool `json:"suspended"`
	// Stale says that what was sent is no fresh answer any more.
	Stale bool `json:"stale"`
	// Sections are those that cannot be read, each with its error.
	Sections []Section `json:"sections"`
}

// BookmarkStatus is the object of a Bookmark. On the fleet's stream only those of a
// cluster's own events have more than a version.
type BookmarkStatus struct {
	ResourceVersion string            `json:"resourceVersion"`
	ObservedAt      time.Time         `json:"observedAt"`
	ReceivedAt      time.Time         `json:"receivedAt"`
	Stale           bool              `json:"stale"`
	Session         Session           `json:"session"`
	Annotations     map[string]string `json:"annotations"`
}

// wireEvent is an event as it is sent.
type wireEvent struct {
	Type            EventType       `json:"type"`
	Kind            Kind            `json:"kind"`
	Cluster         string          `json:"cluster"`
	ResourceVersion string          `json:"resourceVersion"`
	Object          json.RawMessage `json:"object"`
}

const (
	// beginning is the version of events within the initial state.
	beginning = "0"
	// initialEventsEnd marks the end of the initial state, as Kubernetes does.
	initialEventsEnd = "k8s.io/initial-events-end"
)

// decodeEvent reads a line. An event of type Failed has a *Problem.
func decodeEvent(line []byte) (Event, error) {
	var w wireEvent
	if err := json.Unmarshal(line, &w); err != nil {
		return Event{}, fmt.Errorf("read an event: %w", err)
	}
	e := Event{Type: w.Type, Kind: w.Kind, Cluster: w.Cluster, ResourceVersion: w.ResourceVersion}
	var err error
	switch w.Type {
	case Failed:
		e.Object, err = decodeStatus(w.Object)
	case Bookmark:
		b := &BookmarkStatus{}
		err = json.Unmarshal(w.Object, b)
		e.Object, e.InitialEnd = b, b.Annotations[initialEventsEnd] == "true"
	default:
		e.Initial = w.ResourceVersion == beginning
		e.Object, err = decodeObject(w.Kind, w.Object)
	}
	if err != nil {
		return Event{}, fmt.Errorf("read an event %s %s: %w", w.Type, w.Kind, err)
	}
	return e, nil
}

func decodeObject(k Kind, text json.RawMessage) (any, error) {
	switch k {
	case KindNode:
		return decodeRow(text, mendNode)
	case KindPod:
		return decodeRow(text, mendPod)
	case KindContainer:
		return decodeRow(text, mendContainer)
	case KindPort:
		return decodeRow(text, mendPort)
	case KindSummary:
		return decodeRow(text, func(*state.Summary) error { return nil })
	case KindUsage:
		return decodeRow(text, func(*Usage) error { return nil })
	case KindSession:
		return decodeRow(text, func(*SessionStatus) error { return nil })
	case KindCluster:
		return decodeRow(text, func(*Cluster) error { return nil })
	}
	return text, nil
}

// decodeStatus reads a metav1.Status.
func decodeStatus(text json.RawMessage) (*Problem, error) {
	var status struct {
		Reason  string `json:"reason"`
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return nil, err
	}
	return &Problem{Status: status.Code, Reason: status.Reason, Detail: status.Message}, nil
}
