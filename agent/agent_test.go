package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/flood"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) {
	flood.Main()
	goleak.VerifyTestMain(kube.Main(m))
}

// patience is for what takes as long as it takes on a busy machine.
const patience = time.Minute

// running is an agent that runs.
type running struct {
	t         *testing.T
	addresses Addresses
	stop      context.CancelFunc
	result    chan error
	client    *http.Client
	// signer signs Reports; nil: they are not.
	signer *token.Signer
}

// start runs an agent on free ports; it is stopped with the test.
func start(t *testing.T, edit func(*Config)) *running {
	t.Helper()
	cfg := Default()
	cfg.ClusterName, cfg.Version = "member", "v0.1.0"
	cfg.Listen, cfg.MetricsListen, cfg.Auth = "127.0.0.1:0", "127.0.0.1:0", AuthNone
	edit(&cfg)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, stop: cancel, result: make(chan error, 1)}
	r.client = &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	listening := make(chan Addresses, 1)
	cfg.Listening = func(a Addresses) { listening <- a }
	go func() { r.result <- Run(ctx, cfg) }()
	select {
	case r.addresses = <-listening:
	case err := <-r.result:
		t.Fatalf("Run: %v", err)
	}
	t.Cleanup(func() { r.ended() })
	return r
}

// ended stops the agent and waits for it; a second time does nothing.
func (r *running) ended() {
	r.t.Helper()
	r.stop()
	if r.result == nil {
		return
	}
	select {
	case err := <-r.result:
		if err != nil {
			r.t.Errorf("Run: %v", err)
		}
	case <-time.After(10 * time.Second):
		r.t.Error("the agent did not end within 10s")
	}
	r.result = nil
}

func (r *running) get(url string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		r.t.Fatalf("get %s: %v", url, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// becomes waits until /readyz answers with a status, and gives its words.
func (r *running) becomes(scheme string, status int) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, words := r.get(scheme + "://" + r.addresses.Masters.String() + "/readyz")
		if got == status {
			return words
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.t.Fatalf("readyz: %d %s; want %d", got, words, status)
		}
	}
}

// master is a session's other end.
type master struct {
	t        *testing.T
	conn     *websocket.Conn
	hello    *wire.Hello
	granted  *wire.SubscribeResponse
	in, out  wire.Checksum
	unread   [][]byte // the rest of the last frame
	receiver *wire.Receiver
}

// dial opens a session.
func (r *running) dial(scheme string, header http.Header, period, duration time.Duration) *master {
	r.t.Helper()
	return r.dialAs("m1", scheme, header, period, duration)
}

