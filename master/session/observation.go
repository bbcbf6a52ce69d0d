package session

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Observation is what there is to tell of a cluster, apart from its Value: what
// status and conditions are made of.
type Observation struct {
	Cluster string
	// Generation is the one that the rest speaks of.
	Generation int64

	// Ready is whether the cluster can be asked, as the last attempt found; Unknown
	// before the first.
	Ready  state.Tristate
	Reason Reason
	// Message says in words what was wrong, and what to do; empty where nothing was.
	Message string
	// ClockSkew is by how much the agent's clock is ahead, where the master has to
	// sign its tokens by it; zero: not.
	ClockSkew time.Duration

	// Session is the session that runs, or what is left of the last one; its Phase is
	// always the present one.
	Session Info
	// LastEndReason is why the session before ended; empty: none did.
	LastEndReason string

	// UID, AgentVersion and KubernetesVersion are of the agent that answered last.
	UID, AgentVersion, KubernetesVersion string

	// Known is the last summary, of a session or of an idle refresh.
	Known
	// ReceivedAt is when that came.
	ReceivedAt time.Time
}

// tellsTheSame says that nobody has to be woken by the difference: nothing but
// times of receipt.
func (o Observation) tellsTheSame(p Observation) bool {
	o.ReceivedAt, o.ObservedAt = p.ReceivedAt, p.ObservedAt
	return o == p
}
