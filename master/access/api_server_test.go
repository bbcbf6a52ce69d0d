package access

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/master/view"
	"rollcall.dev/rollcall/test/kube"
)

// testTimeout limits waiting. It allows for a busy machine, and exceeds the time for which denied
// access is cached.
const testTimeout = 2 * time.Minute

// statusVisible is the status of responses about a cluster that the caller may see: all clusters
// of these tests are suspended.
const statusVisible = http.StatusConflict

// hub returns an API server with the roles of config/ and these users:
//
//	viewer   rollcall-viewer: everything of all clusters
//	team     everything of prod-eu, by the example in config/rbac/viewer
//	lister   the list and all summaries
//	listing  the list only
//	scraper  the metrics only
//	profiler profiles only
//	nobody   nothing
func hub(t *testing.T) *kube.Cluster {
	t.Helper()
	cluster := kube.Shared(t, kube.Options{Name: "hub", Dir: hubDir})
	installOnce.Do(func() { install(t, cluster) })
	return cluster
}

// installOnce installs the roles and users in the shared hub.
var installOnce sync.Once

const testRoles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: lister}
rules:
- {apiGroups: [rollcall.dev], resources: [clusterstatuses], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: listing}
rules:
- {apiGroups: [rollcall.dev], resources: [clusterstatuses], verbs: [list]}
`

func install(t *testing.T, cluster *kube.Cluster) {
	t.Helper()
	run := func(out string, err error) {
		t.Helper()
		if err != nil && !strings.Contains(err.Error()+out, "already exists") {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	run(cluster.Kubectl("apply", "--server-side", "-f", "../../config/master/namespace.yaml"))
	run(cluster.Kubectl("apply", "--server-side", "-k", "../../config/rbac"))
	run(cluster.Kubectl("apply", "--server-side", "-f", "../../config/rbac/viewer/one_cluster_example.yaml"))
	run(cluster.KubectlInput(testRoles, "apply", "--server-side", "-f", "-"))
	for user, role := range map[string]string{"viewer": "rollcall-viewer", "lister": "lister", "listing": "listing", "scraper": "rollcall-metrics-reader", "profiler": "rollcall-profiler"} {
		run(cluster.Kubectl("create", "clusterrolebinding", user, "--clusterrole", role, "--user", user))
	}
	run(cluster.Kubectl("create", "serviceaccount", "viewer", "-n", "default"))
	run(cluster.Kubectl("create", "clusterrolebinding", "viewer-account", "--clusterrole", "rollcall-viewer", "--serviceaccount", "default:viewer"))
}

// apiServer is an API behind an Authenticator.
type apiServer struct {
	t   *testing.T
	url string
}

// serve starts an API with an Authenticator that has the permissions in config/rbac/master.
func serve(t *testing.T, cluster *kube.Cluster, edit func(*Config)) *apiServer {
	t.Helper()
	account, _, err := cluster.ServiceAccount(t.Context(), "rollcall-system", "rollcall-master")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Hub: account, Log: slog.New(slog.DiscardHandler)}
	edit(&c)
	auth, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config, err := tlsfiles.ServerConfig("", "", c.Log, "test", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	config.ClientAuth = tls.RequestClientCert
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- auth.Run(ctx) }()
	go func() { done <- newAPI(auth, c.Log).Serve(ctx, listener, config) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return &apiServer{t, "https://" + listener.Addr().String()}
}

// newAPI returns an API with the clusters prod-eu and prod-us.
func newAPI(auth *Authenticator, log *slog.Logger) *httpapi.API {
	return newAPIWith(auth, log, []session.Registered{{Name: "prod-eu", ClusterIPs: []string{"203.0.113.7"}}, {Name: "prod-us"}})
}

// newAPIWith returns an API with some clusters, all of which are suspended.
func newAPIWith(auth *Authenticator, log *slog.Logger, clusters []session.Registered) *httpapi.API {
	metrics := prometheus.NewRegistry()
	sessions := &sessiontest.Sessions{Registered: clusters, AwaitFunc: func(context.Context, string) (*session.Report, error) { return nil, session.ErrSuspended }}
	return httpapi.New(httpapi.Config{
		Profiling: true, Sessions: sessions, Registry: sessions,
		Documents: view.NewDocumentCache(1 << 20), Authenticate: auth.Identify, SignIn: auth.SignIn(),
		Gatherer: metrics, Metrics: metrics, Log: log,
	})
}

// client holds the credentials of a caller.
type client struct {
	certificate *tls.Certificate
	token       string
}

// person returns a user with a client certificate of the hub.
func person(t *testing.T, cluster *kube.Cluster, name string, groups ...string) client {
	t.Helper()
	config, _, err := cluster.User(name, groups...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(config.CertData, config.KeyData)
	if err != nil {
		t.Fatal(err)
	}
	return client{certificate: &pair}
}

// token returns a token of the service account default/viewer.
func token(t *testing.T, cluster *kube.Cluster, audiences ...string) client {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences}}
	made, err := cluster.Client().CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "viewer", request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return client{token: made.Status.Token}
}

// apiResponse is the response to a request.
type apiResponse struct {
	status int
	body   string
	header http.Header
}

func (a apiResponse) problem(t *testing.T) (p httpv1.Problem) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &p); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return p
}

func (s *apiServer) get(who client, path string) apiResponse {
	s.t.Helper()
	config := &tls.Config{InsecureSkipVerify: true}
	if who.certificate != nil {
		// The certificate has to be sent even if the server does not list its issuer.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return who.certificate, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if who.token != "" {
		request.Header.Set("Authorization", "Bearer "+who.token)
	}
	response, err := (&http.Client{Transport: transport, Timeout: testTimeout}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return apiResponse{response.StatusCode, string(body), response.Header}
}

// waitForStatus repeats a request until the response has the given status.
func (s *apiServer) waitForStatus(who client, path string, status int) apiResponse {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), testTimeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got := s.get(who, path)
		if got.status == status {
			return got
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("%s: got %d %s, want %d", path, got.status, got.body, status)
		}
	}
}
