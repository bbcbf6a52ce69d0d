// Package binding_test attacks the connection between a real master and a real agent, over
// TLS, in memory and in virtual time: by relays, stolen tokens and endpoints that lie.
package binding_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/fault"
	"rollcall.dev/rollcall/test/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	name   = "prod-eu"
	buffer = 64 << 10
)

// world is a master and an agent, and somebody between them.
type world struct {
	t      *testing.T
	signer *token.Signer

	verifier *token.Verifier
	handler  *report.Handler
	listener *memconn.Listener // the agent's
	pin      string            // of the agent's certificate

	registry *registry
	sessions *session.Sessions
	// dialed is where the master's dials lead to.
	dialed *memconn.Listener
}

// registry knows the one cluster.
type registry struct {
	mu      sync.Mutex
	cluster session.Cluster
}

func (r *registry) Resolve(n string) (string, bool) { return n, n == name }

func (r *registry) Cluster(n string) (session.Cluster, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cluster, n == name
}

// inWorld runs f with an agent that knows the master's key. The master has no cluster yet:
// see register.
func inWorld(t *testing.T, edit func(*report.Config), f func(t *testing.T, w *world)) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, signer: token.NewSigner(key), verifier: token.NewVerifier(name, key.Public().(ed25519.PublicKey)),
			listener: memconn.Listen(buffer), registry: &registry{},
		}
		stopAgent := w.startAgent(edit)
		stopMaster := w.startMaster(nil)
		f(t, w)
		stopMaster()
		stopAgent()
	})
}

// startAgent serves one pod over TLS.
func (w *world) startAgent(edit func(*report.Config)) (stop func()) {
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), name, name)
	if err != nil {
		w.t.Fatal(err)
	}
	config.MinVersion, config.SessionTicketsDisabled = tls.VersionTLS13, true
	w.pin = tlsfiles.Pin(config.Certificates[0].Leaf)
	snap := snapshot.New(1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = snap.Run(ctx) })
	cfg := report.Config{
		ClusterName: name, AgentVersion: "v0.1.0", Snapshot: snap, Verifier: w.verifier,
		Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
		MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	if edit != nil {
		edit(&cfg)
	}
	w.handler = report.New(cfg)
	server := &http.Server{Handler: w.handler, TLSConfig: config, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	running.Go(func() { _ = server.ServeTLS(w.listener, "", "") })
	snap.Update(state.Changes{Upserts: []state.Object{&state.Pod{Namespace: "secret", Name: "pod", Phase: state.PodRunning}}})
	for i := range state.NumSections {
		snap.SetSection(i, state.SectionReport{Live: true})
	}
	synctest.Wait()
	return func() {
		_ = w.handler.Shutdown(ctx)
		_ = server.Close()
		cancel()
		running.Wait()
	}
}

func (w *world) startMaster(through *url.URL) (stop func()) {
	w.sessions = session.New(session.Config{
		Registry: w.registry, Signer: w.signer, Log: slog.New(slog.DiscardHandler), Insecure: true, Proxy: through,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dialed.Dial(ctx) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.sessions.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		<-ended
	}
}

// register has the master dial a listener, whose certificate it pins.
func (w *world) register(l *memconn.Listener, pin string, change ...func(*session.Cluster)) {
	w.dialed = l
	w.edit(func(c *session.Cluster) {
		*c = session.Cluster{
			Name: name, Endpoint: "wss://10.20.0.7:7443", TLS: session.TLS{PinnedSHA256: []string{pin}},
			RequestPeriod: time.Second, SessionDuration: 15 * time.Second, CacheTTL: 5 * time.Second,
		}
		for _, f := range change {
			f(c)
		}
	})
}

func (w *world) edit(change func(*session.Cluster)) {
	w.registry.mu.Lock()
	generation := w.registry.cluster.Generation + 1
	change(&w.registry.cluster)
	w.registry.cluster.Generation = generation
	w.registry.mu.Unlock()
	w.sessions.Sync(name)
}

// get asks the master for the cluster.
func (w *world) get() (*session.Value, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return w.sessions.Await(ctx, name)
}

// wantRefused fails unless the cluster cannot be reached as the agent refuses the master.
func (w *world) wantRefused(words string) {
	w.t.Helper()
	v, err := w.get()
	var u *session.UnreachableError
	if !errors.As(err, &u) || u.Reason != session.Unauthorized || !strings.Contains(u.Error(), words) {
		w.t.Fatalf("got %v, %v, want %s with %q", v, err, session.Unauthorized, words)
	}
}

// relay stands between master and agent, with a certificate of its own that the master
// accepts, and passes every message on as it is. It notes what the agent sends.
type relay struct {
	*fault.Relay
	front *memconn.Listener

	mu sync.Mutex
	// sent are the sizes of what the agent sent, by connection.
	sent map[int][]int
}

func (w *world) startRelay() (r *relay, stop func()) {
	r = &relay{front: memconn.Listen(buffer), sent: map[int][]int{}}
	var err error
	r.Relay, err = fault.New(fault.Config{Agent: "wss://agent", Listener: r.front, TLS: true, Dial: w.listener.Dial})
	if err != nil {
		w.t.Fatal(err)
	}
	r.Follow(func(p fault.Passage) fault.Fault {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.Direction == fault.ToMaster {
			r.sent[p.Connection] = append(r.sent[p.Connection], p.Size)
		}
		return fault.Fault{}
	})
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.Background()) }()
	return r, func() {
		r.Close()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

// wantNothingTold fails if the agent sent anything but its Hello and its End.
func (r *relay) wantNothingTold(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sent) == 0 {
		t.Error("nobody came by the relay")
	}
	for n, sizes := range r.sent {
		if len(sizes) != 2 || sizes[0] > 64 {
			t.Errorf("connection %d: the agent sent messages of %v bytes, want a Hello and an End", n, sizes)
		}
	}
}

func TestSessionsAreOpenedAndRenewedBySignatures(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.register(w.listener, w.pin, func(c *session.Cluster) { c.Continuous = true })
		first, err := w.get()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		later, err := w.get()
		if err != nil || later.Session.ID != first.Session.ID || later.Term != first.Term {
			t.Errorf("after eight durations: %+v, %v, want the session %s", later, err, first.Session.ID)
		}
		if o := w.sessions.Observe(name); o.Binding != session.BindingTLS || o.LastEndReason != "" {
			t.Errorf("binding %q, last end %q; want TLS and none", o.Binding, o.LastEndReason)
		}
	})
}

