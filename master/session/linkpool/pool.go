// Package linkpool keeps the idle links of agents that dial their master (package api/link), until a session
// or a summary takes one. It decides nothing about sessions.
package linkpool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/token"
)

const (
	// maxReplacements within replacementWindow is how often the idle link of a cluster may be replaced by
	// another one. A single agent does that only after a network failure; two agents with the same key do it
	// all the time.
	maxReplacements   = 3
	replacementWindow = time.Minute
)

// Config has the settings and dependencies of a Pool.
type Config struct {
	// MasterID identifies this process.
	MasterID string
	// Signer proves to agents that this is a master of their hub.
	Signer *token.Signer
	// Admit decides about an agent that has just proved its key. The pool sets the LinkID of its Admitted.
	Admit func(context.Context, link.Candidate) link.Decision
	// Authorize decides again about an agent that was admitted. Its Admitted is ignored.
	Authorize func(link.Candidate) link.Decision
	// OnIdle is called when a cluster has an idle link, and when that breaks or is closed. It is not called by Take.
	// It must not block.
	OnIdle func(cluster string)
	// OnRefused is called for each refused agent, unless the master could not decide. cluster is what the agent claims
	// to be, or the cluster that the refusal is about. It must not block. It may be nil.
	OnRefused func(cluster string, refused *link.Refused)
	Log       *slog.Logger
	// Metrics registers the metrics, unless it is nil.
	Metrics prometheus.Registerer
}

// Pool has the idle links of all clusters. It is safe for concurrent use.
type Pool struct {
	cfg     Config
	metrics *metrics

	// closing has the links that are being closed.
	closing sync.WaitGroup

	mu     sync.Mutex
	closed bool
	idle   map[string]*Link
	// waiting has a channel for each cluster that someone waits for. It is closed when the cluster gets a link.
	waiting map[string]chan struct{}
	// replaced has the times at which the idle link of a cluster was replaced.
	replaced map[string][]time.Time
}

// New returns an empty Pool.
func New(cfg Config) *Pool {
	p := &Pool{cfg: cfg, idle: map[string]*Link{}, waiting: map[string]chan struct{}{}, replaced: map[string][]time.Time{}}
	p.metrics = newMetrics(cfg.Metrics, p)
	return p
}

// Status describes the idle link of a cluster.
type Status struct {
	// Since is when the agent was admitted, and Address is where it dialed from.
	Since   time.Time
	Address string
	// RoundTrip is the time of one message and its answer, as measured in the handshake.
	RoundTrip time.Duration
	// Unbound reports whether signatures do not cover the TLS connection.
	Unbound bool
}

// Status returns the status of a cluster's idle link, and false if there is none.
func (p *Pool) Status(cluster string) (Status, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.idle[cluster]
	if !ok {
		return Status{}, false
	}
	return l.status, true
}

// ErrNoLink is the error of Take for a cluster without an idle link.
var ErrNoLink = errors.New("the agent has no link to this master")

// Wait waits until a cluster has an idle link, or ctx ends. The error is ErrNoLink or that of a cancelled ctx.
func (p *Pool) Wait(ctx context.Context, cluster string) error {
	for {
		p.mu.Lock()
		if p.idle[cluster] != nil {
			p.mu.Unlock()
			return nil
		}
		came := p.waiting[cluster]
		if came == nil {
			came = make(chan struct{})
			p.waiting[cluster] = came
		}
		p.mu.Unlock()
		select {
		case <-came:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ErrNoLink
			}
			return ctx.Err()
		}
	}
}

// Take returns the idle link of a cluster, on which it has sent begin. The caller must close it, or Return it after a
// summary. The error is ErrNoLink if there is none.
func (p *Pool) Take(ctx context.Context, cluster string, begin link.Begin) (*Link, error) {
	p.mu.Lock()
	l := p.idle[cluster]
	delete(p.idle, cluster)
	p.mu.Unlock()
	if l == nil {
		return nil, ErrNoLink
	}
	if err := l.begin(ctx, begin); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("begin on the agent's link: %w", err)
	}
	return l, nil
}

