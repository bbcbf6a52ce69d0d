// Package client tests the Go client and kubectl's plugin against the master's own HTTP
// API, which package client itself does not know.
package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

func TestMain(m *testing.M) {
	// A SPDY connection whose closing failed waits a second for who wants to know.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).shutdown"),
		// client-go leaves it behind where the data stream of a connection cannot be created.
		goleak.IgnoreAnyFunction("k8s.io/client-go/tools/portforward.(*PortForwarder).handleConnection.func1"))
}

// world is a master's HTTP API over clusters that a test changes at will.
type world struct {
	*client.Client
	api    http.Handler
	server *httptest.Server

	mu       sync.Mutex
	names    []string
	values   map[string]*session.Report
	failures map[string]error
	news     chan struct{}
}

// shop are two clusters that report, one that is suspended, and one that cannot be
// reached. Change, where given, changes the API's Config.
func shop(t *testing.T, change func(*httpapi.Config)) *world {
	t.Helper()
	w := &world{
		names: []string{"lab", "lost", "prod-eu", "prod-us"}, news: make(chan struct{}),
		values: map[string]*session.Report{}, failures: map[string]error{
			"lab":  session.ErrSuspended,
			"lost": &session.UnreachableError{Reason: session.DialFailed, Err: errors.New("connection refused"), RetryAfter: 3 * time.Second},
		},
	}
	w.report(t, "prod-eu", objects()...)
	w.report(t, "prod-us", objects()[:2]...)
	registry := prometheus.NewRegistry()
	c := httpapi.Config{
		Sessions:  httpapi.Sessions{Await: w.await, LastReport: w.peek, Status: w.observe, Watch: func(string) func() { return func() {} }, Current: w.look},
		Registry:  httpapi.Registry{Resolve: w.resolve, List: w.list, LastKnown: func(string) (httpapi.LastKnown, bool) { return httpapi.LastKnown{}, false }},
		Documents: view.NewDocumentCache(1 << 20), Gatherer: registry, Metrics: registry, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	w.api = httpapi.New(c)
	w.server = httptest.NewServer(w.api)
	t.Cleanup(w.server.Close)
	var err error
	if w.Client, err = client.New(client.Config{Server: w.server.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Client.Close)
	return w
}

// objects are of a cluster in which one container waits.
func objects() []state.Object {
	made := state.TimeOf(time.Now().Add(-73 * time.Hour))
	waits := state.TimeOf(time.Now().Add(-11 * time.Minute))
	return []state.Object{
		&state.Node{Name: "n1", Ready: state.True, Schedulable: true, Roles: []string{"control-plane"}, CreatedAt: made, KubeletVersion: "v1.36.3", Allocatable: state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30, Pods: 110}},
		&state.Pod{Namespace: "kube-system", Name: "dns", Node: "n1", Status: "Running", Ready: state.Fraction{Of: 1, Total: 1}, Phase: state.PodRunning, Owner: state.Owner{Kind: "Pod", Name: "dns"}, CreatedAt: made},
		&state.NodeLoad{Node: "n1", Pods: 3, Requested: state.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}},
		&state.Pod{Namespace: "shop", Name: "web-1", Node: "n1", Status: "CrashLoopBackOff", Ready: state.Fraction{Of: 1, Total: 2}, Restarts: 5, LastRestartAt: waits, Phase: state.PodRunning, Owner: state.Owner{Kind: "Deployment", Name: "web"}, CreatedAt: made, PodIPs: []string{"10.0.0.7"}},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "app", Kind: state.Main, Node: "n1", Image: "shop:1", State: state.Running, Ready: true, StartedAt: made},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "log", Kind: state.Sidecar, Node: "n1", Image: "log:2", State: state.Waiting, Reason: "CrashLoopBackOff", NotReadySince: waits, CrashLoopSince: waits, Restarts: 5, Last: &state.LastTermination{Reason: "OOMKilled", ExitCode: 137, FinishedAt: waits}},
		&state.Port{Node: "*", Protocol: state.TCP, Port: 31234, Kind: state.NodePort, Namespace: "shop", Service: "web", ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyCluster},
		&state.Target{ServiceNamespace: "shop", Service: "web", ServicePort: "http", Protocol: state.TCP, Addresses: []string{"10.0.0.7"}, Namespace: "shop", Pod: "web-1", Container: "app", ContainerPort: 8080, Node: "n1", Ready: true, Serving: true},
		&state.Port{Node: "n1", Protocol: state.TCP, Port: 9100, Kind: state.HostPort, Namespace: "shop", Pod: "web-1", Target: &state.Target{Addresses: []string{"10.0.0.7"}, Namespace: "shop", Pod: "web-1", ContainerPort: 9100, Node: "n1", Ready: true, Serving: true}},
	}
}