// dialAs opens the session of a holder.
func (r *running) dialAs(holder, scheme string, header http.Header, period, duration time.Duration) *master {
	r.t.Helper()
	conn, response, err := websocket.Dial(r.t.Context(), scheme+"://"+r.addresses.Masters.String()+wire.Path,
		&websocket.DialOptions{HTTPClient: r.client, HTTPHeader: header, Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		r.t.Fatalf("dial: %v", err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(wire.MaxFrame)
	m := &master{t: r.t, conn: conn}
	m.hello = m.read().(*wire.Hello)
	report := &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s1", MasterID: holder, Period: period, Duration: duration}
	if r.signer != nil {
		channel, err := token.ChannelOf(response.TLS)
		if err != nil {
			r.t.Fatal(err)
		}
		report.Signature = r.signer.SignStatement(token.Statement{
			Domain: token.DomainSubscribe, Cluster: "member", MasterID: holder, Session: "s1", Nonce: m.hello.Nonce, Channel: channel,
		})
	}
	m.say(report)
	m.granted = m.read().(*wire.SubscribeResponse)
	m.receiver = wire.NewReceiver(m.hello.Epoch, nil)
	return m
}

func (m *master) say(msg wire.MasterMessage) {
	m.t.Helper()
	frame, err := wire.EncodeMaster(msg)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.conn.Write(m.t.Context(), websocket.MessageBinary, m.out.Append(frame)); err != nil {
		m.t.Fatal(err)
	}
}

func (m *master) read() wire.AgentMessage {
	m.t.Helper()
	for len(m.unread) == 0 {
		m.unread = m.readFrames()
	}
	frame := m.unread[0]
	m.unread = m.unread[1:]
	msg, err := wire.NewCodec().DecodeAgent(frame)
	if err != nil {
		m.t.Fatal(err)
	}
	return msg
}

func (m *master) readFrames() [][]byte {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), patience)
	defer cancel()
	_, frame, err := m.conn.Read(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	if frame, err = m.in.Verify(frame); err != nil {
		m.t.Fatal(err)
	}
	frames, err := wire.DecodeBatch(frame)
	if err != nil {
		m.t.Fatal(err)
	}
	return frames
}

// until takes in reports until one is as wanted.
func (m *master) until(what string, wanted func(*state.State) bool) {
	m.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		s, err := m.receiver.Receive(m.read(), time.Now())
		if err != nil {
			m.t.Fatal(err)
		}
		if s == nil {
			continue
		}
		m.say(&wire.Ack{Seq: s.Seq})
		if wanted(s) {
			return
		}
	}
	m.t.Fatalf("no report with %s", what)
}

// wantEnd takes in reports until the agent ends the session, and then its close.
func (m *master) wantEnd(reason wire.EndReason) {
	m.t.Helper()
	for {
		if end, ok := m.read().(*wire.End); ok {
			if end.Reason != reason {
				m.t.Errorf("ended with %s, want %s", end.Reason, reason)
			}
			break
		}
	}
	if _, _, err := m.conn.Read(m.t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		m.t.Errorf("after End: %v, want a normal close", err)
	}
}

func usageReason(want string) func(*state.State) bool {
	return func(s *state.State) bool { return s.Sections[state.SectionUsage].Error.Reason == want }
}

// startTrusted runs an agent with a lasting certificate, which its client pins, and
// gives the signer of the tokens that it takes.
func startTrusted(t *testing.T, edit func(*Config)) (*running, *token.Signer) {
	t.Helper()
	dir := t.TempDir()
	pin, err := GenerateCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := token.WriteKeyPair(filepath.Join(dir, "master"), key); err != nil {
		t.Fatal(err)
	}
	a := start(t, func(c *Config) {
		c.Auth, c.MasterPublicKeyFiles = AuthToken, []string{filepath.Join(dir, "master.pub")}
		c.TLSCertFile, c.TLSKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		edit(c)
	})
	a.client.Transport.(*http.Transport).TLSClientConfig.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		cert, err := x509.ParseCertificate(raw[0])
		if err == nil && tlsfiles.Pin(cert) != pin {
			err = errors.New("not the pinned certificate")
		}
		return err
	}
	a.signer = token.NewSigner(key)
	return a, a.signer
}

func TestAgentReportsItsClusterToWhoHasAToken(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "member"})
	uid, err := cluster.UID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, signer := startTrusted(t, func(c *Config) {
		c.Kubeconfig, c.UsagePeriod = cluster.Kubeconfig, time.Second
		c.MinRequestPeriod, c.MaxSession = 2*time.Second, 10*time.Minute
	})
	a.becomes("https", http.StatusOK)
	signed, err := signer.Sign("member", "m1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m := a.dial("wss", http.Header{"Authorization": {"Bearer " + signed}}, time.Second, time.Hour)
	if i := m.granted.Identity; i.ClusterName != "member" || i.ClusterUID != uid || !strings.HasPrefix(i.KubernetesVersion, "v1.") || i.AgentVersion != "v0.1.0" {
		t.Errorf("identity %+v, want member, %s", i, uid)
	}
	if m.granted.Period != 2*time.Second || m.granted.Duration != 10*time.Minute {
		t.Errorf("granted %+v, want at least 2s, at most 10m", m.granted)
	}
	m.until("why there is no usage", usageReason("Unavailable"))
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "new-"}}
	node, err = cluster.Client().CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m.until("the new node", func(s *state.State) bool {
		_, ok := s.Get(state.Key{Kind: state.KindNode, Name: node.Name})
		return ok
	})
	if _, page := a.get("http://" + a.addresses.Metrics.String() + "/metrics"); !strings.Contains(page, "\nrollcall_agent_sessions 1\n") || !strings.Contains(page, "\ngo_goroutines ") {
		t.Errorf("metrics: %s", page)
	}
	a.stop()
	m.wantEnd(wire.EndShuttingDown)
	a.ended()
}

