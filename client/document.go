package client

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Part is a part of what is known of a cluster.
type Part string

// Parts of a cluster, as they are in paths.
const (
	Whole      Part = ""
	Summary    Part = "summary"
	Nodes      Part = "nodes"
	Pods       Part = "pods"
	Containers Part = "containers"
	Ports      Part = "ports"
)

// Head is what every answer about one cluster begins with.
type Head struct {
	// Cluster is the resolved name, also where a cluster IP was asked for.
	Cluster string `json:"cluster"`
	// UID is that of the cluster's namespace kube-system.
	UID string `json:"uid"`
	// ResourceVersion is where a watch goes on from here.
	ResourceVersion string `json:"resourceVersion"`
	// ObservedAt is as of when all of it is known to be true; ReceivedAt is when the
	// master heard it.
	ObservedAt time.Time `json:"observedAt"`
	ReceivedAt time.Time `json:"receivedAt"`
	// Stale says that a section of it is older than it should be.
	Stale    bool      `json:"stale"`
	Session  Session   `json:"session"`
	Sections []Section `json:"sections"`
	// Continue is the token for the next page; there is none after the last.
	Continue string `json:"continue"`
	// Note answers «is this port free?» where a list of ports is empty.
	Note string `json:"note"`
	// Age is the time since ReceivedAt in whole seconds, by the master's own clock.
	Age time.Duration `json:"-"`
}

// Session is the session that a cluster has with its master.
type Session struct {
	ID string `json:"id,omitempty"`
	// Phase is Idle, Connecting, Reporting or Backoff.
	Phase     string    `json:"phase,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Reason and Message tell why there is no session: a word for programs, the Ready
	// condition's of the ClusterAgent, and words for people.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Section is how fresh one part of the facts is: nodes, pods, network, storage, usage.
type Section struct {
	Name       string              `json:"name"`
	ObservedAt time.Time           `json:"observedAt,omitzero"`
	Error      *state.SectionError `json:"error,omitempty"`
}

// Document is everything about one cluster, or what a filter leaves of it.
type Document struct {
	Head
	Summary    *state.Summary        `json:"summary"`
	Nodes      []state.NodeView      `json:"nodes"`
	Pods       []state.PodView       `json:"pods"`
	Containers []state.ContainerView `json:"containers"`
	Ports      []state.PortView      `json:"ports"`
}

// List is a list of a cluster, or a page of it.
type List[T any] struct {
	Head
	Items []T
}

// Cluster is one registered cluster.
type Cluster struct {
	Name              string   `json:"name"`
	ClusterIPs        []string `json:"clusterIPs,omitempty"`
	UID               string   `json:"uid,omitempty"`
	KubernetesVersion string   `json:"kubernetesVersion,omitempty"`
	AgentVersion      string   `json:"agentVersion,omitempty"`
	// Suspended says that the cluster must not be called for now.
	Suspended       bool      `json:"suspended,omitempty"`
	Session         Session   `json:"session"`
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	ReceivedAt      time.Time `json:"receivedAt,omitzero"`
	// Stale says that the summary is no fresh answer, or that there is none.
	Stale bool `json:"stale"`
	// Summary and Display are nil until the cluster was heard of once.
	Summary *state.Summary `json:"summary,omitempty"`
	Display *state.Display `json:"display,omitempty"`
}

// ClusterList is a page of the registered clusters, by name.
type ClusterList struct {
	// ResourceVersion is where a watch of the fleet goes on from here.
	ResourceVersion string    `json:"resourceVersion"`
	Continue        string    `json:"continue"`
	Clusters        []Cluster `json:"clusters"`
}
