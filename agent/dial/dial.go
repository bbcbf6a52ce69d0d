// Package dial keeps a link to the masters of the hub (package api/link), for clusters whose agents cannot be
// dialed. It dials, proves the agent's key, and waits until a master begins a session or a summary on the
// connection, which it then passes on. It knows nothing of reports.
package dial

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/backoff"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
)

var (
	// retryDelay is the time between two attempts for a hub that cannot be reached, or whose connections break.
	retryDelay = backoff.Backoff{Min: 500 * time.Millisecond, Max: 10 * time.Second, Jitter: 1}
	// refusedDelay is that for a hub that refuses this agent.
	refusedDelay = backoff.Backoff{Min: retryDelay.Min, Max: 5 * time.Minute, Jitter: 1}
)

// identityPeriod is how often a Dialer checks whether the cluster's UID is known, and noHubPeriod whether the hub is.
const (
	identityPeriod = 500 * time.Millisecond
	noHubPeriod    = 2 * time.Second
)

// Target says which hub is dialed.
type Target struct {
	// Hub is the address of the masters: wss:// or ws://, host and port.
	Hub *url.URL
	// Trust has the settings by which the master's certificate is verified.
	Trust tlsfiles.Trust
	// JoinKey is the one-time key of a join token, or nil.
	JoinKey ed25519.PrivateKey
}

// ErrNoHub is the error of Config.Target while it is not known which hub to dial.
var ErrNoHub = errors.New("there is no address of a hub yet")

// Config has the settings and dependencies of a Dialer.
type Config struct {
	// Target returns the hub to dial, or ErrNoHub. It is called before each attempt.
	Target func() (Target, error)
	// ServiceAccountToken returns a token of the agent's service account. It is sent to masters that have not admitted
	// this process yet, or have refused it last. If it is nil, none is sent.
	ServiceAccountToken func() (string, error)
	// Proxy returns the proxy for a request, as http.Transport.Proxy does.
	Proxy func(*http.Request) (*url.URL, error)
	// Cluster is the name of the ClusterAgent, and Version the version of this program.
	Cluster, Version string
	// UID returns the UID of the cluster. ok is false until it is known.
	UID func() (uid string, ok bool)
	// Key returns the agent's key.
	Key func() (crypto.Signer, error)
	// NextKey returns the key that is to replace Key, or nil. OnNextKeyAccepted is called when the hub accepts that key;
	// Key should return it from then on. Both may be nil.
	NextKey           func() crypto.Signer
	OnNextKeyAccepted func(next crypto.Signer)
	// KeyChanged receives a value when Key or NextKey returns another key. The Dialer then replaces its idle link. It may
	// be nil.
	KeyChanged <-chan struct{}
	// Verifier has the signing keys of the hub.
	Verifier *token.Verifier
	// Unbound makes signatures that do not cover the TLS connection. The ClusterAgent has to allow it.
	Unbound bool
	// Serve serves a connection on which a master has sent Begin, and returns when the session or summary has ended. It
	// returns true if the connection is still open; that must not be after a session.
	Serve func(conn *Conn, masterID string, channel token.Channel) (open bool)

	Log *slog.Logger
	// Metrics registers the metrics, unless it is nil.
	Metrics prometheus.Registerer
	// DialContext opens TCP connections. The default is that of a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Random returns a number in [0, 1) for the jitter of back-off. The default is math/rand/v2.Float64.
	Random func() float64
}

// Dialer keeps one idle link.
type Dialer struct {
	cfg      Config
	metrics  *metrics
	sessions sync.WaitGroup
	// lastError is the last error that was logged, or "" after a success.
	lastError string
	// admitted reports whether the last handshake succeeded.
	admitted bool
	// replaceAt is when the idle link is replaced because of a changed key, or zero.
	replaceAt time.Time
}

// New returns a Dialer.
func New(cfg Config) *Dialer {
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.DialContext == nil {
		cfg.DialContext = (&net.Dialer{Timeout: link.HandshakeTimeout}).DialContext
	}
	return &Dialer{cfg: cfg, metrics: newMetrics(cfg.Metrics)}
}

