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

// call is what a cluster's goroutine wants of an agent.
type call struct {
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
	known *state.Summary
	// knownIdentity is who gave it.
	knownIdentity *wire.Identity
	// urgent says that somebody waits for it.
	urgent func() bool
}

// reply is what came of a call: a granted session on a link, or a summary, or a
// failure. What Hello said is there in any case that it came, and who answered with a
// session or a summary.
type reply struct {
	link     *link
	hello    *wire.Hello
	helloAt  time.Time
	identity *wire.Identity
	signing  *signing
	granted  *wire.SubscribeResponse
	summary  *wire.Summary
	// begun gives back the place at the gate, with an open link.
	begun   func()
	at      time.Time // when the answer came
	term    uint64
	clock   clock
	failure *failure
	// cancelled: the call was given up, and the failure means nothing.
	cancelled bool
}

// call dials the agent, hears who it is, asks it to report, and hears the answer.
// All of that has dialTimeout, from when the gate lets it through. The place at the
// gate stays taken until the first report of the session that it granted.
func (s *Sessions) call(ctx context.Context, c call) reply {
	leave, err := s.gate.enter(ctx, c.urgent)
	if err != nil {
		return reply{cancelled: true, failure: failed(DialFailed, "%w", err)}
	}
	r := s.talk(ctx, c)
	if !r.open() {
		leave()
		return r
	}
	r.begun = sync.OnceFunc(leave)
	return r
}

// talk dials and performs the handshake, after the limit of handshakes admitted it.
func (s *Sessions) talk(ctx context.Context, c call) reply {
	timed, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	began := time.Now()
	d, failure := s.dialer.dial(timed, c.cluster)
	r := reply{clock: d.clock, failure: failure, link: d.link}
	if r.failure == nil {
		r.failure = r.converse(timed, c, s.dialer)
	}
	if r.failure == nil && r.granted != nil {
		r.term = s.nextTerm(ctx, c.cluster.Name)
	}
	// A call that took too long because this process did not run tells nothing of the
	// agent: it is made again.
	overslept := r.failure != nil && timed.Err() != nil && s.pauses.after(began, time.Now()) > 0
	r.cancelled = ctx.Err() != nil || overslept
	if r.link != nil && !r.open() {
		r.abort()
	}
	return r
}

// converse performs the handshake up to the agent's response.
func (r *reply) converse(ctx context.Context, c call, d *dialer) *failure {
	first := r.link.only(ctx)
	hello, ok := first.message.(*wire.Hello)
	if !ok {
		return noAnswer(ctx, first, "its Hello")
	}
	r.hello, r.helloAt = hello, first.at
	if !speaks(hello.ProtocolMin, hello.ProtocolMax) {
		return failed(ProtocolUnsupported, "the agent speaks the protocol %d to %d, the master %d to %d: update the older",
			hello.ProtocolMin, hello.ProtocolMax, wire.ProtocolMin, wire.ProtocolMax)
	}
	var f *failure
	if r.signing, f = d.newSigning(c, hello, r.link); f != nil {
		return f
	}
	if err := r.link.write(c.report(hello, d.holder, r.signing)); err != nil {
		return failed(DialFailed, "dial %s: %w", c.cluster.Endpoint, err)
	}
	answer := r.link.only(ctx)
	r.at = answer.at
	switch m := answer.message.(type) {
	case *wire.SubscribeResponse:
		r.granted, r.identity = m, m.Identity
		if f := c.identify(m.Identity); f != nil {
			return f
		}
		return c.accept(m)
	case *wire.Summary:
		if c.summaryOnly {
			m = c.whole(m)
			if f := c.identify(m.Identity); f != nil {
				return f
			}
			r.summary, r.identity = m, m.Identity
			return nil
		}
	case *wire.End:
		if e := endOf(m); e.fault != nil {
			return e.fault
		}
		return failed(ProtocolError, "the agent ended the session before it began: %s", m.Reason)
	case *wire.Unsupported:
		return failed(ProtocolUnsupported, "the agent speaks the protocol %d to %d, the master %d to %d: update the older: %s",
			m.ProtocolMin, m.ProtocolMax, wire.ProtocolMin, wire.ProtocolMax, m.Message)
	}
	return noAnswer(ctx, answer, "its answer")
}