// TestAProxyThatPassesTLSThroughIsNoHindrance is of a CONNECT proxy: both ends have one
// connection.
func TestAProxyThatPassesTLSThroughIsNoHindrance(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		front := memconn.Listen(buffer)
		var copying sync.WaitGroup
		proxy := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			agent, err := w.listener.Dial(r.Context())
			if r.Method != http.MethodConnect || err != nil {
				t.Errorf("the proxy is asked to %s: %v", r.Method, err)
				return
			}
			master, _, err := http.NewResponseController(rw).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = master.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			pass := func(to, from net.Conn) { _, _ = io.Copy(to, from); _ = to.Close() }
			copying.Go(func() { pass(agent, master) })
			copying.Go(func() { pass(master, agent) })
		})}
		copying.Go(func() { _ = proxy.Serve(front) })
		stop := w.startMaster(&url.URL{Scheme: "http", Host: "proxy:3128"})
		w.register(front, w.pin)
		if _, err := w.get(); err != nil {
			t.Error(err)
		}
		if o := w.sessions.Observe(name); o.Binding != session.BindingTLS {
			t.Errorf("binding %q, want TLS", o.Binding)
		}
		stop()
		_ = proxy.Close()
		copying.Wait()
	})
}

// TestAProxyThatEndsTLSIsRefused is the attack in the middle: a certificate that the master
// accepts, and every message passed on as it is.
func TestAProxyThatEndsTLSIsRefused(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		r, stop := w.startRelay()
		defer stop()
		w.register(r.front, r.Pin(), func(c *session.Cluster) { c.IdleRefresh = time.Minute })
		w.wantRefused("--channel-binding=off")
		time.Sleep(5 * time.Minute) // summaries are asked for
		r.wantNothingTold(t)
		if o := w.sessions.Observe(name); o.Summary != nil || o.UID != "" {
			t.Errorf("the master learned %+v through it", o)
		}
	})
}

// TestBindingOffLetsAProxyThroughAndIsTold is the flag that the agent alone has.
func TestBindingOffLetsAProxyThroughAndIsTold(t *testing.T) {
	inWorld(t, func(c *report.Config) { c.Unbound = true }, func(t *testing.T, w *world) {
		r, stop := w.startRelay()
		defer stop()
		w.register(r.front, r.Pin(), func(c *session.Cluster) { c.Continuous = true })
		if v, err := w.get(); err != nil || v.State.Len(state.KindPod) != 1 {
			t.Errorf("got %+v, %v", v, err)
		}
		time.Sleep(time.Minute) // renewals too
		if o := w.sessions.Observe(name); o.Binding != session.BindingOff || o.Session.Phase != session.Reporting || o.LastEndReason != "" {
			t.Errorf("%+v, want a session of the binding Off", o)
		}
	})
}

