// Package report serves masters. It provides the websocket endpoint, authenticates masters, and
// runs one goroutine with one timer per session. The goroutine sends the contents of the
// snapshot.Store every period and after each change, until the session ends.
//
// Package wire specifies the messages and their order. This package reads only Versions of the
// Store, so a session causes no requests to the cluster's API server. It does not depend on
// Kubernetes or on the sources of the facts.
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
	// subscribeTimeout limits the time from Hello until the master's SubscribeRequest.
	subscribeTimeout = 10 * time.Second
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
	ReadNodes func(context.Context) (state.Reading, error)
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
	// frames is shared by all sessions.
	frames *frameCache
	// refusedDials limits the rate at which refused dials are logged.
	refusedDials rate.Sometimes

	// ctx is the parent context of all connections. cancel closes those that are still open when
	// the context of Shutdown is done.
	ctx    context.Context
	cancel context.CancelFunc
}

// New returns a Handler. The caller must call Shutdown.
func New(cfg Config) *Handler {
	h := &Handler{
		cfg:          cfg,
		frames:       newFrameCache(cfg.OnEncode),
		conns:        newConnRegistry(cmp.Or(cfg.MaxMasters, DefaultMaxMasters)),
		refusedDials: rate.Sometimes{First: 1, Interval: 10 * time.Second},
	}
	h.metrics = newMetrics(cfg.Metrics, h.conns)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Shutdown ends all connections with wire.EndShuttingDown, refuses new ones, and waits until they are
// closed. If ctx is done before, it closes the remaining connections and returns an error.
func (h *Handler) Shutdown(ctx context.Context) error {
	defer h.cancel()
	select {
	case <-h.conns.shutDown(&endError{reason: wire.EndShuttingDown, message: "the agent is shutting down"}):
		return nil
	case <-ctx.Done():
		h.cancel()
		<-h.conns.empty
		return fmt.Errorf("notify all masters of the shutdown: %w", ctx.Err())
	}
}

// ServeHTTP serves one connection of a master until it ends. It refuses invalid dials with an HTTP error before
// the upgrade to a websocket.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ch, err := h.authenticate(r)
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
		// With --auth none, a page whose name resolves to the agent's address could otherwise read the cluster
		// (DNS rebinding).
		err = &refusal{http.StatusForbidden, "origin", "requests with an Origin header are refused: a browser may not connect to an agent, and masters send no Origin"}
	case !offersSubprotocol(r, wire.Subprotocol):
		err = &refusal{http.StatusBadRequest, "subprotocol", "this endpoint serves masters of Rollcall only: connect a websocket with the subprotocol " + wire.Subprotocol}
	case !known:
		err = &refusal{http.StatusServiceUnavailable, "not ready", "the agent has not reached the API server of its cluster yet"}
	}
	if err != nil {
		h.refuse(w, err)
		return
	}
	c, err := h.conns.add()
	if err != nil {
		h.refuse(w, err)
		return
	}
	defer h.conns.remove(c)
	w.Header()["Date"] = nil // saves bytes: masters use the Date of a refusal only, which sets its own
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		h.metrics.refused.WithLabelValues("upgrade").Inc()
		return
	}
	h.serveConn(ws, c, ch, h.identity(uid, version), false)
}

// ServeLink serves a connection on which the master has sent Begin (package link), and returns when the session or
// summary has ended. The master has proved masterID and that it has a signing key; channel is what its signatures must
// cover. ServeLink returns true if the connection is still open, because a summary was sent.
func (h *Handler) ServeLink(ws Conn, masterID string, channel token.Channel) (open bool) {
	uid, version, known := h.cfg.Identity()
	c, err := h.conns.add()
	if !known || err != nil {
		_ = ws.Close(websocket.StatusTryAgainLater, "the agent cannot serve another connection now")
		return false
	}
	defer h.conns.remove(c)
	ch := &challenge{verifier: h.cfg.Verifier, cluster: h.cfg.ClusterName, masterID: masterID, channel: channel}
	return h.serveConn(ws, c, ch, h.identity(uid, version), true)
}

