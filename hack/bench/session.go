package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

const (
	// sessionDuration is longer than any scenario.
	sessionDuration = 30 * time.Minute
	// flushTimeout is the timeout for a flush that a scenario waits for.
	flushTimeout = 2 * time.Minute
)

// session is a minimal master's end of one session: it receives and
// acknowledges the agent's reports, and records when each flush arrived and how many
// bytes it took on the socket.
type session struct {
	forwarder *forwarder
	conn      *websocket.Conn
	in, out   wire.Checksum // of the two directions
	unread    [][]byte      // frames of the last message that are not processed yet
	codec     *wire.Codec
	ended     chan struct{}
	closing   sync.Once

	// Used only by the goroutine that reads.
	receiver  *wire.Receiver
	down, up  int64 // forwarder's counts at the last flush
	unflushed flush

	mu      sync.Mutex
	flushes []flush
	state   *state.State
	err     error
	changed chan struct{} // closed at the next flush, and when the session ends
}

// flush has the frames after one bookmark, up to and including the next.
type flush struct {
	at time.Time
	// down and up are bytes on the socket. Those of the first flush include opening
	// the connection.
	down, up int64
	// Bytes of the frames, without the overhead of TLS and websocket.
	snapshot, delta, usage, other int
	// changed has the keys of the delta.
	changed []state.Key
}

// dial opens a session with an agent through a forwarder. The session resumes from base unless it is nil.
func dial(ctx context.Context, a *agent, via *forwarder, period time.Duration, base *state.State) (*session, error) {
	masterID := rand.Text()
	conn, channel, err := connect(ctx, via.Address, a.Cluster, a.signer, masterID)
	if err != nil {
		return nil, fmt.Errorf("dial agent %s: %w", a.Cluster, err)
	}
	conn.SetReadLimit(wire.MaxFrame)
	s := &session{forwarder: via, conn: conn, codec: wire.NewCodec(), ended: make(chan struct{}), changed: make(chan struct{})}
	sign := token.Statement{Domain: token.DomainSubscribe, Cluster: a.Cluster, MasterID: masterID, Session: rand.Text(), Channel: channel}
	if err := s.subscribe(ctx, a.signer, sign, period, base); err != nil {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("open a session with agent %s: %w", a.Cluster, err)
	}
	go s.run()
	return s, nil
}

