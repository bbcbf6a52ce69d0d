package session

import (
	"context"
	"sync"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// dialRequest is what a worker requests from an agent: a session, or a summary.
type dialRequest struct {
	cluster Cluster
	// uid is the UID of the cluster whose agent must answer, or "" if any may.
	uid     string
	session string
	// base is the present State, on which the first report may be based, or nil.
	base *state.State
	// baseSize is the memory of base in bytes.
	baseSize    int64
	summaryOnly bool
	// lastSummary is the last summary, of which the agent need not send equal parts again, or nil.
	lastSummary *state.Summary
	// lastIdentity is the identity of the agent that sent lastSummary.
	lastIdentity *wire.Identity
	// urgent reports whether a reader waits for the result.
	urgent func() bool
}

// dialResult is the result of a dialRequest: a granted session on an open connection, a summary, or a
// failure. hello is set once the agent has sent it, and identity once the agent has answered with a session
// or a summary.
type dialResult struct {
	conn     *conn
	hello    *wire.Hello
	helloAt  time.Time
	identity *wire.Identity
	signer   *connSigner
	response *wire.SubscribeResponse
	summary  *wire.Summary
	// releaseHandshake releases the slot of Sessions.handshakeSlots. It is set if the session is open.
	releaseHandshake func()
	receivedAt       time.Time // when the agent's answer was received
	term             uint64
	skew             clockSkew
	failure          *failure
	// cancelled reports whether the dial was cancelled or has to be repeated. The failure has no meaning
	// then.
	cancelled bool
}

// dialAgent dials the agent, performs the handshake and returns the result. It waits for a handshake slot
// first; the rest is limited by dialTimeout. The slot of a granted session is held until its first report.
func (s *Sessions) dialAgent(ctx context.Context, req dialRequest) dialResult {
	release, err := s.handshakeSlots.acquire(ctx, req.urgent)
	if err != nil {
		return dialResult{cancelled: true, failure: failed(DialFailed, "%w", err)}
	}
	r := s.dialAndHandshake(ctx, req)
	if !r.isOpen() {
		release()
		return r
	}
	r.releaseHandshake = sync.OnceFunc(release)
	return r
}

// dialAndHandshake dials and performs the handshake. The caller holds a handshake slot.
func (s *Sessions) dialAndHandshake(ctx context.Context, req dialRequest) dialResult {
	timed, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	start := time.Now()
	d, failure := s.dialer.dial(timed, req.cluster)
	r := dialResult{skew: d.skew, failure: failure, conn: d.conn}
	if r.failure == nil {
		r.failure = r.handshake(timed, req, s.dialer)
	}
	if r.failure == nil && r.response != nil {
		r.term = s.nextTerm(ctx, req.cluster.Name)
	}
	// If this process was paused during the dial, its timeout says nothing about the agent, and the dial is
	// repeated.
	paused := r.failure != nil && timed.Err() != nil && s.pauses.lastSince(start, time.Now()) > 0
	r.cancelled = ctx.Err() != nil || paused
	if r.conn != nil && !r.isOpen() {
		r.close()
	}
	return r
}

// handshake receives Hello, sends the request and receives the agent's answer.
func (r *dialResult) handshake(ctx context.Context, req dialRequest, d *dialer) *failure {
	first := r.conn.readSingle(ctx)
	hello, ok := first.message.(*wire.Hello)
	if !ok {
		return unexpectedMessage(ctx, first, "its Hello")
	}
	r.hello, r.helloAt = hello, first.receivedAt
	if !supportsProtocol(hello.ProtocolMin, hello.ProtocolMax) {
		return failed(ProtocolUnsupported, "the agent supports the protocol versions %d to %d, the master %d to %d: update the older one",
			hello.ProtocolMin, hello.ProtocolMax, wire.ProtocolMin, wire.ProtocolMax)
	}
	var f *failure
	if r.signer, f = d.newConnSigner(req, hello, r.conn); f != nil {
		return f
	}
	if err := r.conn.write(req.subscribeRequest(hello, d.masterID, r.signer)); err != nil {
		return failed(DialFailed, "dial %s: %w", req.cluster.Endpoint, err)
	}
	answer := r.conn.readSingle(ctx)
	r.receivedAt = answer.receivedAt
	switch m := answer.message.(type) {
	case *wire.SubscribeResponse:
		r.response, r.identity = m, m.Identity
		if f := req.checkIdentity(m.Identity); f != nil {
			return f
		}
		return req.checkGrant(m)
	case *wire.Summary:
		if req.summaryOnly {
			m = req.completeSummary(m)
			if f := req.checkIdentity(m.Identity); f != nil {
				return f
			}
			r.summary, r.identity = m, m.Identity
			return nil
		}
	case *wire.End:
		if e := agentEnd(m); e.failure != nil {
			return e.failure
		}
		return failed(ProtocolError, "the agent ended the session during the handshake: %s", m.Reason)
	case *wire.Unsupported:
		return failed(ProtocolUnsupported, "the agent supports the protocol versions %d to %d, the master %d to %d: update the older one: %s",
			m.ProtocolMin, m.ProtocolMax, wire.ProtocolMin, wire.ProtocolMax, m.Message)
	}
	return unexpectedMessage(ctx, answer, "its answer")
}

// supportsProtocol reports whether the master supports a protocol version between lowest and highest.
func supportsProtocol(lowest, highest uint32) bool {
	return lowest <= wire.ProtocolMax && highest >= wire.ProtocolMin
}

// checkIdentity returns a failure unless the agent is in the requested cluster.
func (r dialRequest) checkIdentity(i *wire.Identity) *failure {
	switch {
	case i == nil:
		return failed(ProtocolError, "the agent's answer does not name its cluster")
	case i.ClusterName != r.cluster.Name:
		return wrongCluster(r.cluster, i.ClusterName)
	case r.uid != "" && i.ClusterUID != r.uid:
		return failed(ClusterUIDMismatch, "the agent at %s is in the cluster with the UID %s, expected %s: set spec.clusterUID to accept it", r.cluster.Endpoint, i.ClusterUID, r.uid)
	}
	return nil
}

func (r dialRequest) subscribeRequest(h *wire.Hello, masterID string, s *connSigner) *wire.SubscribeRequest {
	protocol := min(h.ProtocolMax, wire.ProtocolMax)
	if r.summaryOnly {
		m := &wire.SubscribeRequest{Protocol: protocol, SummaryOnly: true, Ignore: r.cluster.Ignore, Signature: s.sign(token.DomainSummary, h.Nonce)}
		if r.lastSummary != nil {
			m.ProblemsHash, m.ResourcesHash = wire.HashProblems(r.lastSummary.Problems), wire.HashResources(r.lastIdentity, r.lastSummary)
		}
		return m
	}
	m := &wire.SubscribeRequest{
		Protocol: protocol, Session: r.session, MasterID: masterID,
		Period: r.cluster.RequestPeriod, Duration: r.cluster.SessionDuration, Signature: s.sign(token.DomainSubscribe, h.Nonce),
	}
	if r.base != nil && r.base.Epoch == h.Epoch {
		m.Base = &wire.Base{Epoch: r.base.Epoch, Seq: r.base.Seq}
		if r.base.Usage != nil {
			m.Base.Usage = r.base.Usage.N
		}
	}
	return m
}

// completeSummary adds the parts that the agent left out because they equal the last summary.
func (r dialRequest) completeSummary(m *wire.Summary) *wire.Summary {
	if r.lastSummary == nil {
		return m
	}
	s := &m.Summary
	if m.SameProblems {
		s.Problems = r.lastSummary.Problems
	}
	if m.SameResources {
		m.Identity = r.lastIdentity
		s.Capacity, s.Allocatable, s.Requested, s.Limits = r.lastSummary.Capacity, r.lastSummary.Allocatable, r.lastSummary.Requested, r.lastSummary.Limits
		s.Fragmentation = r.lastSummary.Fragmentation
	}
	return m
}

// checkGrant returns a failure unless the agent may answer with this grant.
func (r dialRequest) checkGrant(g *wire.SubscribeResponse) *failure {
	if r.summaryOnly {
		return failed(ProtocolError, "the agent granted a session although only a summary was requested")
	}
	return r.cluster.checkGrant(g)
}

// checkGrant returns a failure unless period < CacheTTL and period < duration.
func (c Cluster) checkGrant(g *wire.SubscribeResponse) *failure {
	switch {
	case g.Period <= 0 || g.Duration <= 0:
		return failed(PeriodNotGranted, "the agent granted a period of %s and a duration of %s: both must be positive", g.Period, g.Duration)
	case g.Period >= c.CacheTTL:
		return failed(PeriodNotGranted, "the agent granted a period of %s, which is not less than the cacheTTL of %s: raise cacheTTL, or lower the agent's --min-request-period", g.Period, c.CacheTTL)
	case g.Period >= g.Duration:
		return failed(PeriodNotGranted, "the agent granted a period of %s, which is not less than the duration of %s: raise sessionDuration and the agent's --max-session, or lower its --min-request-period", g.Period, g.Duration)
	}
	return nil
}

// unexpectedMessage returns the failure for a missing or unexpected message. what is the message that was
// expected.
func unexpectedMessage(ctx context.Context, m inboundMessage, what string) *failure {
	switch {
	case m.message != nil:
		return failed(ProtocolError, "the agent sent %T instead of %s", m.message, what)
	case requiresResync(m.err):
		return failed(ProtocolError, "the agent sent an invalid message instead of %s: %w", what, m.err)
	case ctx.Err() != nil:
		return failed(DialFailed, "the agent did not send %s within %s", what, dialTimeout)
	}
	return failed(DialFailed, "the connection broke before the agent sent %s: %w", what, m.err)
}

// isOpen reports whether a session was granted and its connection is open.
func (r *dialResult) isOpen() bool { return r.response != nil && r.failure == nil && !r.cancelled }

// close closes a connection without an open session. After a summary the agent closes it too, so no close
// frame is sent.
func (r *dialResult) close() {
	if r.summary != nil {
		r.conn.closeNow()
		return
	}
	code, reason := websocket.StatusNormalClosure, ""
	if r.failure != nil {
		code, reason = websocket.StatusPolicyViolation, r.failure.Error()
		if r.failure.reason == ProtocolError {
			code = wire.CloseProtocol
		}
		if r.response != nil {
			r.conn.tryWrite(&wire.Stop{Message: reason})
		}
	}
	r.conn.closeUnread(code, reason)
}

// nextTerm returns the term of a new session: from the Store, or if that fails from a local counter.
func (s *Sessions) nextTerm(ctx context.Context, cluster string) uint64 {
	timed, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	term, err := s.store.NextTerm(timed, cluster)
	if err != nil {
		s.log.Debug("cannot get a term from the store; using a local one", "cluster", cluster, "error", err)
		return s.terms.Next(cluster)
	}
	s.terms.Observe(cluster, term)
	return term
}