// Return makes a link idle again, after it was used for a summary. If the cluster has a newer link, it closes l.
func (p *Pool) Return(l *Link) {
	l.reset()
	cluster := l.candidate.Cluster
	p.mu.Lock()
	kept := !p.closed && p.idle[cluster] == nil
	if kept {
		p.setIdle(l)
	}
	p.mu.Unlock()
	if !kept {
		_ = l.Close()
		return
	}
	p.watch(l)
	p.Sync(cluster) // the entry may have changed meanwhile
}

// setIdle makes a link the idle link of its cluster, and wakes those who wait for it. p.mu must be held.
func (p *Pool) setIdle(l *Link) {
	cluster := l.candidate.Cluster
	p.idle[cluster] = l
	if came := p.waiting[cluster]; came != nil {
		close(came)
		delete(p.waiting, cluster)
	}
}

// watch discards an idle link when it breaks, when it is silent, and when the agent sends anything.
func (p *Pool) watch(l *Link) {
	l.watch(func() { p.discard(l, websocket.StatusGoingAway, "no ping within "+link.SilenceTimeout.String()) })
	go func() {
		l.read()
		p.discard(l, websocket.StatusProtocolError, "unexpected message on an idle link")
	}()
}

// Sync decides again about the agent of a cluster's idle link, and closes the link if it is not admitted any more. It
// keeps the link while the master cannot decide.
// It must be called when the cluster's entry in the Registry was changed or deleted.
func (p *Pool) Sync(cluster string) {
	p.mu.Lock()
	l := p.idle[cluster]
	p.mu.Unlock()
	if l == nil {
		return
	}
	if d := p.cfg.Authorize(l.candidate); d.Refused != nil && d.Refused.Code != link.Unavailable {
		p.cfg.Log.Info("closing the link of an agent that is not admitted any more", "cluster", cluster, "link", l.id, "reason", d.Refused)
		p.discard(l, websocket.StatusPolicyViolation, "not admitted any more")
	}
}

// Close closes all idle links and refuses new ones. It returns when they are closed, after some seconds at most.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	links := make([]*Link, 0, len(p.idle))
	for _, l := range p.idle {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		p.discard(l, websocket.StatusGoingAway, "the master is shutting down")
	}
	p.closing.Wait()
}

// ServeHTTP serves link.Path: it upgrades to a websocket, admits the agent and keeps its link. It returns before the
// link ends.
func (p *Pool) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Origin") != "" {
		p.metrics.refused.WithLabelValues("origin").Inc()
		http.Error(w, "requests with an Origin header are refused: this endpoint is for agents", http.StatusForbidden)
		return
	}
	channel, channelErr := token.ChannelOf(r.TLS)
	l := &Link{Channel: channel, ChannelErr: channelErr, id: rand.Text()[:16]}
	// Closing the link ends its reads and writes.
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	ws, err := websocket.Accept(smallBuffers{w}, r, &websocket.AcceptOptions{
		Subprotocols: []string{link.Subprotocol}, CompressionMode: websocket.CompressionDisabled,
		OnPingReceived: func(context.Context, []byte) bool { l.pinged(); return true },
	})
	if err != nil {
		l.cancel()
		return // Accept has answered
	}
	l.ws, l.conn = ws, link.WebSocket(ws)
	l.reset()
	p.admit(r, l)
}

// admit performs the handshake on a link, and keeps it if the agent is admitted.
func (p *Pool) admit(r *http.Request, l *Link) {
	master := link.Master{ID: p.cfg.MasterID, Signer: p.cfg.Signer, Channel: l.Channel, ChannelErr: l.ChannelErr, Authorize: p.authorize(l.id)}
	candidate, err := master.Handshake(l.ctx, l.conn)
	if err != nil {
		p.reject(r, l, candidate, err)
		return
	}
	connlimit.Authenticated(r.Context())
	l.candidate = *candidate
	if candidate.Unbound {
		l.Channel, l.ChannelErr = token.Unbound, nil
	}
	l.status = Status{Since: time.Now(), Address: host(r.RemoteAddr), RoundTrip: candidate.RoundTrip, Unbound: candidate.Unbound}
	p.keep(l)
}

