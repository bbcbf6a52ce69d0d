package client

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	proxyutil "k8s.io/apimachinery/pkg/util/proxy"
	"k8s.io/apiserver/pkg/util/proxy"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/test/client/kubelet"
)

// hub is a fake API server with pods of the master, whose port is forwarded to the master of the test.
type hub struct {
	*httptest.Server
	master *httptest.Server
	// kubelet is the fake kubelet of the master's node.
	kubelet *httptest.Server
	pods    []corev1.Pod
	// websockets enables port-forward over websockets, which API servers support
	// since Kubernetes 1.31; others support only SPDY.
	websockets  bool
	forwards    atomic.Int32
	podsRequest atomic.Pointer[http.Request]
}

// newHub starts a hub, a kubelet and a TLS server for the master.
func newHub(t *testing.T, m *masterAPI) *hub {
	t.Helper()
	h := &hub{master: httptest.NewTLSServer(m.api), websockets: true, pods: []corev1.Pod{pod("starting", corev1.ConditionFalse), pod("running", corev1.ConditionTrue)}}
	h.Server = httptest.NewTLSServer(h)
	h.kubelet = httptest.NewUnstartedServer(kubelet.Forward(h.master.Listener.Addr().String(), 9443))
	h.kubelet.Listener = &listener{Listener: h.kubelet.Listener}
	h.kubelet.Start()
	for _, server := range []*httptest.Server{h.Server, h.master} {
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // tests break handshakes
	}
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Server.Close()
		h.kubelet.Close()
		h.master.Close()
	})
	return h
}

// pod returns a pod of the master.
func pod(name string, ready corev1.ConditionStatus) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "rollcall-system"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "master", Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: 1}, {Name: "https", ContainerPort: 9443}}}}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

// ServeHTTP serves the list of pods, and port-forward to the pod "running".
func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api/v1/namespaces/rollcall-system/pods":
		h.podsRequest.Store(r)
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}, Items: h.pods}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
	case "/api/v1/namespaces/rollcall-system/pods/running/portforward":
		h.forwards.Add(1)
		to, _ := url.Parse(h.kubelet.URL)
		var forward http.Handler = proxyutil.NewUpgradeAwareHandler(to, nil, false, true, h)
		if h.websockets && r.Header.Get("Upgrade") == "websocket" {
			forward = proxy.NewTunnelingHandler(forward)
		}
		forward.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}

// listener records accepted connections, since a server does not close upgraded ones.
type listener struct {
	net.Listener
	mu       sync.Mutex
	accepted []net.Conn
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.accepted = append(l.accepted, c)
	}
	return c, err
}

// breakForwards closes all port-forwards, like the end of a pod.
func (h *hub) breakForwards() {
	l := h.kubelet.Listener.(*listener)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.accepted {
		c.Close()
	}
}

// Error implements proxyutil.ErrorResponder.
func (h *hub) Error(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusBadGateway)
}

// kubeconfig returns the path of a kubeconfig for the hub, with a token.
func (h *hub) kubeconfig(t *testing.T) string {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "hub",
		"clusters": []any{map[string]any{"name": "hub", "cluster": map[string]any{"server": h.URL, "certificate-authority-data": ca}}},
		"users":    []any{map[string]any{"name": "me", "user": map[string]any{"token": "of-the-kubeconfig"}}, map[string]any{"name": "other", "user": map[string]any{"as": "another"}}},
		"contexts": []any{map[string]any{"name": "hub", "context": map[string]any{"cluster": "hub", "user": "me"}}},
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kubectl runs the plugin without --server.
func (h *hub) kubectl(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	args = append(args, "--kubeconfig", h.kubeconfig(t))
	code := plugin.Run(t.Context(), plugin.Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}}, args)
	return result{code, out.String(), errOut.String()}
}

// tokenRecorder records the Authorization headers of requests to a master.
type tokenRecorder struct {
	mu      sync.Mutex
	headers []string
}

// record makes a master record the headers.
func (s *tokenRecorder) record(c *httpapi.Config) {
	c.Authenticate = func(r *http.Request) (httpapi.Authorizer, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.headers = append(s.headers, r.Header.Get("Authorization"))
		return everything, nil
	}
}

// drain returns and clears the recorded headers.
func (s *tokenRecorder) drain() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	headers := s.headers
	s.headers = nil
	return headers
}

func TestPortForwardUsesAReadyMasterAndTheKubeconfigsToken(t *testing.T) {
	for _, websockets := range []bool{true, false} {
		t.Run(fmt.Sprint("websockets ", websockets), func(t *testing.T) {
			var recorder tokenRecorder
			h := newHub(t, newShop(t, recorder.record))
			h.websockets = websockets
			r := h.kubectl(t, "nodes", "prod-eu", "-o", "name")
			if r.code != 0 || r.out != "node.rollcall.dev/n1\n" {
				t.Fatalf("got %d, %q, %q", r.code, r.out, r.errOut)
			}
			if headers := recorder.drain(); !slices.Equal(headers, []string{"Bearer of-the-kubeconfig"}) || h.podsRequest.Load().URL.Query().Get("labelSelector") != "app.kubernetes.io/name=rollcall-master" {
				t.Errorf("got tokens %q and the request %s to the hub", headers, h.podsRequest.Load().URL)
			}
			r = h.kubectl(t, "nodes", "prod-eu", "prod-us", "-o", "name", "--token", "own")
			if headers := recorder.drain(); r.code != 0 || !slices.Equal(headers, []string{"Bearer own", "Bearer own"}) {
				t.Errorf("with --token: got tokens %q, stderr %q", headers, r.errOut)
			}
			if want := map[bool]int32{true: 2, false: 4}[websockets]; h.forwards.Load() != want {
				t.Errorf("got %d port-forwards, want %d", h.forwards.Load(), want)
			}
		})
	}
}

