package v1

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Cluster is one registered cluster in the list of clusters.
type Cluster struct {
	Name       string   `json:"name"`
	ClusterIPs []string `json:"clusterIPs,omitempty"`
	// UID is the UID of the cluster's namespace kube-system.
	UID               string `json:"uid,omitempty"`
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	AgentVersion      string `json:"agentVersion,omitempty"`
	// Suspended is true if the master must not connect to the cluster's agent.
	Suspended bool    `json:"suspended,omitempty"`
	Session   Session `json:"session"`
	// ResourceVersion and ReceivedAt are those of the last report. They are absent if there is no
	// report and the summary was requested on its own.
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	ObservedAt      time.Time `json:"observedAt,omitzero"`
	ReceivedAt      time.Time `json:"receivedAt,omitzero"`
	// Stale is true if the summary is missing or older than the TTL.
	Stale bool `json:"stale"`
	// Summary and Display are absent until the cluster has reported once.
	Summary *state.Summary `json:"summary,omitempty"`
	Display *state.Display `json:"display,omitempty"`
}

// ListMeta is the metadata of a page of the list of clusters.
type ListMeta struct {
	// ResourceVersion is the version to start a watch of the list from.
	ResourceVersion string `json:"resourceVersion"`
	// Continue is the token of the next page; empty on the last page.
	Continue string `json:"continue,omitempty"`
}

// ClusterList is a page of the registered clusters, sorted by name.
type ClusterList struct {
	ListMeta
	Clusters []Cluster `json:"clusters"`
}

// Phase is the phase of a session.
type Phase string

// Phases of a session.
const (
	// Idle means that there is no session, since there is no demand.
	Idle Phase = "Idle"
	// Connecting means that the master dials, or waits for the first report.
	Connecting Phase = "Connecting"
	// Reporting means that reports arrive.
	Reporting Phase = "Reporting"
	// Backoff is the time between two attempts to reach the agent.
	Backoff Phase = "Backoff"
)

// Reasons of a Session with whose agent the last contact did not fail. All others say why the agent cannot be reached.
const (
	// ReasonSucceeded means that the last attempt to reach the agent succeeded.
	ReasonSucceeded = "Succeeded"
	// ReasonAwaitingFirstContact means that there was no attempt yet.
	ReasonAwaitingFirstContact = "AwaitingFirstContact"
	// ReasonSuspended means that the ClusterAgent is suspended.
	ReasonSuspended = "Suspended"
	// ReasonClockSkew means that the agent was reached, but that its clock and that of the master differ.
	ReasonClockSkew = "ClockSkew"
)

// Session is a session between the master and the agent of a cluster: the session that delivered a
// report, or the current one.
type Session struct {
	ID        string    `json:"id,omitempty"`
	Phase     Phase     `json:"phase,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Reason says why the agent cannot be reached or what else is wrong, like the reason of the
	// condition Ready of its ClusterAgent. Message is its human-readable form. Both are empty if
	// nothing is wrong.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// Unreachable reports whether the last attempt to reach the agent failed.
func (s *Session) Unreachable() bool {
	switch s.Phase {
	case Backoff:
		return true
	case Idle:
		return !slices.Contains([]string{"", ReasonSucceeded, ReasonAwaitingFirstContact, ReasonSuspended, ReasonClockSkew}, s.Reason)
	}
	return false
}