// client returns the client for one connection to a hub.
func (d *Dialer) client(t Target) (*http.Client, error) {
	tlsConfig, err := t.Trust.ClientConfig(t.Hub.Hostname())
	if err != nil {
		return nil, fmt.Errorf("use the trust settings of the hub: %w", err)
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: d.cfg.Proxy, DialContext: d.cfg.DialContext, TLSClientConfig: tlsConfig,
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		},
	}, nil
}

// Run keeps a link until ctx ends, and returns nil when all connections that were passed on are closed.
func (d *Dialer) Run(ctx context.Context) error {
	defer d.sessions.Wait()
	for failures := 0; d.awaitUID(ctx); {
		begun, err := d.link(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrNoHub):
			failures = 0
			backoff.Sleep(ctx, noHubPeriod)
		case begun:
			failures = 0
		default:
			failures++
			d.logFailure(err)
			backoff.Sleep(ctx, d.delay(err, failures))
		}
	}
	return nil
}

// awaitUID waits until the cluster's UID is known, and returns false if ctx ends first.
func (d *Dialer) awaitUID(ctx context.Context) bool {
	for ctx.Err() == nil {
		if _, ok := d.cfg.UID(); ok {
			return true
		}
		backoff.Sleep(ctx, identityPeriod)
	}
	return false
}

// link opens a link and serves summaries on it, until a master begins a session. It then passes the connection to
// Config.Serve in the background, and returns true. It also returns true when a summary ended the link.
func (d *Dialer) link(ctx context.Context) (begun bool, err error) {
	l, err := d.connect(ctx)
	if err != nil {
		return false, err
	}
	for {
		begin, err := d.awaitBegin(ctx, l.conn)
		switch {
		case errors.Is(err, errKeyChanged):
			l = d.replace(ctx, l)
		case err != nil:
			_ = l.conn.Close(websocket.StatusGoingAway, "")
			return false, fmt.Errorf("the link to the master broke: %w", err)
		case !begin.Summary:
			d.serveSession(l)
			return true, nil
		case !d.cfg.Serve(l.conn, l.masterID, l.channel):
			return true, nil
		}
	}
}

// idleLink is a connection on which the agent was admitted.
type idleLink struct {
	conn     *Conn
	masterID string
	channel  token.Channel
}

// connect opens a link.
func (d *Dialer) connect(ctx context.Context) (*idleLink, error) {
	select {
	case <-d.cfg.KeyChanged: // this link has the new key
	default:
	}
	target, err := d.cfg.Target()
	if err != nil {
		return nil, err
	}
	ws, channel, err := d.open(ctx, target)
	if err != nil {
		return nil, err
	}
	conn := newConn(ws)
	peer, err := d.handshake(ctx, textConn{conn}, target, channel)
	d.admitted = err == nil
	if err != nil {
		d.metrics.failed(err)
		_ = conn.Close(websocket.StatusPolicyViolation, "")
		return nil, err
	}
	d.logLinked(target, peer)
	return &idleLink{conn, peer.MasterID, channel}, nil
}

// serveSession passes a link on which a session has begun to Config.Serve, in the background.
func (d *Dialer) serveSession(l *idleLink) {
	d.sessions.Go(func() { d.cfg.Serve(l.conn, l.masterID, l.channel) })
}

