package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

func TestInvalidConfigsAreRejected(t *testing.T) {
	token := func(context.Context) (string, error) { return "t", nil }
	for want, c := range map[string]Config{
		`"" is not a URL`:          {},
		`"rollcall:8443" is not a`: {Server: "rollcall:8443"},
		`"ftp://x" is not a URL`:   {Server: "ftp://x"},
		"unencrypted":              {Server: "http://rollcall.example", Token: token},
		"cannot both be set":       {Server: "https://x", TLS: &tls.Config{}, Transport: http.DefaultTransport},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
	for _, server := range []string{"http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://x"} {
		c, err := New(Config{Server: server, Token: token})
		if err != nil {
			t.Errorf("%s: %v", server, err)
			continue
		}
		c.Close()
	}
}

func TestTransportVerifiesCertificatesAndUsesHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		respond(`{"resourceVersion":"`+r.Proto+`"}`)(w, r)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for trusted, config := range map[bool]*tls.Config{true: {RootCAs: roots}, false: nil} {
		c, err := New(Config{Server: server.URL, TLS: config})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		list, err := c.Clusters(t.Context(), ClusterOptions{})
		if trusted != (err == nil) || trusted && list.ResourceVersion != "HTTP/2.0" {
			t.Errorf("trusted %v: %+v, %v", trusted, list, err)
		}
	}
}

func TestListSendsItsOptions(t *testing.T) {
	m := serve(t, Config{Token: func(context.Context) (string, error) { return "secret", nil }}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Age", "3")
		respond(`{"cluster":"prod-eu","resourceVersion":"7.a-1","ports":[{"node":"*","protocol":"TCP","port":31234,"kind":"NodePort","namespace":"shop","service":"web","targets":[{"pod":"web-1","ready":true}]}],"note":"n","new":1}`)(w, nil)
	})
	ports, err := m.Ports(t.Context(), "203.0.113.7", ListOptions{
		Filter: Filter{Namespace: "shop", Node: "n1", Pod: "p", Owner: "Deployment/web", State: "s", Kind: "NodePort", Port: 31234, Protocol: state.TCP, Query: "a b"},
		Limit:  10, Continue: "c", Timeout: 30 * time.Second, AwaitUsage: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{
		"namespace": {"shop"}, "node": {"n1"}, "pod": {"p"}, "owner": {"Deployment/web"}, "state": {"s"}, "kind": {"NodePort"}, "port": {"31234"},
		"protocol": {"TCP"}, "q": {"a b"}, "limit": {"10"}, "continue": {"c"}, "timeout": {"30s"}, "wait": {"usage"},
	}
	r := m.request(0)
	if r.URL.Path != "/api/v1/clusters/203.0.113.7/ports" || !reflect.DeepEqual(r.URL.Query(), want) {
		t.Errorf("request for %s", r.URL)
	}
	if r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("User-Agent") != "rollcall-client" {
		t.Errorf("headers %v", r.Header)
	}
	if len(ports.Items) != 1 || ports.Items[0].Service != "web" || ports.Items[0].Targets[0].Pod != "web-1" || ports.Note != "n" || ports.Age != 3*time.Second || ports.ResourceVersion != "7.a-1" {
		t.Errorf("got %+v", ports)
	}
}

func TestGetDecodesAllRows(t *testing.T) {
	m := serve(t, Config{}, respond(`{"cluster":"a","receivedAt":"2026-11-22T05:19:00.452Z","sections":[{"name":"usage","error":{"reason":"Unavailable","message":"m"}}],
		"summary":{"healthy":true,"problems":[]},
		"nodes":[{"name":"n1","ready":"True","requested":{"cpuMillis":1},"pods":3,"used":{"cpuMillis":7}},{"name":"n2"}],
		"pods":[{"namespace":"shop","name":"web-1","phase":"Running"}],
		"containers":[{"namespace":"shop","pod":"web-1","name":"app","state":"terminated","exitCode":3}],
		"ports":[{"node":"n1","port":80}]}`))
	d, err := m.Get(t.Context(), "a", ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case d.Nodes[0].NodeLoad.Node != "n1" || d.Nodes[0].NodeLoad.Pods != 3 || d.Nodes[0].Used.CPUMillis != 7:
		t.Errorf("node %+v", d.Nodes[0])
	case d.Nodes[1].Requested.CPUMillis != 0:
		t.Error("the node without a load has no NodeLoad")
	case d.Containers[0].Container.ExitCode != 3:
		t.Errorf("container %+v", d.Containers[0].Container)
	case d.Sections[0].Error.Reason != "Unavailable" || !d.Summary.Healthy || d.ReceivedAt.IsZero():
		t.Errorf("head %+v", d.ClusterMeta)
	}
}

func TestAllIteratesOverPages(t *testing.T) {
	m := serve(t, Config{},
		respond(`{"pods":[{"name":"a"},{"name":"b"}],"continue":"next"}`),
		respond(`{"pods":[{"name":"c"}]}`))
	var names []string
	for p, err := range All(t.Context(), m.Pods, "prod-eu", ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, p.Name)
	}
	if got := strings.Join(names, ""); got != "abc" {
		t.Errorf("got %s", got)
	}
	if first, second := m.request(0).URL.Query(), m.request(1).URL.Query(); first.Get("limit") != "500" || second.Get("continue") != "next" {
		t.Errorf("requests %v and %v", first, second)
	}
}

