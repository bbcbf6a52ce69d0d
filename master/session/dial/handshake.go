package dial

import (
	"context"
	"errors"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// Timeout limits a dial with the handshake: TCP, TLS, the upgrade, Hello, and the agent's answer to the
// request.
const Timeout = 10 * time.Second

// Agent describes an agent that has answered.
type Agent struct {
	Hello *wire.Hello
	// HelloAt is when Hello was received, and ReceivedAt when the answer to the request was.
	HelloAt, ReceivedAt time.Time
	Identity            *wire.Identity
	Skew                ClockSkew
}

// Session is a session that an agent has granted, on an open connection.
type Session struct {
	Agent
	*Conn
	// Grant is the agent's last grant.
	Grant *wire.SubscribeResponse

	cacheTTL time.Duration
	signer   *signer
}

// Summary is an agent's summary. Its connection is closed already.
type Summary struct {
	Agent
	*wire.Summary
}

// OpenSession dials the agent and requests a session.
func (d *Dialer) OpenSession(ctx context.Context, t Target, r SessionRequest) (*Session, *Failure) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	h, f := d.handshake(ctx, t, r.ID, false, r.message)
	if f != nil {
		return nil, f
	}
	grant, ok := h.answer.Message.(*wire.SubscribeResponse)
	if end, ended := h.answer.Message.(*wire.End); ended && end.Reason == wire.EndSuperseded && r.Owner {
		return nil, h.fail(Failf(Superseded, "the agent ended the session: %s", end.Message))
	}
	if !ok {
		return nil, h.fail(h.unexpectedAnswer(ctx))
	}
	h.Identity = grant.Identity
	if f = t.checkIdentity(grant.Identity); f == nil {
		f = checkGrant(grant, r.CacheTTL)
	}
	if f != nil {
		return nil, h.refuse(f)
	}
	return &Session{Agent: h.Agent, Conn: h.conn, Grant: grant, cacheTTL: r.CacheTTL, signer: h.signer}, nil
}

// RequestSummary dials the agent and requests a summary.
func (d *Dialer) RequestSummary(ctx context.Context, t Target, r SummaryRequest) (*Summary, *Failure) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	h, f := d.handshake(ctx, t, "", true, r.message)
	if f != nil {
		return nil, f
	}
	switch m := h.answer.Message.(type) {
	case *wire.Summary:
		r.complete(m)
		if f := t.checkIdentity(m.Identity); f != nil {
			return nil, h.fail(f)
		}
		h.Identity = m.Identity
		h.conn.finish() // the agent does the same
		return &Summary{Agent: h.Agent, Summary: m}, nil
	case *wire.SubscribeResponse:
		if f := t.checkIdentity(m.Identity); f != nil {
			return nil, h.refuse(f)
		}
		return nil, h.refuse(Failf(ProtocolError, "the agent granted a session although only a summary was requested"))
	}
	return nil, h.fail(h.unexpectedAnswer(ctx))
}

// Renew requests a renewal of the session for a duration. The number of the renewal is in the agent's answer.
func (s *Session) Renew(renewal uint32, duration time.Duration) {
	s.TryWrite(&wire.Renew{Renewal: renewal, Duration: duration, Signature: s.signer.sign(token.DomainRenew, 0, s.Grant.Nonce)})
}

// Renewed records the agent's answer to Renew. If the master cannot accept it, Renewed sends Stop and returns
// a failure.
func (s *Session) Renewed(g *wire.SubscribeResponse) *Failure {
	if f := checkGrant(g, s.cacheTTL); f != nil {
		s.TryWrite(&wire.Stop{Message: f.Error()})
		return f
	}
	s.Grant = g
	return nil
}

// Stop sends Stop, and closes a session that was not started.
func (s *Session) Stop(message string) {
	s.TryWrite(&wire.Stop{Message: message})
	s.Close(websocket.StatusNormalClosure, "")
}

// handshake is a connection on which the agent has answered the request.
type handshake struct {
	Agent
	conn   *Conn
	signer *signer
	answer Message
}

