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
	// patience is longer than anything takes that an agent is to send.
	patience = 2 * time.Minute
)

// session is the master's end of one session, as plain as can be: it takes in and
// acknowledges what the agent reports, and notes of each flush when it came and what it
// was on the socket.
type session struct {
	forwarder *forwarder
	conn      *websocket.Conn
	in, out   wire.Checksum // of the two directions
	unread    [][]byte      // the rest of the last frame
	codec     codec
	ended     chan struct{}
	closing   sync.Once

	// Of the reading goroutine.
	receiver  *wire.Receiver
	down, up  int64 // counted up to the last flush
	unflushed flush

	mu      sync.Mutex
	flushes []flush
	state   *state.State
	err     error
	news    chan struct{} // closed at the next flush, and at the end
}

// flush is what came between two bookmarks, the second one included.
type flush struct {
	at time.Time
	// down and up are bytes on the socket; the first flush has those of the connection's
	// beginning.
	down, up int64
	// Bytes of the frames, before TLS and the websocket's own.
	snapshot, delta, usage, other int
	// changed are the keys of the delta.
	changed []state.Key
}

// dial opens a session with an agent through a forwarder. Held is what it resumes from,
// nil for nothing.
func dial(ctx context.Context, a *agent, through *forwarder, period time.Duration, held *state.State) (*session, error) {
	holder := rand.Text()
	conn, channel, err := connect(ctx, through.Address, a.Cluster, a.signer, holder)
	if err != nil {
		return nil, fmt.Errorf("dial agent %s: %w", a.Cluster, err)
	}
	conn.SetReadLimit(wire.MaxFrame)
	s := &session{forwarder: through, conn: conn, codec: newCodec(), ended: make(chan struct{}), news: make(chan struct{})}
	sign := token.Statement{Domain: token.DomainSubscribe, Cluster: a.Cluster, MasterID: holder, Session: rand.Text(), Channel: channel}
	if err := s.begin(ctx, a.signer, sign, period, held); err != nil {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("open a session with agent %s: %w", a.Cluster, err)
	}
	go s.run()
	return s, nil
}

func connect(ctx context.Context, address, cluster string, signer *token.Signer, holder string) (*websocket.Conn, token.Channel, error) {
	signed, err := signer.Sign(cluster, holder, time.Now())
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

// begin sends Report as the response to the agent's Hello.
func (s *session) begin(ctx context.Context, signer *token.Signer, sign token.Statement, period time.Duration, held *state.State) error {
	m, err := s.read(ctx)
	if err != nil {
		return err
	}
	hello, ok := m.(*wire.Hello)
	if !ok {
		return fmt.Errorf("the agent's first message is a %T", m)
	}
	s.receiver = wire.NewReceiver(hello.Epoch, held)
	sign.Nonce = hello.Nonce
	return s.write(ctx, &wire.SubscribeRequest{
		Protocol: wire.ProtocolMax, Session: sign.Session, MasterID: sign.MasterID, Period: period, Duration: sessionDuration, Base: baseOf(held),
		Signature: signer.SignStatement(sign),
	})
}

func (s *session) run() {
	defer close(s.ended)
	for {
		err := s.take(context.Background())
		if err == nil {
			continue
		}
		s.mu.Lock()
		s.err = err
		close(s.news)
		s.mu.Unlock()
		_ = s.conn.CloseNow()
		return
	}
}

// take processes one message.
func (s *session) take(ctx context.Context) error {
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
	s.flushed(next)
	return s.acknowledge(ctx, m)
}

// flushed notes that a bookmark has proved what came before it.
func (s *session) flushed(next *state.State) {
	f := s.unflushed
	f.at = time.Now()
	down, up := s.forwarder.down.Load(), s.forwarder.up.Load()
	f.down, f.up = down-s.down, up-s.up
	s.down, s.up, s.unflushed = down, up, flush{}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flushes, s.state = append(s.flushes, f), next
	close(s.news)
	s.news = make(chan struct{})
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

func (s *session) write(ctx context.Context, m wire.MasterMessage) error {
	frame, err := wire.EncodeMaster(m)
	if err != nil {
		return err
	}
	return s.conn.Write(ctx, websocket.MessageBinary, s.out.Append(frame))
}

// at returns the number of flushes so far, and the state after the last one.
func (s *session) at() (int, *state.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flushes), s.state
}

// between returns the flushes with numbers in [from, to).
func (s *session) between(from, to int) []flush {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushes[from:to:to]
}

// await waits for the first flush from a number on that fits, and gives its number. It
// gives up after patience.
func (s *session) await(ctx context.Context, from int, fits func(flush) bool) (int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no such flush within %s", patience))
	defer cancel()
	for {
		s.mu.Lock()
		all, news, err := s.flushes, s.news, s.err
		s.mu.Unlock()
		for ; from < len(all); from++ {
			if fits(all[from]) {
				return from, nil
			}
		}
		if err != nil {
			return 0, fmt.Errorf("the session is over: %w", err)
		}
		select {
		case <-news:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// close ends the session and waits until nothing of it runs.
func (s *session) close() {
	s.closing.Do(func() { _ = s.conn.Close(websocket.StatusNormalClosure, "measured") })
	<-s.ended
}

func anyFlush(flush) bool     { return true }
func usageFlush(f flush) bool { return f.usage > 0 }
func plainFlush(f flush) bool { return f.snapshot+f.delta+f.usage == 0 }