// speaks reports whether this code speaks one of an agent's protocols.
func speaks(lowest, highest uint32) bool {
	return lowest <= wire.ProtocolMax && highest >= wire.ProtocolMin
}

// identify compares who answered with who was called.
func (c call) identify(i *wire.Identity) *failure {
	switch {
	case i == nil:
		return failed(ProtocolError, "the agent answered without saying which cluster it is in")
	case i.ClusterName != c.cluster.Name:
		return wrongCluster(c.cluster, i.ClusterName)
	case c.uid != "" && i.ClusterUID != c.uid:
		return failed(ClusterUIDMismatch, "the agent at %s is in the cluster %s, expected is %s: set spec.clusterUID to accept it", c.cluster.Endpoint, i.ClusterUID, c.uid)
	}
	return nil
}

func (c call) report(h *wire.Hello, holder string, s *signing) *wire.SubscribeRequest {
	protocol := min(h.ProtocolMax, wire.ProtocolMax)
	if c.summaryOnly {
		m := &wire.SubscribeRequest{Protocol: protocol, SummaryOnly: true, Ignore: c.cluster.Ignore, Signature: s.sign(token.DomainSummary, h.Nonce)}
		if c.known != nil {
			m.ProblemsHash, m.ResourcesHash = wire.HashProblems(c.known.Problems), wire.HashResources(c.knownIdentity, c.known)
		}
		return m
	}
	m := &wire.SubscribeRequest{
		Protocol: protocol, Session: c.session, MasterID: holder,
		Period: c.cluster.RequestPeriod, Duration: c.cluster.SessionDuration, Signature: s.sign(token.DomainSubscribe, h.Nonce),
	}
	if c.base != nil && c.base.Epoch == h.Epoch {
		m.Base = &wire.Base{Epoch: c.base.Epoch, Seq: c.base.Seq}
		if c.base.Usage != nil {
			m.Base.Usage = c.base.Usage.N
		}
	}
	return m
}

// whole returns a summary completed by the parts that the agent did not send again.
func (c call) whole(m *wire.Summary) *wire.Summary {
	if c.known == nil {
		return m
	}
	s := &m.Summary
	if m.SameProblems {
		s.Problems = c.known.Problems
	}
	if m.SameResources {
		m.Identity = c.knownIdentity
		s.Capacity, s.Allocatable, s.Requested, s.Limits = c.known.Capacity, c.known.Allocatable, c.known.Requested, c.known.Limits
		s.Fragmentation = c.known.Fragmentation
	}
	return m
}

// accept holds a grant against the rules.
func (c call) accept(g *wire.SubscribeResponse) *failure {
	if c.summaryOnly {
		return failed(ProtocolError, "the agent granted a session although only a summary was asked for")
	}
	return c.cluster.accepts(g)
}

// accepts returns a failure unless a grant satisfies period < TTL and period < duration.
func (c Cluster) accepts(g *wire.SubscribeResponse) *failure {
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

// noAnswer returns the failure for an unexpected frame.
func noAnswer(ctx context.Context, f frame, what string) *failure {
	switch {
	case f.message != nil:
		return failed(ProtocolError, "the agent sent %T instead of %s", f.message, what)
	case isResync(f.err):
		return failed(ProtocolError, "the agent sent something else instead of %s: %w", what, f.err)
	case ctx.Err() != nil:
		return failed(DialFailed, "the agent did not send %s within %s", what, dialTimeout)
	}
	return failed(DialFailed, "the connection broke before the agent sent %s: %w", what, f.err)
}

// open reports whether a session was granted and its connection is usable.
func (r *reply) open() bool { return r.granted != nil && r.failure == nil && !r.cancelled }

// abort ends a connection that is of no further use. Behind a summary there is
// nothing more to say.
func (r *reply) abort() {
	if r.summary != nil {
		r.link.drop()
		return
	}
	code, why := websocket.StatusNormalClosure, ""
	if r.failure != nil {
		code, why = websocket.StatusPolicyViolation, r.failure.Error()
		if r.failure.reason == ProtocolError {
			code = wire.CloseProtocol
		}
		if r.granted != nil {
			r.link.tell(&wire.Stop{Message: why})
		}
	}
	r.link.dismiss(code, why)
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
	s.terms.Given(cluster, term)
	return term
}