// authorize returns the decision about candidates: that of the Config, unless several agents compete for a cluster.
func (p *Pool) authorize(id string) func(context.Context, link.Candidate) link.Decision {
	return func(ctx context.Context, c link.Candidate) link.Decision {
		d := p.cfg.Admit(ctx, c)
		if d.Refused == nil && p.contested(c.Cluster) {
			d.Known, d.Refused = true, &link.Refused{Code: link.DuplicateAgent, Message: fmt.Sprintf(
				"the link of %s was replaced more than %d times within %s: another agent has the same key; give each agent a key of its own", c.Cluster, maxReplacements, replacementWindow)}
		}
		d.Admitted.LinkID = id
		return d
	}
}

// contested reports whether a cluster has an idle link that was replaced too often.
func (p *Pool) contested(cluster string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := time.Now().Add(-replacementWindow)
	times := slices.DeleteFunc(p.replaced[cluster], func(t time.Time) bool { return t.Before(old) })
	if len(times) == 0 {
		delete(p.replaced, cluster)
		return false
	}
	p.replaced[cluster] = times
	return p.idle[cluster] != nil && len(times) >= maxReplacements
}

// reject closes the link of an agent that was not admitted, and reports the cause.
func (p *Pool) reject(r *http.Request, l *Link, candidate *link.Candidate, err error) {
	l.closeWith(websocket.StatusPolicyViolation, "not admitted")
	var refused *link.Refused
	if !errors.As(err, &refused) {
		p.metrics.refused.WithLabelValues("connection lost").Inc()
		p.cfg.Log.Debug("the handshake of a link failed", "address", r.RemoteAddr, "error", err)
		return
	}
	p.metrics.refused.WithLabelValues(string(refused.Code)).Inc()
	cluster := ""
	if candidate != nil {
		cluster = candidate.Cluster
	}
	if refused.Cluster != "" {
		cluster = refused.Cluster
	}
	p.cfg.Log.Info("refused an agent", "address", r.RemoteAddr, "cluster", cluster, "reason", refused.Code, "message", refused.Message)
	if p.cfg.OnRefused != nil && cluster != "" && refused.Code != link.Unavailable {
		p.cfg.OnRefused(cluster, refused)
	}
}

// keep makes a link the idle link of its cluster, in place of an older one. The newest wins: an agent whose connection
// broke unnoticed opens another.
func (p *Pool) keep(l *Link) {
	cluster := l.candidate.Cluster
	p.mu.Lock()
	older, closed := p.idle[cluster], p.closed
	if !closed {
		p.setIdle(l)
		if older != nil {
			p.replaced[cluster] = append(p.replaced[cluster], time.Now())
		}
	}
	p.mu.Unlock()
	if closed {
		l.closeWith(websocket.StatusGoingAway, "the master is shutting down")
		return
	}
	if older != nil {
		p.closing.Go(func() {
			older.closeWith(websocket.StatusPolicyViolation, "replaced by a newer link of the same agent")
		})
	}
	p.cfg.Log.Debug("link is idle", "cluster", cluster, "link", l.id, "address", l.status.Address)
	p.watch(l)
	p.cfg.OnIdle(cluster)
	p.Sync(cluster) // the entry may have changed during the handshake
}

// discard removes a link if it is still idle, and closes it in the background: the agent may not answer.
func (p *Pool) discard(l *Link, code websocket.StatusCode, reason string) {
	cluster := l.candidate.Cluster
	p.mu.Lock()
	idle := p.idle[cluster] == l
	if idle {
		delete(p.idle, cluster)
	}
	p.mu.Unlock()
	if idle {
		p.closing.Go(func() { l.closeWith(code, reason) })
		p.cfg.OnIdle(cluster)
	}
}

// count returns the number of idle links.
func (p *Pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}

// host returns the host of an address with a port.
func host(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
