package session

import (
	"reflect"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session/dial"
)

// Registry has the registered clusters. It is called often, from any goroutine, and must not block.
type Registry interface {
	// Cluster returns the cluster of a name. The error is ErrNotFound if there is none. Any other error means that the
	// Registry cannot be read; it wraps ErrRegistryUnavailable.
	Cluster(name string) (Cluster, error)
}

// Registered is an element of the list of registered clusters.
type Registered struct {
	Name string
	// ClusterIPs has the addresses that identify the cluster.
	ClusterIPs []string
	Suspended  bool
}

// Cluster is the Registry's entry of one member cluster.
type Cluster struct {
	Name string
	// Generation increases with every change of the cluster's spec.
	Generation int64
	// Reverse reports whether the agent dials the master. Endpoint and TLS are not used then, except that
	// TLS.PinnedSHA256 has the keys that are admitted: those of the spec, or else the enrolled ones.
	Reverse bool
	// LinkUnbound reports whether the signatures on the agent's links are not bound to the TLS connection.
	LinkUnbound bool
	// Endpoint is the agent's URL, with the scheme wss or ws, a host and a port.
	Endpoint string
	// ExpectedUID is the UID of the cluster whose agent must answer. If it is "", the first agent that
	// answers determines it.
	ExpectedUID string
	TLS         dial.TLS
	// Continuous keeps a session open without any reader.
	Continuous bool
	// RequestPeriod is the requested time between reports, SessionDuration the requested length of a session,
	// and CacheTTL how long a report may be served. RequestPeriod is shorter than the other two.
	RequestPeriod, SessionDuration, CacheTTL time.Duration
	// IdleRefresh is the time between summaries while no session is open. 0 disables summaries.
	IdleRefresh time.Duration
	// Ignore has the rules for problems that do not count for the cluster's health.
	Ignore    []state.Ignore
	Suspended bool
	// Invalid is a message that says why the cluster cannot be dialed, or "" if it can.
	Invalid string
}

// Check returns an UnreachableError with the reason EndpointInvalid or TLSInvalid if the cluster cannot be
// dialed. insecure allows the scheme ws.
func (c Cluster) Check(insecure bool) error {
	if f := c.validate(insecure); f != nil {
		return &UnreachableError{Reason: f.Reason, Err: f}
	}
	return nil
}

func (c Cluster) validate(insecure bool) *dial.Failure {
	if c.Invalid != "" {
		return dial.Failf(dial.EndpointInvalid, "%s", c.Invalid)
	}
	return c.target("").Check(insecure)
}

// target returns the cluster's agent. uid is the UID of its cluster, or "" if any may answer.
func (c Cluster) target(uid string) dial.Target {
	return dial.Target{Cluster: c.Name, Reverse: c.Reverse, Endpoint: c.Endpoint, TLS: c.TLS, UID: uid}
}

// sameSession reports whether a session that was opened for c also fits o: endpoint, trust, period, duration
// and TTL are equal.
func (c Cluster) sameSession(o Cluster) bool {
	return c.sameEndpoint(o) && c.RequestPeriod == o.RequestPeriod && c.SessionDuration == o.SessionDuration && c.CacheTTL == o.CacheTTL
}

// sameEndpoint reports whether a connection that was opened for c also fits o: the way to the agent and the TLS settings
// are equal. An agent that dials the master may get further keys meanwhile, but must not lose one.
func (c Cluster) sameEndpoint(o Cluster) bool {
	if c.Reverse != o.Reverse || c.LinkUnbound != o.LinkUnbound || c.Endpoint != o.Endpoint {
		return false
	}
	if !c.Reverse {
		return reflect.DeepEqual(c.TLS, o.TLS)
	}
	return !slices.ContainsFunc(c.TLS.PinnedSHA256, func(key string) bool { return !slices.Contains(o.TLS.PinnedSHA256, key) })
}
