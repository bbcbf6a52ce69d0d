package v1

import (
	"encoding/json"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// EventType is the type of an event of a watch.
type EventType string

// Types of events, as in Kubernetes.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
	// BookmarkEvent confirms that the state is current up to its version.
	BookmarkEvent EventType = "BOOKMARK"
	// ErrorEvent has a Status. It ends a watch of one cluster. On a watch of the list of clusters it
	// ends the events of Event.Cluster only.
	ErrorEvent EventType = "ERROR"
)

// Kind is the kind of an event's object.
type Kind string

// Kinds of objects, with the type of Event.Object.
const (
	KindNode      Kind = "Node"      // state.NodeView
	KindPod       Kind = "Pod"       // state.PodView
	KindContainer Kind = "Container" // state.ContainerView
	KindPort      Kind = "Port"      // state.PortView
	KindSummary   Kind = "Summary"   // state.Summary
	KindUsage     Kind = "Usage"     // Usage
	KindSession   Kind = "Session"   // SessionStatus
	KindCluster   Kind = "Cluster"   // Cluster
)

// InitialVersion is the resourceVersion of events that describe the initial state.
const InitialVersion = "0"

// InitialEventsEnd is the annotation of the Bookmark that ends the initial state; its value is
// "true". Kubernetes uses the same (KEP-3157).
const InitialEventsEnd = "k8s.io/initial-events-end"

// Event is one event of a watch.
type Event struct {
	Type EventType `json:"type"`
	// Kind is empty for BOOKMARK and ERROR.
	Kind Kind `json:"kind,omitempty"`
	// Cluster is the name of the cluster on a watch of the list of clusters, for events other than
	// those of the list itself.
	Cluster string `json:"cluster,omitempty"`
	// ResourceVersion is the version to resume from after this event. All events of a change but the
	// last have the version before it.
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// Object has the type of Kind, a Bookmark or a Status.
	Object json.RawMessage `json:"object"`
}

// Usage is the object of an event of kind Usage: one reading of metrics.k8s.io. Each value is CPU in
// millicores and memory in bytes.
type Usage struct {
	// SampledAt is the time of the oldest sample.
	SampledAt state.Time `json:"sampledAt,omitzero"`
	// Nodes is keyed by the name of the node, Containers by namespace/pod/container.
	Nodes      map[string][2]int64 `json:"nodes"`
	Containers map[string][2]int64 `json:"containers"`
}

// SessionStatus is the object of an event of kind Session: the state of the connection to a cluster.
type SessionStatus struct {
	Session
	// Suspended is true if the master must not connect to the cluster's agent.
	Suspended bool `json:"suspended,omitempty"`
	// Stale is true if the last report has expired or has a section that is out of date.
	Stale bool `json:"stale"`
	// Sections lists the sections that cannot be read, with their errors.
	Sections []Section `json:"sections,omitempty"`
}

// Bookmark is the object of a BOOKMARK event of a watch of one cluster.
type Bookmark struct {
	ResourceVersion string            `json:"resourceVersion"`
	ObservedAt      time.Time         `json:"observedAt,omitzero"`
	ReceivedAt      time.Time         `json:"receivedAt"`
	Stale           bool              `json:"stale"`
	Session         Session           `json:"session"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// ListBookmark is the object of a BOOKMARK event of a watch of the list of clusters.
type ListBookmark struct {
	ResourceVersion string            `json:"resourceVersion"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// Status is the object of an ERROR event. It has the form of a metav1.Status.
type Status struct {
	APIVersion string   `json:"apiVersion"` // v1
	Kind       string   `json:"kind"`       // Status
	Metadata   struct{} `json:"metadata"`
	Status     string   `json:"status"` // Failure
	Reason     string   `json:"reason"`
	// Code is the HTTP status code that a GET would have returned.
	Code    int    `json:"code"`
	Message string `json:"message"`
}
