package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/fake"
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
	conn      *fake.Master
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
	signed, err := a.signer.Sign(a.Cluster, masterID, time.Now())
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	conn, _, err := fake.Dial(ctx, "wss://"+via.Address, &http.Client{Transport: transport}, http.Header{"Authorization": {"Bearer " + signed}}, wire.Subprotocol)
	if err != nil {
		return nil, fmt.Errorf("dial agent %s: %w", a.Cluster, err)
	}
	s := &session{forwarder: via, conn: conn, ended: make(chan struct{}), changed: make(chan struct{})}
	if err := s.subscribe(ctx, a, masterID, period, base); err != nil {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("open a session with agent %s: %w", a.Cluster, err)
	}
	go s.run()
	return s, nil
}

// subscribe reads the agent's Hello and sends a SubscribeRequest.
func (s *session) subscribe(ctx context.Context, a *agent, masterID string, period time.Duration, base *state.State) error {
	if err := s.conn.ReadHello(ctx); err != nil {
		return err
	}
	s.receiver = wire.NewReceiver(s.conn.Hello.Epoch, nil)
	if base != nil {
		s.receiver = wire.NewReceiver(s.conn.Hello.Epoch, wire.NewLazyState(base))
	}
	return s.conn.Subscribe(ctx, a.signer, a.Cluster, &wire.SubscribeRequest{
		Session: rand.Text(), MasterID: masterID, Period: period, Duration: sessionDuration, Base: baseOf(base),
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
	held, err := s.receiver.Receive(m, time.Now())
	if err != nil || held == nil {
		return err
	}
	next, err := held.State()
	if err != nil {
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

// read returns the next message, and counts the bytes of its frame.
func (s *session) read(ctx context.Context) (wire.AgentMessage, error) {
	m, size, err := s.conn.ReceiveSized(ctx)
	switch m.(type) {
	case *wire.Snapshot:
		s.unflushed.snapshot += size
	case *wire.Delta:
		s.unflushed.delta += size
	case *wire.Usage:
		s.unflushed.usage += size
	default:
		s.unflushed.other += size
	}
	return m, err
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