func TestInsecureAgentServesPlainWebsockets(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "member"})
	a := start(t, func(c *Config) {
		c.Kubeconfig, c.Insecure, c.UsageSource, c.MetricsListen = cluster.Kubeconfig, true, UsageNone, ""
	})
	a.becomes("http", http.StatusOK)
	if a.addresses.Metrics != nil {
		t.Errorf("metrics are served at %s", a.addresses.Metrics)
	}
	m := a.dial("ws", nil, time.Second, time.Minute)
	m.until("usage switched off", usageReason("Disabled"))
}

func TestAgentIsNotReadyWhileItsAPIServerIsAway(t *testing.T) {
	cluster := kube.Fresh(t, kube.Options{Name: "away"})
	a := start(t, func(c *Config) { c.Kubeconfig = cluster.Kubeconfig })
	a.becomes("https", http.StatusOK)
	cluster.StopAPIServer()
	if words := a.becomes("https", http.StatusServiceUnavailable); !strings.Contains(words, "Disconnected") {
		t.Errorf("readyz says %q, want why", words)
	}
	if err := cluster.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.becomes("https", http.StatusOK)
}

func TestAgentThatNeverReachesItsClusterStaysUpAndSaysSo(t *testing.T) {
	nowhere := closedPort(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, kubeconfig, "http://"+nowhere)
	t.Setenv("KUBECONFIG", kubeconfig)
	a := start(t, func(*Config) {})
	if words := a.becomes("https", http.StatusServiceUnavailable); !strings.Contains(words, "identity") || !strings.Contains(words, "pods: not read yet") {
		t.Errorf("readyz says %q", words)
	}
	if status, _ := a.get("https://" + a.addresses.Masters.String() + "/healthz"); status != http.StatusOK {
		t.Errorf("healthz says %d", status)
	}
	status, words := a.get("https://" + a.addresses.Masters.String() + wire.Path)
	if status != http.StatusBadRequest && status != http.StatusServiceUnavailable {
		t.Errorf("%s answers %d %s", wire.Path, status, words)
	}
}

func TestAgentThatCannotWorkSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, kubeconfig, "http://"+taken.Addr().String())
	for name, tc := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"no name":                {func(c *Config) { c.ClusterName = "" }, "--cluster-name"},
		"no kubeconfig":          {func(c *Config) { c.Kubeconfig = "/nonexistent" }, "find the member cluster"},
		"no key file":            {func(c *Config) { c.Auth, c.MasterPublicKeyFiles = AuthToken, []string{"/nonexistent"} }, "read public key"},
		"no certificate":         {func(c *Config) { c.TLSCertFile, c.TLSKeyFile = "/nonexistent", "/nonexistent" }, "/nonexistent"},
		"address taken":          {func(c *Config) { c.Listen = taken.Addr().String() }, "serve masters"},
		"metrics' address taken": {func(c *Config) { c.MetricsListen = taken.Addr().String() }, "serve metrics"},
	} {
		cfg := Default()
		cfg.ClusterName, cfg.Kubeconfig, cfg.Auth = "member", kubeconfig, AuthNone
		cfg.Listen, cfg.MetricsListen = "127.0.0.1:0", "127.0.0.1:0"
		tc.edit(&cfg)
		if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
