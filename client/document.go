package client

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Part is a part of a cluster's document.
type Part string

// Parts of a cluster's document, as in paths.
const (
	Whole      Part = ""
	Summary    Part = "summary"
	Nodes      Part = "nodes"
	Pods       Part = "pods"
	Containers Part = "containers"
	Ports      Part = "ports"
)

// ClusterMeta is the metadata of every response about one cluster.
type ClusterMeta struct {
	// Cluster is the name of the cluster, also if it was requested by a cluster IP.
	Cluster string `json:"cluster"`
	// UID is the UID of the cluster's namespace kube-system.
	UID string `json:"uid"`
	// ResourceVersion is where a watch continues from this response.
	ResourceVersion string `json:"resourceVersion"`
	// ObservedAt is when all of it was last known to be true. ReceivedAt is when the master
	// received it.
	ObservedAt time.Time `json:"observedAt"`
	ReceivedAt time.Time `json:"receivedAt"`
	// Stale is true if a section is older than it should be.
	Stale    bool      `json:"stale"`
	Session  Session   `json:"session"`
	Sections []Section `json:"sections"`
	// Continue is the token for the next page; empty on the last.
	Continue string `json:"continue"`
	// Note says whether a port is free, if it was requested and the list is empty.
	Note string `json:"note"`
	// Age is the time since ReceivedAt in whole seconds, by the master's clock.
	Age time.Duration `json:"-"`
}

// Session is the session between the master and a cluster's agent.
type Session struct {
	ID string `json:"id,omitempty"`
	// Phase is Idle, Connecting, Reporting or Backoff.
	Phase     string    `json:"phase,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Reason and Message say why there is no session. Reason is that of the ClusterAgent's
	// condition Ready; Message is human-readable.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Section is the freshness of one section of the facts: nodes, pods, network, storage or
// usage.
type Section struct {
	Name       string              `json:"name"`
	ObservedAt time.Time           `json:"observedAt,omitzero"`
	Error      *state.SectionError `json:"error,omitempty"`
}

// Document is everything about one cluster that matches the filter.
type Document struct {
	ClusterMeta
	Summary    *state.Summary        `json:"summary"`
	Nodes      []state.NodeView      `json:"nodes"`
	Pods       []state.PodView       `json:"pods"`
	Containers []state.ContainerView `json:"containers"`
	Ports      []state.PortView      `json:"ports"`
}

// List is a list of rows of a cluster, or a page of it.
type List[T any] struct {
	ClusterMeta
	Items []T
}

// Cluster is a registered cluster.
type Cluster struct {
	Name              string   `json:"name"`
	ClusterIPs        []string `json:"clusterIPs,omitempty"`
	UID               string   `json:"uid,omitempty"`
	KubernetesVersion string   `json:"kubernetesVersion,omitempty"`
	AgentVersion      string   `json:"agentVersion,omitempty"`
	// Suspended is true if the master must not connect to the cluster's agent.
	Suspended       bool      `json:"suspended,omitempty"`
	Session         Session   `json:"session"`
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	ReceivedAt      time.Time `json:"receivedAt,omitzero"`
	// Stale is true if the summary is not current or missing.
	Stale bool `json:"stale"`
	// Summary and Display are nil until the cluster has reported once.
	Summary *state.Summary `json:"summary,omitempty"`
	Display *state.Display `json:"display,omitempty"`
}

// ClusterList is a page of the registered clusters, sorted by name.
type ClusterList struct {
	// ResourceVersion is where WatchClusters continues from this list.
	ResourceVersion string    `json:"resourceVersion"`
	Continue        string    `json:"continue"`
	Clusters        []Cluster `json:"clusters"`
}