// thief is an endpoint in the agent's place that collects tokens and signatures.
type thief struct {
	listener *memconn.Listener
	pin      string

	mu     sync.Mutex
	tokens []string
	// hello is what it says to the master; nil: it says nothing.
	hello   *wire.Hello
	reports []*wire.Report
}

// startThief serves TLS with a certificate that the master accepts.
func (w *world) startThief(hello *wire.Hello) (h *thief, stop func()) {
	h = &thief{listener: memconn.Listen(buffer), hello: hello}
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "thief", "thief")
	if err != nil {
		w.t.Fatal(err)
	}
	h.pin = tlsfiles.Pin(config.Certificates[0].Leaf)
	server := &http.Server{Handler: h, TLSConfig: config, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	server.Protocols.SetHTTP1(true)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeTLS(h.listener, "", "") })
	return h, func() {
		_ = server.Close()
		serving.Wait()
	}
}

func (h *thief) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.tokens = append(h.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	hello := h.hello
	h.mu.Unlock()
	if hello == nil {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	e := &end{conn: conn}
	e.sayAgent(hello)
	if m, ok := e.hearMaster().(*wire.Report); ok {
		h.mu.Lock()
		h.reports = append(h.reports, m)
		h.mu.Unlock()
	}
}

// end is one end of a connection, as plain as can be.
type end struct {
	conn    *websocket.Conn
	in, out wire.Seal
	channel token.Channel
}

func (e *end) sayAgent(m wire.AgentMessage) {
	if frame, err := wire.NewCodec().EncodeAgent(m); err == nil {
		_ = e.conn.Write(context.Background(), websocket.MessageBinary, e.out.Close(frame))
	}
}

func (e *end) sayMaster(m wire.MasterMessage) {
	if frame, err := wire.EncodeMaster(m); err == nil {
		_ = e.conn.Write(context.Background(), websocket.MessageBinary, e.out.Close(frame))
	}
}

func (e *end) read() []byte {
	_, frame, err := e.conn.Read(context.Background())
	if err != nil {
		return nil
	}
	frame, _ = e.in.Open(frame)
	return frame
}

func (e *end) hearMaster() wire.MasterMessage {
	m, _ := wire.DecodeMaster(e.read())
	return m
}

func (e *end) hearAgent() wire.AgentMessage {
	m, _ := wire.NewCodec().DecodeAgent(e.read())
	return m
}

// dialAgent dials the agent with a token.
func (w *world) dialAgent(bearer string) *end {
	w.t.Helper()
	transport := &http.Transport{DialContext: w.listener.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, response, err := websocket.Dial(w.t.Context(), "wss://agent"+wire.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{wire.Subprotocol}, HTTPHeader: http.Header{"Authorization": {"Bearer " + bearer}},
	})
	if err != nil {
		w.t.Fatalf("dial with the token: %v", err)
	}
	channel, err := token.ChannelOf(response.TLS)
	if err != nil {
		w.t.Fatal(err)
	}
	return &end{conn: conn, channel: channel}
}

// wantUnauthorized fails if the agent says anything but that.
func (e *end) wantUnauthorized(t *testing.T, what string) {
	t.Helper()
	m := e.hearAgent()
	if ended, ok := m.(*wire.End); !ok || ended.Reason != wire.EndUnauthorized {
		t.Errorf("%s: the agent says %T %+v, want End(unauthorized)", what, m, m)
	}
	if rest := e.hearAgent(); rest != nil {
		t.Errorf("%s: then it says %T", what, rest)
	}
	_ = e.conn.CloseNow()
}

// TestARelayedTokenGetsNothing is the attack of who edits an endpoint: the master's tokens
// come to somebody who uses them at the real agent.
func TestARelayedTokenGetsNothing(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		h, stop := w.startThief(nil)
		defer stop()
		w.register(h.listener, h.pin)
		for range 2 {
			if v, err := w.get(); err == nil {
				t.Fatalf("the thief was believed: %+v", v)
			}
			time.Sleep(10 * time.Second)
		}
		h.mu.Lock()
		tokens := h.tokens
		h.mu.Unlock()
		if len(tokens) < 2 {
			t.Fatalf("%d tokens came to the thief, want two", len(tokens))
		}
		for i, m := range []*wire.Report{
			{Protocol: wire.ProtocolMax, Session: "s", Period: time.Second, Duration: time.Hour},
			{Protocol: wire.ProtocolMax, SummaryOnly: true},
		} {
			e := w.dialAgent(tokens[i])
			hello, ok := e.hearAgent().(*wire.Hello)
			if !ok || hello.Nonce == nil {
				t.Fatalf("hello %+v", hello)
			}
			m.Holder = holderOf(t, tokens[i])
			e.sayMaster(m)
			e.wantUnauthorized(t, "an unsigned Report")
		}
	})
}