// identity returns the identity of this agent in messages.
func (h *Handler) identity(uid, kubernetesVersion string) *wire.Identity {
	return &wire.Identity{AgentVersion: h.cfg.AgentVersion, ClusterName: h.cfg.ClusterName, ClusterUID: uid, KubernetesVersion: kubernetesVersion}
}

// serveConn serves one connection from the upgrade until it is closed. After a summary it leaves a link open, and returns
// true.
func (h *Handler) serveConn(ws Conn, c *conn, ch *challenge, identity *wire.Identity, link bool) (open bool) {
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	p := newPeer(ws, h.frames.codec, h.metrics.sent)
	p.startReading(ctx)
	err := h.handleConn(ctx, p, c, ch, identity)
	if v := (*violationError)(nil); errors.As(err, &v) {
		h.cfg.Log.Warn("a master violated the protocol; closing its connection", "master", h.conns.masterID(c), "error", v)
	}
	if e := (*endError)(nil); errors.As(err, &e) && e.reason == wire.EndUnauthorized {
		h.refusedDials.Do(func() { h.cfg.Log.Warn("refused a master", "master", ch.tokenMasterID(), "error", e.message) })
	}
	if link && errors.Is(err, errSummarySent) {
		p.release(cancel)
		return true
	}
	p.close(ctx, err)
	return false
}

// handleConn sends Hello, receives the SubscribeRequest, and sends the summary or runs the session that it requests.
// The returned error is never nil and says how to close the connection. Nothing about the cluster is sent
// before the signature of the SubscribeRequest is verified.
func (h *Handler) handleConn(ctx context.Context, p *peer, c *conn, ch *challenge, identity *wire.Identity) error {
	start := time.Now()
	hello := wire.Hello{
		ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Epoch: h.cfg.Store.Current().State.Epoch,
		Nonce: ch.nextNonce(), Unbound: ch != nil && h.cfg.Unbound,
	}
	if err := p.send(ctx, &hello); err != nil {
		return err
	}
	req, err := awaitSubscribe(ctx, p, c)
	if err != nil {
		return err
	}
	if err := validateSubscribe(req, ch.tokenMasterID()); err != nil {
		return err
	}
	if err := ch.verifySubscribe(req); err != nil {
		h.metrics.refused.WithLabelValues("signature").Inc()
		return err
	}
	if err := h.checkReady(); err != nil {
		return err
	}
	if req.SummaryOnly {
		return h.sendSummary(ctx, p, req, identity)
	}
	granted, err := grant(req, h.cfg.MinRequestPeriod, h.cfg.MaxSession)
	if err != nil {
		return err
	}
	if granted.Term, err = h.conns.acquireSession(c, req, ch, time.Now()); err != nil {
		return err
	}
	if !ch.keyAccepted() {
		return errKeyRemoved() // the keys changed after verifySubscribe and before acquireSession
	}
	granted.Nonce, granted.Identity = ch.nextNonce(), identity
	return h.runSession(ctx, newSession(h, p, c, ch, req, granted, start))
}

// runSession runs a session, counts it in the metrics and logs its start and end.
func (h *Handler) runSession(ctx context.Context, s *session) error {
	log := h.cfg.Log.With("session", s.granted.Session)
	log.Debug("session started", "period", s.granted.Period, "duration", s.granted.Duration, "owner", s.owner, "term", s.granted.Term)
	h.metrics.started.Inc()
	err := s.run(ctx)
	h.metrics.ended.WithLabelValues(reasonLabel(err)).Inc()
	log.Debug("session ended", "reason", err)
	return err
}

// checkReady returns an endError with wire.EndNotReady if nodes and pods have not been listed yet, else nil.
func (h *Handler) checkReady() error {
	select {
	case <-h.cfg.Store.Ready():
		return nil
	default:
	}
	message := "the agent has not listed nodes and pods yet"
	errs := h.cfg.Store.Current().Errors()
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods} {
		if e := errs[name]; e.Reason != "" {
			message = fmt.Sprintf("the agent has not listed %s yet: %s: %s", name, e.Reason, e.Message)
		}
	}
	return &endError{wire.EndNotReady, message}
}