// handshake dials, receives Hello, sends the request and receives the agent's answer.
func (d *Dialer) handshake(ctx context.Context, t Target, session string, summary bool, request func(*wire.Hello, *signer) *wire.SubscribeRequest) (*handshake, *Failure) {
	conn, skew, f := d.open(ctx, t, summary)
	if f != nil {
		return nil, f
	}
	h := &handshake{conn: conn, Agent: Agent{Skew: skew}}
	first := conn.readSingle(ctx)
	hello, ok := first.Message.(*wire.Hello)
	if !ok {
		return nil, h.fail(unexpectedMessage(ctx, first, "its Hello"))
	}
	h.Hello, h.HelloAt = hello, first.ReceivedAt
	if !supportsProtocol(hello.ProtocolMin, hello.ProtocolMax) {
		return nil, h.fail(Failf(ProtocolUnsupported, "the agent supports the protocol versions %d to %d, the master %d to %d: update the older one",
			hello.ProtocolMin, hello.ProtocolMax, wire.ProtocolMin, wire.ProtocolMax))
	}
	if h.signer, f = d.newSigner(t, session, hello, conn); f != nil {
		return nil, h.fail(f)
	}
	m := request(hello, h.signer)
	if !m.SummaryOnly {
		m.MasterID = d.MasterID
	}
	if err := conn.write(m); err != nil {
		return nil, h.fail(Failf(DialFailed, "%s: %w", t, err))
	}
	h.answer = conn.readSingle(ctx)
	h.ReceivedAt = h.answer.ReceivedAt
	return h, nil
}

// protocolOf returns the protocol in which the master answers a Hello.
func protocolOf(h *wire.Hello) uint32 { return min(h.ProtocolMax, wire.ProtocolMax) }

// supportsProtocol reports whether the master supports a protocol version between lowest and highest.
func supportsProtocol(lowest, highest uint32) bool {
	return lowest <= wire.ProtocolMax && highest >= wire.ProtocolMin
}

// unexpectedAnswer returns the failure for an answer that is not what was requested.
func (h *handshake) unexpectedAnswer(ctx context.Context) *Failure {
	switch m := h.answer.Message.(type) {
	case *wire.End:
		if f := EndFailure(m); f != nil {
			return f
		}
		return Failf(ProtocolError, "the agent ended the session during the handshake: %s", m.Reason)
	case *wire.Unsupported:
		return Failf(ProtocolUnsupported, "the agent supports the protocol versions %d to %d, the master %d to %d: update the older one: %s",
			m.ProtocolMin, m.ProtocolMax, wire.ProtocolMin, wire.ProtocolMax, m.Message)
	}
	return unexpectedMessage(ctx, h.answer, "its answer")
}

// unexpectedMessage returns the failure for a missing or unexpected message. what is the message that was
// expected.
func unexpectedMessage(ctx context.Context, m Message, what string) *Failure {
	switch {
	case m.Message != nil:
		return Failf(ProtocolError, "the agent sent %T instead of %s", m.Message, what)
	case errors.Is(m.Err, wire.ErrResync):
		return Failf(ProtocolError, "the agent sent an invalid message instead of %s: %w", what, m.Err)
	case ctx.Err() != nil:
		return Failf(DialFailed, "the agent did not send %s within %s", what, Timeout)
	}
	return Failf(DialFailed, "the connection broke before the agent sent %s: %w", what, m.Err)
}

// refuse tells the agent that its grant is not accepted, closes the connection, and returns f.
func (h *handshake) refuse(f *Failure) *Failure {
	h.conn.TryWrite(&wire.Stop{Message: f.Error()})
	return h.fail(f)
}

// fail closes the connection, with f in the close frame, and returns f.
func (h *handshake) fail(f *Failure) *Failure {
	code := websocket.StatusPolicyViolation
	if f.Reason == ProtocolError {
		code = wire.CloseProtocol
	}
	h.conn.Close(code, f.Error())
	return f
}