// TestARelayedSignatureGetsNothing is the same with a thief who dials the agent first, and
// gives the master the agent's own nonce to sign, as it is and as an agent would that runs
// with --channel-binding=off.
func TestARelayedSignatureGetsNothing(t *testing.T) {
	for _, unbound := range []bool{false, true} {
		for _, summary := range []bool{false, true} {
			inWorld(t, nil, func(t *testing.T, w *world) {
				first, stopFirst := w.startThief(nil)
				defer stopFirst()
				w.register(first.listener, first.pin)
				_, _ = w.get()
				first.mu.Lock()
				stolen := first.tokens[0]
				first.mu.Unlock()
				time.Sleep(20 * time.Second) // nobody asks any more
				e := w.dialAgent(stolen)
				hello := e.hearAgent().(*wire.Hello)
				hello.Unbound = unbound
				h, stop := w.startThief(hello)
				defer stop()
				w.register(h.listener, h.pin, func(c *session.Cluster) {
					if summary {
						c.IdleRefresh = time.Hour
					}
				})
				if !summary {
					_, _ = w.get()
				}
				synctest.Wait()
				h.mu.Lock()
				reports := h.reports
				h.mu.Unlock()
				if len(reports) == 0 || len(reports[0].Signature) != token.SignatureSize || reports[0].SummaryOnly != summary {
					t.Fatalf("the thief got %+v, want a signed Report", reports)
				}
				e.sayMaster(reports[0])
				e.wantUnauthorized(t, "a relayed Report")
			})
		}
	}
}

// holderOf returns the holder of a token.
func holderOf(t *testing.T, bearer string) string {
	t.Helper()
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(bearer, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}

// TestAnAgentWithOtherKeysEndsTheSession: the master is told why, and what it signs is not
// accepted any more.
func TestAnAgentWithOtherKeysEndsTheSession(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.register(w.listener, w.pin, func(c *session.Cluster) { c.Continuous = true })
		if _, err := w.get(); err != nil {
			t.Fatal(err)
		}
		other, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		w.verifier.SetKeys(other.Public().(ed25519.PublicKey))
		w.handler.KeysChanged()
		synctest.Wait()
		o := w.sessions.Observe(name)
		if o.Reason != session.Unauthorized || o.LastEndReason != "unauthorized" || !strings.Contains(o.Message, "--master-public-key-file") {
			t.Errorf("told %s, %q, ended by %q", o.Reason, o.Message, o.LastEndReason)
		}
		time.Sleep(time.Minute)
		w.wantRefused("--signing-key-file")
	})
}

// TestASuspendedClusterIsNotRenewed: the master stops the session, signs nothing more, and
// the agent tells nobody.
func TestASuspendedClusterIsNotRenewed(t *testing.T) {
	inWorld(t, func(c *report.Config) { c.Unbound = true }, func(t *testing.T, w *world) {
		r, stop := w.startRelay()
		defer stop()
		w.register(r.front, r.Pin(), func(c *session.Cluster) { c.Continuous = true })
		if _, err := w.get(); err != nil {
			t.Fatal(err)
		}
		// From now on the relay keeps what the master says from the agent: no Stop comes.
		r.Follow(func(p fault.Passage) fault.Fault {
			r.mu.Lock()
			defer r.mu.Unlock()
			if p.Direction == fault.ToMaster {
				r.sent[p.Connection] = append(r.sent[p.Connection], p.Size)
				return fault.Fault{}
			}
			return fault.Fault{Kind: fault.Drop}
		})
		w.edit(func(c *session.Cluster) { c.Suspended = true })
		time.Sleep(20 * time.Second)
		synctest.Wait()
		r.mu.Lock()
		before := len(r.sent[0])
		r.mu.Unlock()
		time.Sleep(time.Minute)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.sent) != 1 || len(r.sent[0]) != before {
			t.Errorf("the agent goes on: %d messages, then %d, on %d connections", before, len(r.sent[0]), len(r.sent))
		}
	})
}

// TestPlainEndpointsAreToldWhatToSet is of users who write ws:// where the agent wants binding.
func TestPlainEndpointsAreToldWhatToSet(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		// Something before the agent speaks TLS with it, and plain ws with the master.
		front := memconn.Listen(buffer)
		r, err := fault.New(fault.Config{Agent: "wss://agent", Listener: front, Dial: w.listener.Dial})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- r.Run(context.Background()) }()
		w.register(front, w.pin, func(c *session.Cluster) { c.Endpoint = "ws://10.20.0.7:7443" })
		w.wantRefused("use wss:// up to the agent itself, or start the agent with --channel-binding=off")
		r.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
