// Package report answers masters: it serves the websocket endpoint, checks who
// dials, and gives each session one goroutine and one timer that send what the
// snapshot has, every period and on each change, until the session's time is over.
//
// What is sent and in which order: package wire. The package reads Versions of a
// snapshot and nothing else, so a tick costs the cluster's API nothing; it knows
// neither Kubernetes nor where facts come from.
package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

const (
	// DefaultMaxMasters is the default of Config.MaxMasters.
	DefaultMaxMasters = 8
	// maxConnections limits the open connections, including those without a session.
	maxConnections = 64
	// reportTimeout limits the time from Hello until the master's SubscribeRequest.
	reportTimeout = 10 * time.Second
	// summaryTimeout limits the time to read usage for one summary.
	summaryTimeout = 2 * time.Second
)

// Config holds the settings and dependencies of a Handler.
type Config struct {
	ClusterName, AgentVersion string
	// Identity returns the UID and the Kubernetes version of the cluster. ok is false until
	// they are known.
	Identity func() (uid, kubernetesVersion string, ok bool)
	// Store has the state that is reported.
	Store *snapshot.Store
	// Verifier verifies the tokens and signatures of masters. If it is nil, any client may read
	// the cluster.
	Verifier *token.Verifier
	// Unbound accepts signatures that do not cover the TLS connection. Only the agent's own
	// configuration may set it, never a client.
	Unbound bool
	// SubscribeUsage keeps usage up to date until release is called. If it is nil, sessions
	// have no usage.
	SubscribeUsage func() (release func())
	// ReadNodes reads the usage of nodes once, for a summary. If it is nil, summaries have the
	// usage of the current state, if any.
	ReadNodes func(context.Context) (state.Sample, error)
	// MinRequestPeriod is the shortest period and MaxSession the longest duration that a
	// session is granted.
	MinRequestPeriod, MaxSession time.Duration
	// OnSnapshotSent is called after a whole snapshot was sent. Sending it takes memory that
	// can be returned to the operating system. It may be nil.
	OnSnapshotSent func()
	// OnEncode is called before a snapshot is encoded, and done afterwards. It may be nil.
	OnEncode func() (done func())
	// MaxMasters limits the masters that have a session at the same time. 0 means
	// DefaultMaxMasters.
	MaxMasters int
	Log        *slog.Logger
	Metrics    prometheus.Registerer
}

// Handler serves wire.Path.
type Handler struct {
	cfg     Config
	metrics *metrics
	conns   *connRegistry
	// encodings are shared by all sessions.
	encodings *encodings
	// refusedDials limits the rate at which refused dials are logged.
	refusedDials rate.Sometimes

	// ctx is the parent context of all connections. kill closes those that are still open when
	// the context of Shutdown is done.
	ctx  context.Context
	kill context.CancelFunc
}

// New returns a Handler. The caller must call Shutdown.
func New(cfg Config) *Handler {
	h := &Handler{
		cfg:          cfg,
		encodings:    newEncodings(cfg.OnEncode),
		conns:        newConnRegistry(cmp.Or(cfg.MaxMasters, DefaultMaxMasters)),
		refusedDials: rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
	h.metrics = newMetrics(cfg.Metrics, h.conns)
	h.ctx, h.kill = context.WithCancel(context.Background())
	return h
}

// Shutdown tells every master that the agent goes, and waits until they are told.
// What is still open when ctx is done is cut.
func (h *Handler) Shutdown(ctx context.Context) error {
	defer h.kill()
	select {
	case <-h.conns.shutDown(&ended{reason: wire.EndShuttingDown, words: "the agent's process is ending"}):
		return nil
	case <-ctx.Done():
		h.kill()
		<-h.conns.empty
		return fmt.Errorf("tell every master: %w", ctx.Err())
	}
}

// ServeHTTP answers one dial. What is wrong with it is said before the upgrade,
// where HTTP has words for it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := h.authenticate(r)
	if err != nil {
		h.refuse(w, err)
		return
	}
	if h.cfg.Verifier != nil {
		connlimit.Authenticated(r.Context())
	}
	uid, version, known := h.cfg.Identity()
	switch {
	case r.Header.Get("Origin") != "":
		// With --auth none a page whose name resolves to the agent could read everything.
		err = &refusal{http.StatusForbidden, "origin", "pages in a browser may not dial an agent: masters send no Origin"}
	case !offers(r, wire.Subprotocol):
		err = &refusal{http.StatusBadRequest, "subprotocol", "this is for masters of Rollcall: a websocket of subprotocol " + wire.Subprotocol}
	case !known:
		err = &refusal{http.StatusServiceUnavailable, "not ready", "the agent has not reached its cluster's API server yet"}
	}
	if err != nil {
		h.refuse(w, err)
		return
	}
	seat, err := h.conns.enter()
	if err != nil {
		h.refuse(w, err)
		return
	}
	defer h.conns.leave(seat)
	w.Header()["Date"] = nil // nobody needs it; a refusal for reasons of time sets its own
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		h.metrics.refused.WithLabelValues("upgrade").Inc()
		return
	}
	h.converse(conn, seat, c, &wire.Identity{
		AgentVersion: h.cfg.AgentVersion, ClusterName: h.cfg.ClusterName, ClusterUID: uid, KubernetesVersion: version,
	})
}

