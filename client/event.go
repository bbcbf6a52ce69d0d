package client

import (
	"encoding/json"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// EventType is the type of an event.
type EventType string

// Types of events. An Added object may be known already: after a reconnection in the middle
// of a change, all events of the change are repeated.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
	// Bookmark confirms that the state is current up to its version. If Event.InitialEnd is
	// set, it ends the initial state.
	Bookmark EventType = "BOOKMARK"
	// Restarted is created by the client: the watch could not be resumed, and the initial
	// state follows, up to the Bookmark with InitialEnd. An object that is not in it has been
	// deleted.
	Restarted EventType = "RESTARTED"
	// Failed is an event of WatchClusters only. It ends the events of Cluster, with a *Problem
	// as Object. The events of other clusters continue.
	Failed EventType = "ERROR"
)

// Kind is the kind of an event's object.
type Kind string

// Kinds of objects, and the type of Event.Object.
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

// Usage is one reading of metrics.k8s.io. The values are millicores and bytes.
type Usage struct {
	// SampledAt is the time of the oldest sample in it.
	SampledAt state.Time `json:"sampledAt"`
	// Nodes is keyed by name, Containers by namespace/pod/name.
	Nodes      map[string][2]int64 `json:"nodes"`
	Containers map[string][2]int64 `json:"containers"`
}

// SessionStatus is the object of an event of kind Session.
type SessionStatus struct {
	Session
	Suspended bool `json:"suspended"`
	// Stale is true if the rows are not current any more.
	Stale bool `json:"stale"`
	// Sections are the sections that cannot be read, each with its error.
	Sections []Section `json:"sections"`
}

// BookmarkStatus is the object of a Bookmark. In WatchClusters, a Bookmark without a
// Cluster has only a version.
type BookmarkStatus struct {
	ResourceVersion string            `json:"resourceVersion"`
	ObservedAt      time.Time         `json:"observedAt"`
	ReceivedAt      time.Time         `json:"receivedAt"`
	Stale           bool              `json:"stale"`
	Session         Session           `json:"session"`
	Annotations     map[string]string `json:"annotations"`
}

// wireEvent is the JSON of an event.
type wireEvent struct {
	Type            EventType       `json:"type"`
	Kind            Kind            `json:"kind"`
	Cluster         string          `json:"cluster"`
	ResourceVersion string          `json:"resourceVersion"`
	Object          json.RawMessage `json:"object"`
}

const (
	// initialVersion is the version of the events of the initial state.
	initialVersion = "0"
	// initialEventsEnd is the annotation of Kubernetes for the end of the initial state.
	initialEventsEnd = "k8s.io/initial-events-end"
)

// decodeEvent decodes a line. An event of type Failed has a *Problem.
func decodeEvent(line []byte) (Event, error) {
	var w wireEvent
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
		e.Object, e.InitialEnd = b, b.Annotations[initialEventsEnd] == "true"
	default:
		e.Initial = w.ResourceVersion == initialVersion
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

// decodeStatus decodes a metav1.Status.
func decodeStatus(data json.RawMessage) (*Problem, error) {
	var status struct {
		Reason  string `json:"reason"`
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(data, &status); err != nil {
		return nil, err
	}
	return &Problem{Status: status.Code, Reason: status.Reason, Detail: status.Message}, nil
}