func TestAllEndsWithTheError(t *testing.T) {
	m := serve(t, Config{}, respond(`{"clusters":[{"name":"a"}],"continue":"next"}`), refuse(403, "Forbidden", ""))
	var names []string
	var last error
	for c, err := range m.AllClusters(t.Context(), ClusterOptions{Query: "w"}) {
		if last = err; err == nil {
			names = append(names, c.Name)
		}
	}
	if len(names) != 1 || problem(t, last).Reason != "Forbidden" || m.request(0).URL.Query().Get("q") != "w" {
		t.Errorf("got %v, %v", names, last)
	}
}

func TestErrorsAreProblems(t *testing.T) {
	m := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		respond(`{"title":"Service Unavailable","status":503,"reason":"DialFailed","detail":"the agent cannot be reached","cluster":"a","lastError":"refused","lastObservedAt":"2026-11-22T05:19:00Z","lastKnown":{"healthy":true}}`)(w, nil)
	})
	_, err := m.Summary(t.Context(), "a", ListOptions{})
	p := problem(t, err)
	if p.Status != 503 || p.Reason != "DialFailed" || p.RetryAfter != 7*time.Second || p.LastError != "refused" || !p.LastKnown.Healthy || p.LastObservedAt.IsZero() || p.Cluster != "a" {
		t.Errorf("got %+v", p)
	}
	if err.Error() != "the agent cannot be reached (DialFailed)" {
		t.Errorf("Error() = %q", err)
	}
}

func TestForeignResponsesAreReportedAsSuch(t *testing.T) {
	m := serve(t, Config{}, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		respond("<html> bad\n gateway")(w, nil)
	})
	_, err := m.Clusters(t.Context(), ClusterOptions{})
	if p := problem(t, err); p.Reason != "BadGateway" || !strings.Contains(p.Detail, "not a response of a Rollcall master: <html> bad gateway") {
		t.Errorf("got %+v", p)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	m := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere/", http.StatusFound)
	})
	_, err := m.Clusters(t.Context(), ClusterOptions{})
	if p := problem(t, err); p.Status != 302 || !strings.Contains(p.Detail, "redirects are not followed: https://elsewhere/") || m.requests() != 1 {
		t.Errorf("got %+v", p)
	}
}

func TestResponseSizeIsLimited(t *testing.T) {
	m := serve(t, Config{MaxResponse: 1 << 10}, respond(`{"clusters":[{"name":"`+strings.Repeat("x", 2<<10)+`"}]}`))
	if _, err := m.Clusters(t.Context(), ClusterOptions{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestEmptyRowsAreRejected(t *testing.T) {
	for _, text := range []string{`{"nodes":[{}]}`, `{"pods":[{}]}`, `{"containers":[{}]}`, `{"ports":[{}]}`} {
		m := serve(t, Config{}, respond(text))
		if _, err := m.Get(t.Context(), "a", ListOptions{}); !errors.Is(err, errEmptyRow) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestClusterNamesAreEscaped(t *testing.T) {
	m := serve(t, Config{}, refuse(404, "NotFound", ""))
	for name, want := range map[string]string{"2001:db8::7": "/api/v1/clusters/2001:db8::7/pods", "a/b": "/api/v1/clusters/a%2Fb/pods", "a?b": "/api/v1/clusters/a%3Fb/pods"} {
		_, err := m.Pods(t.Context(), name, ListOptions{})
		if got := m.request(m.requests() - 1).URL.EscapedPath(); problem(t, err).Status != 404 || got != want {
			t.Errorf("%s: request for %s, want %s", name, got, want)
		}
	}
	before := m.requests()
	for _, name := range []string{"", ".", ".."} {
		if _, err := m.Pods(t.Context(), name, ListOptions{}); err == nil || m.requests() != before {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	now := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "3": 3 * time.Second, "Sun, 22 Nov 2026 05:00:09 GMT": 9 * time.Second, "Sun, 22 Nov 2026 04:00:00 GMT": 0, "-3": 0, "soon": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