// report has a cluster report a state of its own.
func (w *world) report(t *testing.T, cluster string, objects ...state.Object) {
	t.Helper()
	d := state.Delta{Epoch: 0x9f2c, To: uint64(len(objects))}
	for i, o := range objects {
		d.Upserts = append(d.Upserts, state.Entry{Seq: uint64(i + 1), Object: o})
	}
	w.apply(t, cluster, &state.State{Epoch: 0x9f2c}, d)
}

// change has a cluster report what changed.
func (w *world) change(t *testing.T, cluster string, removes []state.Key, upserts ...state.Object) {
	t.Helper()
	held := w.values[cluster].State
	d := state.Delta{Epoch: held.Epoch, From: held.Seq, To: held.Seq + uint64(len(upserts)+len(removes)), Removes: removes}
	for i, o := range upserts {
		d.Upserts = append(d.Upserts, state.Entry{Seq: held.Seq + uint64(i+1), Object: o})
	}
	w.apply(t, cluster, held, d)
}

func (w *world) apply(t *testing.T, cluster string, held *state.State, d state.Delta) {
	t.Helper()
	now := time.Now()
	sections := [state.NumSections]state.Section{}
	for i := range sections {
		sections[i].ObservedAt = now
	}
	sections[state.SectionUsage] = state.Section{Error: state.SectionError{Reason: "Unavailable", Message: "metrics.k8s.io is not served"}}
	d.Sections = &sections
	s, err := state.Apply(held, d)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.values[cluster] = &session.Report{
		Cluster: cluster, UID: "8a1f", KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", Term: 17, State: s, Summary: state.Summarize(s, now),
		ObservedAt: now, ReceivedAt: now, TTL: time.Minute, ExpiresAt: now.Add(time.Minute),
		Session: session.Info{ID: "s-1", Phase: session.Reporting, StartedAt: now, ExpiresAt: now.Add(30 * time.Minute)},
	}
	close(w.news)
	w.news = make(chan struct{})
}

func (w *world) await(_ context.Context, cluster string) (*session.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.failures[cluster]; err != nil {
		return nil, err
	}
	return w.values[cluster], nil
}

func (w *world) peek(cluster string) (*session.Report, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.values[cluster]
	return v, ok
}

func (w *world) observe(cluster string) session.Status {
	v, ok := w.peek(cluster)
	if !ok {
		return session.Status{Session: session.Info{Phase: session.Backoff}, Message: "connection refused"}
	}
	return session.Status{Session: v.Session, UID: v.UID, KubernetesVersion: v.KubernetesVersion, AgentVersion: v.AgentVersion}
}

func (w *world) look(cluster string) (session.Current, bool) {
	if _, ok := w.resolve(cluster); !ok {
		return session.Current{}, false
	}
	o := w.observe(cluster)
	w.mu.Lock()
	defer w.mu.Unlock()
	return session.Current{Report: w.values[cluster], Status: o, Changed: w.news}, true
}

func (w *world) resolve(name string) (string, bool) {
	if name == "203.0.113.7" {
		return "prod-eu", true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return name, slices.Contains(w.names, name)
}

// register has these clusters be the registered ones, and no others.
func (w *world) register(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names = names
	close(w.news)
	w.news = make(chan struct{})
}

func (w *world) list() []httpapi.Registered {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []httpapi.Registered
	for _, name := range w.names {
		all = append(all, httpapi.Registered{Name: name, Suspended: name == "lab", ClusterIPs: map[string][]string{"prod-eu": {"203.0.113.7"}}[name]})
	}
	return all
}

// result is what the plugin did.
type result struct {
	code        int
	out, errOut string
}

// kubectl runs `kubectl rollcall` with the arguments against the world.
func (w *world) kubectl(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	c := plugin.Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, Version: "v1.2.3", Getenv: w.getenv}
	code := plugin.Run(t.Context(), c, args)
	return result{code, out.String(), errOut.String()}
}

func (w *world) getenv(name string) string {
	if name == "ROLLCALL_SERVER" {
		return w.server.URL
	}
	return ""
}

// everything is a Caller that may see it.
func everything(context.Context, httpapi.Access) error { return nil }

// unauthenticated is an Identify that knows nobody.
func unauthenticated(*http.Request) (httpapi.Authorizer, error) {
	return nil, httpapi.ErrUnauthenticated
}