func TestBrokenPortForwardIsReplaced(t *testing.T) {
	m := newShop(t, nil)
	h := newHub(t, m)
	h.websockets = false // with websockets the break is detected by the next ping, after up to 10 s
	lines, stop := startWatch(t, func(string) string { return "" }, "pods", "prod-us", "-o", "name", "--kubeconfig", h.kubeconfig(t))
	if got := lines(1); !slices.Equal(got, []string{"pod.rollcall.dev/dns"}) {
		t.Fatalf("first: got %q", got)
	}
	h.breakForwards()
	m.change(t, "prod-us", nil, &state.Pod{Namespace: "shop", Name: "web-2", Phase: state.PodPending})
	if got := lines(1); !slices.Equal(got, []string{"pod.rollcall.dev/web-2"}) || h.forwards.Load() < 2 {
		t.Errorf("after %d port-forwards: got %q, want the new pod", h.forwards.Load(), got)
	}
	stop()
}

func TestFailedPortForwardIsExplained(t *testing.T) {
	m := newShop(t, nil)
	for want, change := range map[string]func(*hub){
		"namespace rollcall-system (or set --server): no pods found":                           func(h *hub) { h.pods = nil },
		"namespace rollcall-system (or set --server): none of 1 pods is ready":                 func(h *hub) { h.pods = h.pods[:1] },
		"port-forward to port 9443 of pod rollcall-system/elsewhere: error upgrading connecti": func(h *hub) { h.pods = []corev1.Pod{pod("elsewhere", corev1.ConditionTrue)} },
	} {
		h := newHub(t, m)
		change(h)
		if r := h.kubectl(t, "status"); r.code != 1 || !strings.Contains(r.errOut, want) {
			t.Errorf("got %q, want %q", r.errOut, want)
		}
	}
	h := newHub(t, m)
	if r := h.kubectl(t, "status", "--master-namespace", "other"); !strings.Contains(r.errOut, "find a master in the hub (or set --server)") {
		t.Errorf("missing namespace: got %q", r.errOut)
	}
	if r := h.kubectl(t, "status", "--user", "other"); !strings.Contains(r.errOut, "impersonates another, which a Rollcall master does not support") {
		t.Errorf("impersonation: got %q", r.errOut)
	}
}

func TestMastersCertificateIsVerifiedThroughPortForwardIfRequested(t *testing.T) {
	h := newHub(t, newShop(t, nil))
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.master.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := h.kubectl(t, "nodes", "prod-eu", "-o", "name", "--certificate-authority", ca); r.code != 1 || !strings.Contains(r.errOut, "rollcall-master.rollcall-system.svc") {
		t.Errorf("certificate with another name: got %d, %q", r.code, r.errOut)
	}
	if r := h.kubectl(t, "nodes", "prod-eu", "-o", "name", "--certificate-authority", ca, "--tls-server-name", "example.com"); r.code != 0 {
		t.Errorf("right name: got %d, %q; want 0", r.code, r.errOut)
	}
}

func TestCertificateAndCredentialsByServer(t *testing.T) {
	var recorder tokenRecorder
	m := newShop(t, recorder.record)
	h := newHub(t, m)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.master.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	// All servers of httptest have the same certificate, so that the hub's CA is also the master's.
	for _, how := range [][]string{nil, {"--certificate-authority", ca}, {"--insecure-skip-tls-verify"}} {
		r := h.kubectl(t, append([]string{"nodes", "prod-eu", "-o", "name", "--server", h.master.URL}, how...)...)
		if headers := recorder.drain(); r.code != 0 || !slices.Equal(headers, []string{"Bearer of-the-kubeconfig"}) {
			t.Errorf("%q: got %d, %q, tokens %q", how, r.code, r.errOut, headers)
		}
	}
	if headers := recorder.drain(); headers != nil {
		t.Errorf("got further tokens %q", headers)
	}
	if h.forwards.Load() != 0 {
		t.Errorf("got %d port-forwards, want none", h.forwards.Load())
	}
	for want, args := range map[string][]string{
		"certificate":                 {"--server", h.master.URL, "--tls-server-name", "other.example"},
		"unencrypted":                 {"--server", "http://rollcall.example"},
		"cannot both be set":          {"--server", h.master.URL, "--insecure-skip-tls-verify", "--certificate-authority", ca},
		"contains no PEM certificate": {"--server", h.master.URL, "--certificate-authority", "/dev/null"},
		"no such file":                {"--server", h.master.URL, "--certificate-authority", "/nonexistent"},
	} {
		if r := h.kubectl(t, append([]string{"nodes", "prod-eu"}, args...)...); r.code != 1 || !strings.Contains(r.errOut, want) {
			t.Errorf("%q: got %d, %q; want 1, %q", args, r.code, r.errOut, want)
		}
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("HOME", t.TempDir())
	var errOut bytes.Buffer
	code := plugin.Run(t.Context(), plugin.Config{IOStreams: genericiooptions.IOStreams{Out: &errOut, ErrOut: &errOut}}, []string{"status"})
	if code != 1 || !strings.Contains(errOut.String(), "set --kubeconfig or $KUBECONFIG to a kubeconfig of the hub, or set --server") {
		t.Errorf("without kubeconfig and server: got %d, %s", code, errOut.String())
	}
}
