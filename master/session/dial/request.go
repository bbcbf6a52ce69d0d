package dial

import (
	"net/url"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// TLS has the settings by which an agent's certificate is verified.
type TLS = tlsfiles.Trust

// Target is the agent to dial.
type Target struct {
	// Cluster is the name of its cluster.
	Cluster string
	// Reverse reports whether the agent dials the master. Then Endpoint and TLS are not used.
	Reverse bool
	// Endpoint is the agent's URL, with the scheme wss or ws, a host and a port.
	Endpoint string
	TLS      TLS
	// UID is the UID of the cluster whose agent must answer, or "" if any may.
	UID string
}

// Check returns a failure with the reason EndpointInvalid or TLSInvalid if the target cannot be dialed.
// insecure allows the scheme ws.
func (t Target) Check(insecure bool) *Failure {
	if t.Reverse {
		return nil
	}
	u, err := url.Parse(t.Endpoint)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return Failf(EndpointInvalid, "the endpoint %q is not of the form wss://host:port", t.Endpoint)
	case u.Scheme == "ws" && insecure:
		return nil
	case u.Scheme == "ws":
		return Failf(EndpointInvalid, "the endpoint %s is not encrypted: use wss://, or run master and agent with --insecure and the agent with --channel-binding=off", t.Endpoint)
	case u.Scheme != "wss":
		return Failf(EndpointInvalid, "the endpoint %q must begin with wss://", t.Endpoint)
	}
	if _, err := t.TLS.ClientConfig(u.Hostname()); err != nil {
		return Failf(TLSInvalid, "%w", err)
	}
	return nil
}

// String describes how the agent is reached, as the beginning of an error.
func (t Target) String() string {
	if t.Reverse {
		return "the link of the agent of " + t.Cluster
	}
	return "dial " + t.Endpoint
}

// at says where the agent is.
func (t Target) at() string {
	if t.Reverse {
		return "that has linked"
	}
	return "at " + t.Endpoint
}

// checkIdentity returns a failure unless the agent is in the target's cluster.
func (t Target) checkIdentity(i *wire.Identity) *Failure {
	switch {
	case i == nil:
		return Failf(ProtocolError, "the agent's answer does not name its cluster")
	case i.ClusterName != t.Cluster:
		return t.wrongCluster(i.ClusterName)
	case t.UID != "" && i.ClusterUID != t.UID:
		return Failf(ClusterUIDMismatch, "the agent %s is in the cluster with the UID %s, expected %s: set spec.clusterUID to accept it", t.at(), i.ClusterUID, t.UID)
	}
	return nil
}

// wrongCluster returns the failure of a dial that was answered by the agent of the named cluster.
func (t Target) wrongCluster(name string) *Failure {
	return Failf(WrongCluster, "the agent %s belongs to the cluster %q, and this ClusterAgent is named %q: start the agent with --cluster-name %s, or set spec.endpoint to the agent of %s",
		t.at(), name, t.Cluster, t.Cluster, t.Cluster)
}

// SessionRequest requests a session.
type SessionRequest struct {
	// ID identifies the session in the logs of master and agent.
	ID string
	// Period is the requested time between reports, and Duration the requested length of the session.
	Period, Duration time.Duration
	// CacheTTL is how long a report may be served. The agent must grant a shorter period.
	CacheTTL time.Duration
	// Owner reports whether this master owns the cluster. Term is the term that it requests.
	Owner bool
	Term  uint64
	// Base is the current State, on which the first report may be based, or nil.
	Base *wire.LazyState
}

func (r SessionRequest) message(h *wire.Hello, s *signer) *wire.SubscribeRequest {
	m := &wire.SubscribeRequest{Protocol: protocolOf(h), Session: r.ID, Period: r.Period, Duration: r.Duration}
	domain := token.DomainSubscribe
	if m.Protocol >= wire.ProtocolTerms {
		if m.Owner, m.Term = r.Owner, r.Term; m.Owner {
			domain = token.DomainOwner
		}
	}
	m.Signature = s.sign(domain, m.Term, h.Nonce)
	if r.Base != nil && r.Base.Epoch == h.Epoch {
		m.Base = &wire.Base{Epoch: r.Base.Epoch, Seq: r.Base.Seq}
		if r.Base.Usage != nil {
			m.Base.Usage = r.Base.Usage.N
		}
	}
	return m
}

// checkGrant returns a failure unless period < cacheTTL and period < duration.
func checkGrant(g *wire.SubscribeResponse, cacheTTL time.Duration) *Failure {
	switch {
	case g.Period <= 0 || g.Duration <= 0:
		return Failf(PeriodNotGranted, "the agent granted a period of %s and a duration of %s: both must be positive", g.Period, g.Duration)
	case g.Period >= cacheTTL:
		return Failf(PeriodNotGranted, "the agent granted a period of %s, which is not less than the cacheTTL of %s: raise cacheTTL, or lower the agent's --min-request-period", g.Period, cacheTTL)
	case g.Period >= g.Duration:
		return Failf(PeriodNotGranted, "the agent granted a period of %s, which is not less than the duration of %s: raise sessionDuration and the agent's --max-session, or lower its --min-request-period", g.Period, g.Duration)
	}
	return nil
}

// SummaryRequest requests a summary.
type SummaryRequest struct {
	// Ignore has the rules for problems that do not count.
	Ignore []state.Ignore
	// Last is the last summary, of which the agent need not send equal parts again, or nil.
	Last *state.Summary
	// LastIdentity is the identity of the agent that sent Last.
	LastIdentity *wire.Identity
}

func (r SummaryRequest) message(h *wire.Hello, s *signer) *wire.SubscribeRequest {
	m := &wire.SubscribeRequest{Protocol: protocolOf(h), SummaryOnly: true, Ignore: r.Ignore, Signature: s.sign(token.DomainSummary, 0, h.Nonce)}
	if r.Last != nil {
		m.ProblemsHash, m.ResourcesHash = wire.HashProblems(r.Last.Problems), wire.HashResources(r.LastIdentity, r.Last)
	}
	return m
}

// complete adds the parts that the agent left out because they equal the last summary.
func (r SummaryRequest) complete(m *wire.Summary) {
	if r.Last == nil {
		return
	}
	s := &m.Summary
	if m.SameProblems {
		s.Problems = r.Last.Problems
	}
	if m.SameResources {
		m.Identity = r.LastIdentity
		s.Capacity, s.Allocatable, s.Requested, s.Limits = r.Last.Capacity, r.Last.Allocatable, r.Last.Requested, r.Last.Limits
		s.Fragmentation = r.Last.Fragmentation
	}
}