// open dials the hub, and returns the websocket and what signatures on it cover.
func (d *Dialer) open(ctx context.Context, target Target) (*websocket.Conn, token.Channel, error) {
	ctx, cancel := context.WithTimeout(ctx, link.HandshakeTimeout)
	defer cancel()
	client, err := d.client(target)
	if err != nil {
		return nil, "", err
	}
	ws, response, err := websocket.Dial(ctx, target.Hub.String()+link.Path, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: http.Header{"User-Agent": {""}}, Subprotocols: []string{link.Subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		d.metrics.failed(err)
		return nil, "", dialError(target, response, err)
	}
	if ws.Subprotocol() != link.Subprotocol {
		_ = ws.CloseNow()
		return nil, "", fmt.Errorf("dial %s: the server is not a master that accepts links: update the master", target.Hub)
	}
	if d.cfg.Unbound {
		return ws, token.Unbound, nil
	}
	channel, err := token.ChannelOf(response.TLS)
	if err != nil {
		_ = ws.CloseNow()
		return nil, "", fmt.Errorf("dial %s: signatures cannot be bound to the connection: %w: use wss://, or set --channel-binding=off and spec.link.channelBinding: None", target.Hub, err)
	}
	return ws, channel, nil
}

// dialError returns the error of a dial, with what to do about it.
func dialError(target Target, response *http.Response, err error) error {
	var inner *url.Error
	switch {
	case tlsfiles.IsCertificateError(err):
		return fmt.Errorf("dial %s: the certificate of the hub is not accepted: %w: set --hub-ca-file to its CA, or --hub-pin to its key", target.Hub, errors.Unwrap(err))
	case response != nil && response.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("dial %s: the master is not ready: it answered 503", target.Hub)
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("dial %s: the server is not a master that accepts links: it answered %d %s", target.Hub, response.StatusCode, http.StatusText(response.StatusCode))
	case errors.As(err, &inner):
		return fmt.Errorf("dial %s: %w", target.Hub, inner.Err)
	}
	return fmt.Errorf("dial %s: %w", target.Hub, err)
}

// handshake proves this agent to the master.
func (d *Dialer) handshake(ctx context.Context, conn link.Conn, target Target, channel token.Channel) (*link.Peer, error) {
	key, err := d.cfg.Key()
	if err != nil {
		return nil, fmt.Errorf("get the agent's key: %w", err)
	}
	uid, _ := d.cfg.UID()
	agent := link.Agent{
		Cluster: d.cfg.Cluster, UID: uid, Version: d.cfg.Version, Key: key, NextKey: d.nextKey(), Verifier: d.cfg.Verifier, Channel: channel, JoinKey: target.JoinKey,
	}
	if !d.admitted {
		agent.ServiceAccountToken = d.cfg.ServiceAccountToken
	}
	peer, err := agent.Handshake(ctx, conn)
	if err == nil {
		d.handleKeyAnswer(agent.NextKey, peer)
	}
	return peer, err
}

// awaitBegin waits until the master sends Begin, and sends pings until then. It returns an error if the connection
// breaks or the master does not answer a ping, and errKeyChanged if the link has to be replaced.
func (d *Dialer) awaitBegin(ctx context.Context, conn *Conn) (link.Begin, error) {
	d.metrics.idle.Set(1)
	defer d.metrics.idle.Set(0)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ticker := time.NewTicker(link.PingPeriod)
	defer ticker.Stop()
	go func() {
		for {
			select {
			case <-ticker.C:
				if err := ping(ctx, conn.ws); err != nil {
					cancel(err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	endWatch := d.watchKey(ctx, cancel)
	defer endWatch()
	begin, err := link.AwaitBegin(ctx, textConn{conn})
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return begin, err
}

// ping sends a ping and waits for its answer. The end of ctx does not interrupt it, since that could close a connection
// on which a session has begun; the answer is then read during the session.
func ping(ctx context.Context, ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), link.SilenceTimeout-link.PingPeriod)
	defer cancel()
	if err := ws.Ping(ctx); err != nil {
		return fmt.Errorf("ping the master: %w", err)
	}
	return nil
}

// delay returns the time until the next attempt after a number of consecutive failures, which is at least 1.
func (d *Dialer) delay(err error, failures int) time.Duration {
	refused := (*link.Refused)(nil)
	if errors.As(err, &refused) && refused.Code != link.Unavailable || errors.Is(err, link.ErrMasterNotProved) {
		return refusedDelay.Delay(failures, d.cfg.Random())
	}
	return retryDelay.Delay(failures, d.cfg.Random())
}

// logFailure logs an error unless the same one was logged last.
func (d *Dialer) logFailure(err error) {
	if err.Error() != d.lastError {
		d.lastError = err.Error()
		d.cfg.Log.Warn("no link to the hub; trying again", "error", err)
	}
}

// logLinked logs the first link after a failure, and others at debug level: there is one for each session.
func (d *Dialer) logLinked(target Target, peer *link.Peer) {
	level := slog.LevelDebug
	if d.lastError != "" || !d.metrics.linkedBefore() {
		level = slog.LevelInfo
	}
	d.lastError = ""
	d.cfg.Log.Log(context.Background(), level, "linked to the hub", "address", target.Hub.Host, "master", peer.MasterID, "link", peer.LinkID)
}