// connect opens the websocket connection and returns the channel binding of its TLS connection.
func connect(ctx context.Context, address, cluster string, signer *token.Signer, masterID string) (*websocket.Conn, token.Channel, error) {
	signed, err := signer.Sign(cluster, masterID, time.Now())
	if err != nil {
		return nil, "", err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	conn, response, err := websocket.Dial(ctx, "wss://"+address+wire.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: http.Header{"Authorization": {"Bearer " + signed}},
		Subprotocols: []string{wire.Subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, "", err
	}
	channel, err := token.ChannelOf(response.TLS)
	if err != nil {
		return nil, "", errors.Join(err, conn.CloseNow())
	}
	return conn, channel, nil
}

// subscribe reads the agent's Hello and sends a SubscribeRequest.
func (s *session) subscribe(ctx context.Context, signer *token.Signer, sign token.Statement, period time.Duration, base *state.State) error {
	m, err := s.read(ctx)
	if err != nil {
		return err
	}
	hello, ok := m.(*wire.Hello)
	if !ok {
		return fmt.Errorf("got %T as the agent's first message, want Hello", m)
	}
	s.receiver = wire.NewReceiver(hello.Epoch, base)
	sign.Nonce = hello.Nonce
	return s.write(ctx, &wire.SubscribeRequest{
		Protocol: wire.ProtocolMax, Session: sign.Session, MasterID: sign.MasterID, Period: period, Duration: sessionDuration, Base: baseOf(base),
		Signature: signer.SignStatement(sign),
	})
}

// run processes messages until the connection ends.
func (s *session) run() {
	defer close(s.ended)
	for {
		err := s.handleMessage(context.Background())
		if err == nil {
			continue
		}
		s.mu.Lock()
		s.err = err
		close(s.changed)
		s.mu.Unlock()
		_ = s.conn.CloseNow()
		return
	}
}

// handleMessage processes one message.
func (s *session) handleMessage(ctx context.Context) error {
	m, err := s.read(ctx)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.SubscribeResponse:
		return nil
	case *wire.End:
		return fmt.Errorf("the agent ended the session: %s: %s", m.Reason, m.Message)
	case *wire.Delta:
		s.unflushed.changed = append(s.unflushed.changed, m.Keys()...)
	}
	next, err := s.receiver.Receive(m, time.Now())
	if err != nil || next == nil {
		return err
	}
	s.recordFlush(next)
	return s.acknowledge(ctx, m)
}

// recordFlush records a flush that a bookmark has completed.
func (s *session) recordFlush(next *state.State) {
	f := s.unflushed
	f.at = time.Now()
	down, up := s.forwarder.down.Load(), s.forwarder.up.Load()
	f.down, f.up = down-s.down, up-s.up
	s.down, s.up, s.unflushed = down, up, flush{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushes, s.state = append(s.flushes, f), next
	close(s.changed)
	s.changed = make(chan struct{})
}

// read returns the next message. One websocket message may contain several.
func (s *session) read(ctx context.Context) (wire.AgentMessage, error) {
	for len(s.unread) == 0 {
		_, message, err := s.conn.Read(ctx)
		if err != nil {
			return nil, err
		}
		whole, err := s.in.Verify(message)
		if err != nil {
			return nil, err
		}
		if s.unread, err = wire.DecodeBatch(whole); err != nil {
			return nil, err
		}
	}
	frame := s.unread[0]
	s.unread = s.unread[1:]
	m, err := s.codec.DecodeAgent(frame)
	switch m.(type) {
	case *wire.Snapshot:
		s.unflushed.snapshot += len(frame)
	case *wire.Delta:
		s.unflushed.delta += len(frame)
	case *wire.Usage:
		s.unflushed.usage += len(frame)
	default:
		s.unflushed.other += len(frame)
	}
	return m, err
}

// write sends one message to the agent.
func (s *session) write(ctx context.Context, m wire.MasterMessage) error {
	frame, err := wire.EncodeMaster(m)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageBinary, s.out.Append(frame))
}

// progress returns the number of flushes so far, and the state after the last one.
func (s *session) progress() (int, *state.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flushes), s.state
}

// flushRange returns the flushes with numbers in [from, to).
func (s *session) flushRange(from, to int) []flush {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushes[from:to:to]
}

// waitFlush waits for the first flush with a number of at least from for which fits returns true, and returns its
// number. It returns an error after flushTimeout.
func (s *session) waitFlush(ctx context.Context, from int, fits func(flush) bool) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, flushTimeout, fmt.Errorf("no such flush within %s", flushTimeout))
	defer cancel()
	for {
		s.mu.Lock()
		all, changed, err := s.flushes, s.changed, s.err
		s.mu.Unlock()
		for ; from < len(all); from++ {
			if fits(all[from]) {
				return from, nil
			}
		}
		if err != nil {
			return 0, fmt.Errorf("the session has ended: %w", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// close ends the session and waits for its goroutine.
func (s *session) close() {
	s.closing.Do(func() { _ = s.conn.Close(websocket.StatusNormalClosure, "measured") })
	<-s.ended
}

// anyFlush accepts every flush.
func anyFlush(flush) bool { return true }

// usageFlush reports whether a flush has a usage reading.
func usageFlush(f flush) bool { return f.usage > 0 }

// plainFlush reports whether a flush has nothing but its bookmark.
func plainFlush(f flush) bool { return f.snapshot+f.delta+f.usage == 0 }
