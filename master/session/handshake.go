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

// dialRequest is what a cluster's goroutine wants of an agent.
type dialRequest struct {
	cluster Cluster
	// uid is the only cluster that may answer; empty: any.
	uid     string
	session string
	// base is what is held; nil: nothing.
	base *state.State
	// baseSize is what it takes in memory.
	baseSize    int64
	summaryOnly bool
	// known is the last summary, where another is asked for; nil: there was none.
	lastSummary *state.Summary
	// knownIdentity is who gave it.
	lastIdentity *wire.Identity
	// urgent says that somebody waits for it.
	urgent func() bool
}

// dialResult is what came of a call: a granted session on a link, or a summary, or a
// failure. What Hello said is there in any case that it came, and who answered with a
// session or a summary.
type dialResult struct {
	conn     *conn
	hello    *wire.Hello
	helloAt  time.Time
	identity *wire.Identity
	signer   *connSigner
	response *wire.SubscribeResponse
	summary  *wire.Summary
	// begun gives back the place at the gate, with an open link.
	releaseHandshake func()
	receivedAt       time.Time // when the answer came
	term             uint64
	skew             clockSkew
	failure          *failure
	// cancelled: the call was given up, and the failure means nothing.
	cancelled bool
}

// dialAgent dials the agent, hears who it is, asks it to report, and hears the answer.
// All of that has dialTimeout, from when the gate lets it through. The place at the
// gate stays taken until the first report of the session that it granted.
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

// dialAndHandshake dials and performs the handshake, after the limit of handshakes admitted it.
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
	// A call that took too long because this process did not run tells nothing of the
	// agent: it is made again.
	overslept := r.failure != nil && timed.Err() != nil && s.pauses.lastSince(start, time.Now()) > 0
	r.cancelled = ctx.Err() != nil || overslept
	if r.conn != nil && !r.isOpen() {
		r.close()
	}
	return r
}

// handshake performs the handshake up to the agent's response.
func (r *dialResult) handshake(ctx context.Context, req dialRequest, d *dialer) *failure {
	first := r.conn.readSingle(ctx)
	hello, ok := first.message.(*wire.Hello)
	if !ok {
		return unexpectedMessage(ctx, first, "its Hello")
	}
	r.hello, r.helloAt = hello, first.receivedAt
	if !supportsProtocol(hello.ProtocolMin, hello.ProtocolMax) {
		return failed(ProtocolUnsupported, "the agent speaks the protocol %d to %d, the master %d to %d: update the older",
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
		return failed(ProtocolError, "the agent ended the session before it began: %s", m.Reason)
	case *wire.Unsupported:
		return failed(ProtocolUnsupported, "the agent speaks the protocol %d to %d, the master %d to %d: update the older: %s",
			m.ProtocolMin, m.ProtocolMax, wire.ProtocolMin, wire.ProtocolMax, m.Message)
	}
	return unexpectedMessage(ctx, answer, "its answer")
}

// supportsProtocol reports whether this code speaks one of an agent's protocols.
func supportsProtocol(lowest, highest uint32) bool {
	return lowest <= wire.ProtocolMax && highest >= wire.ProtocolMin
}

// checkIdentity compares who answered with who was called.
func (r dialRequest) checkIdentity(i *wire.Identity) *failure {
	switch {
	case i == nil:
		return failed(ProtocolError, "the agent answered without saying which cluster it is in")
	case i.ClusterName != r.cluster.Name:
		return wrongCluster(r.cluster, i.ClusterName)
	case r.uid != "" && i.ClusterUID != r.uid:
		return failed(ClusterUIDMismatch, "the agent at %s is in the cluster %s, expected is %s: set spec.clusterUID to accept it", r.cluster.Endpoint, i.ClusterUID, r.uid)
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

// completeSummary returns a summary completed by the parts that the agent did not send again.
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

// checkGrant holds a grant against the rules.
func (r dialRequest) checkGrant(g *wire.SubscribeResponse) *failure {
	if r.summaryOnly {
		return failed(ProtocolError, "the agent granted a session although only a summary was asked for")
	}
	return r.cluster.checkGrant(g)
}

// checkGrant returns a failure unless a grant satisfies period < TTL and period < duration.
func (c Cluster) checkGrant(g *wire.SubscribeResponse) *failure {
	switch {
	case g.Period <= 0 || g.Duration <= 0:
		return failed(PeriodNotGranted, "the agent grants a report every %s for %s, which is no session", g.Period, g.Duration)
	case g.Period >= c.CacheTTL:
		return failed(PeriodNotGranted, "the agent grants a report every %s, but answers are kept for %s: raise cacheTTL, or lower the agent's --min-request-period", g.Period, c.CacheTTL)
	case g.Period >= g.Duration:
		return failed(PeriodNotGranted, "the agent grants a report every %s for %s: raise sessionDuration and the agent's --max-session, or lower its --min-request-period", g.Period, g.Duration)
	}
	return nil
}

// unexpectedMessage returns the failure for an unexpected frame.
func unexpectedMessage(ctx context.Context, m inboundMessage, what string) *failure {
	switch {
	case m.message != nil:
		return failed(ProtocolError, "the agent sent %T instead of %s", m.message, what)
	case requiresResync(m.err):
		return failed(ProtocolError, "the agent sent something else instead of %s: %w", what, m.err)
	case ctx.Err() != nil:
		return failed(DialFailed, "the agent did not send %s within %s", what, dialTimeout)
	}
	return failed(DialFailed, "the connection broke before the agent sent %s: %w", what, m.err)
}

// isOpen reports whether a session was granted and its connection is usable.
func (r *dialResult) isOpen() bool { return r.response != nil && r.failure == nil && !r.cancelled }

// close ends a connection that is of no further use. Behind a summary there is
// nothing more to say.
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

// nextTerm returns the number of a connection that was just granted.
func (s *Sessions) nextTerm(ctx context.Context, cluster string) uint64 {
	timed, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	term, err := s.store.NextTerm(timed, cluster)
	if err != nil {
		s.log.Debug("the cache gave no term", "cluster", cluster, "error", err)
		return s.terms.Next(cluster)
	}
	s.terms.Observe(cluster, term)
	return term
}
