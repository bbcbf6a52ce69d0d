package v1

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// ClusterMeta is the metadata of every response about one cluster.
type ClusterMeta struct {
	// Cluster is the name of the cluster, also if it was requested by a cluster IP.
	Cluster string `json:"cluster"`
	// UID is the UID of the cluster's namespace kube-system.
	UID string `json:"uid"`
	// ResourceVersion is the version to start a watch from. It changes with objects, usage and
	// section errors.
	ResourceVersion string `json:"resourceVersion"`
	// ObservedAt is when all facts were known to be true. ReceivedAt is when the master had received
	// the complete report.
	ObservedAt time.Time `json:"observedAt,omitzero"`
	ReceivedAt time.Time `json:"receivedAt"`
	// Stale is true if a section is out of date although reports arrive.
	Stale    bool      `json:"stale"`
	Session  Session   `json:"session"`
	Sections []Section `json:"sections"`
	// Continue is the token of the next page; empty on the last page.
	Continue string `json:"continue,omitempty"`
	// Note says whether a port is free, if it was requested and the list of ports is empty.
	Note string `json:"note,omitempty"`
	// Age is the time since ReceivedAt in whole seconds, by the master's clock. It is the header Age
	// of the response and not part of its body.
	Age time.Duration `json:"-"`
}

// SectionName is the name of a section: nodes, pods, network, storage or usage. Newer masters may
// have further sections.
type SectionName string

// Section is the freshness of one part of the facts.
type Section struct {
	Name SectionName `json:"name"`
	// ObservedAt is when the section was last known to be true; zero if never.
	ObservedAt time.Time `json:"observedAt,omitzero"`
	// Error says why the section is out of date or has no data; nil if it is current.
	Error *state.SectionError `json:"error,omitempty"`
}

// Document has all facts about one cluster, or those that match a filter.
type Document struct {
	ClusterMeta
	Summary    *state.Summary        `json:"summary"`
	Nodes      []state.NodeView      `json:"nodes"`
	Pods       []state.PodView       `json:"pods"`
	Containers []state.ContainerView `json:"containers"`
	Ports      []state.PortView      `json:"ports"`
}

// SummaryDocument is the response with the summary of one cluster.
type SummaryDocument struct {
	ClusterMeta
	Summary state.Summary `json:"summary"`
}

// NodesDocument is the response with the nodes of one cluster.
type NodesDocument struct {
	ClusterMeta
	Nodes []state.NodeView `json:"nodes"`
}

// PodsDocument is the response with the pods of one cluster.
type PodsDocument struct {
	ClusterMeta
	Pods []state.PodView `json:"pods"`
}

// ContainersDocument is the response with the containers of one cluster.
type ContainersDocument struct {
	ClusterMeta
	Containers []state.ContainerView `json:"containers"`
}

// PortsDocument is the response with the port map of one cluster.
type PortsDocument struct {
	ClusterMeta
	Ports []state.PortView `json:"ports"`
}