// converse serves one connection from the upgrade until it ends.
func (h *Handler) converse(conn *websocket.Conn, seat *caller, c *challenge, identity *wire.Identity) {
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	p := newPeer(conn, h.encodings.codec, h.metrics.sent)
	p.listen(ctx)
	err := h.receive(ctx, p, seat, c, identity)
	if v := (*violation)(nil); errors.As(err, &v) {
		h.cfg.Log.Warn("a master broke the protocol", "holder", h.conns.holder(seat), "error", v)
	}
	if e := (*ended)(nil); errors.As(err, &e) && e.reason == wire.EndUnauthorized {
		h.refusedDials.Do(func() { h.cfg.Log.Warn("refused a master", "holder", c.tokenHolder(), "error", e.words) })
	}
	p.dismiss(ctx, err)
}

// receive greets, reads the Report, and does what it asks for. The error that it
// gives says how the connection is to end. Nothing of the cluster is told before the
// Report's signature is checked.
func (h *Handler) receive(ctx context.Context, p *peer, seat *caller, c *challenge, identity *wire.Identity) error {
	began := time.Now()
	hello := wire.Hello{
		ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Epoch: h.cfg.Store.Current().State.Epoch,
		Nonce: c.next(), Unbound: c != nil && h.cfg.Unbound,
	}
	if err := p.send(ctx, &hello); err != nil {
		return err
	}
	asked, err := awaitReport(ctx, p, seat)
	if err != nil {
		return err
	}
	if err := admissible(asked, c.tokenHolder()); err != nil {
		return err
	}
	if err := c.checkReport(asked); err != nil {
		h.metrics.refused.WithLabelValues("signature").Inc()
		return err
	}
	if err := h.ready(); err != nil {
		return err
	}
	if asked.SummaryOnly {
		return h.summarize(ctx, p, asked, identity)
	}
	granted, err := grant(asked, h.cfg.MinRequestPeriod, h.cfg.MaxSession)
	if err != nil {
		return err
	}
	if err := h.conns.seat(seat, asked.MasterID, c); err != nil {
		return err
	}
	if !c.accepted() {
		return keyRemoved() // the keys changed after the check, and before the session had its seat
	}
	granted.Nonce, granted.Identity = c.next(), identity
	return h.report(ctx, newSession(h, p, seat, c, asked, granted, began))
}

// report runs a session and tells metrics and log how it went.
func (h *Handler) report(ctx context.Context, s *session) error {
	log := h.cfg.Log.With("session", s.granted.Session)
	log.Debug("session begins", "period", s.granted.Period, "duration", s.granted.Duration)
	h.metrics.started.Inc()
	err := s.run(ctx)
	h.metrics.ended.WithLabelValues(label(err)).Inc()
	log.Debug("session ended", "reason", err)
	return err
}

// ready says why there is nothing to report yet, nil if there is.
func (h *Handler) ready() error {
	select {
	case <-h.cfg.Store.Ready():
		return nil
	default:
	}
	words := "nodes and pods have not been read yet"
	errs := h.cfg.Store.Current().Errors()
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods} {
		if e := errs[name]; e.Reason != "" {
			words = fmt.Sprintf("%s have not been read yet: %s: %s", name, e.Reason, e.Message)
		}
	}
	return &ended{wire.EndNotReady, words}
}
