// Package client tests the Go client and kubectl's plugin against the master's own HTTP
// API, which package client does not import.
package client

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/client"
	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/master/view"
)

func TestMain(m *testing.M) {
	// A SPDY connection that failed to close waits a second in shutdown.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/moby/spdystream.(*Connection).shutdown"),
		// client-go leaves this goroutine if the data stream of a connection cannot be created.
		goleak.IgnoreAnyFunction("k8s.io/client-go/tools/portforward.(*PortForwarder).handleConnection.func1"))
}

// masterAPI is a master's HTTP API over clusters that a test can change.
type masterAPI struct {
	*client.Client
	api    http.Handler
	server *httptest.Server

	sessions sessiontest.Sessions
}

// newShop returns a master with two clusters that report, a suspended one, and one that cannot be
// reached. change, if it is not nil, changes the API's Config.
func newShop(t *testing.T, change func(*httpapi.Config)) *masterAPI {
	t.Helper()
	unreachable := session.Status{Session: session.Info{Phase: session.Backoff}, Message: "connection refused"}
	m := &masterAPI{sessions: sessiontest.Sessions{
		Registered: registered("lab", "lost", "prod-eu", "prod-us"),
		Reports:    map[string]*session.Report{}, Statuses: map[string]session.Status{"lab": unreachable, "lost": unreachable},
		Failures: map[string]error{
			"lab":  session.ErrSuspended,
			"lost": &session.UnreachableError{Reason: dial.DialFailed, Err: errors.New("connection refused"), RetryAfter: 3 * time.Second},
		},
	}}
	m.report(t, "prod-eu", shopObjects()...)
	m.report(t, "prod-us", shopObjects()[:2]...)
	registry := prometheus.NewRegistry()
	c := httpapi.Config{
		Sessions: &m.sessions, Registry: &m.sessions,
		Version: "v1.2.3", Documents: view.NewDocumentCache(1 << 20), Gatherer: registry, Metrics: registry, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	m.api = httpapi.New(c)
	m.server = httptest.NewServer(m.api)
	t.Cleanup(m.server.Close)
	var err error
	if m.Client, err = client.New(client.Config{Server: m.server.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Client.Close)
	return m
}

// shopObjects returns the objects of a cluster in which one container is waiting.
func shopObjects() []state.Object {
	created := state.TimeOf(time.Now().Add(-73 * time.Hour))
	failedAt := state.TimeOf(time.Now().Add(-11 * time.Minute))
	return []state.Object{
		&state.Node{Name: "n1", Ready: state.True, Schedulable: true, Roles: []string{"control-plane"}, CreatedAt: created, KubeletVersion: "v1.36.3", Allocatable: state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30, Pods: 110}},
		&state.Pod{Namespace: "kube-system", Name: "dns", Node: "n1", Status: "Running", Ready: state.Fraction{Of: 1, Total: 1}, Phase: state.PodRunning, Owner: state.Owner{Kind: "Pod", Name: "dns"}, CreatedAt: created},
		&state.NodeLoad{Node: "n1", Pods: 3, Requested: state.Resources{CPUMillis: 1000, MemoryBytes: 1 << 30}},
		&state.Pod{Namespace: "shop", Name: "web-1", Node: "n1", Status: "CrashLoopBackOff", Ready: state.Fraction{Of: 1, Total: 2}, Restarts: 5, LastRestartAt: failedAt, Phase: state.PodRunning, Owner: state.Owner{Kind: "Deployment", Name: "web"}, CreatedAt: created, PodIPs: []string{"10.0.0.7"}},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "app", Kind: state.Main, Node: "n1", Image: "shop:1", State: state.Running, Ready: true, StartedAt: created},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "log", Kind: state.Sidecar, Node: "n1", Image: "log:2", State: state.Waiting, Reason: "CrashLoopBackOff", NotReadySince: failedAt, CrashLoopSince: failedAt, Restarts: 5, Last: &state.LastTermination{Reason: "OOMKilled", ExitCode: 137, FinishedAt: failedAt}},
		&state.Port{Node: "*", Protocol: state.TCP, Port: 31234, Kind: state.NodePort, Namespace: "shop", Service: "web", ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyCluster},
		&state.Target{ServiceNamespace: "shop", Service: "web", ServicePort: "http", Protocol: state.TCP, Addresses: []string{"10.0.0.7"}, Namespace: "shop", Pod: "web-1", Container: "app", ContainerPort: 8080, Node: "n1", Ready: true, Serving: true},
		&state.Port{Node: "n1", Protocol: state.TCP, Port: 9100, Kind: state.HostPort, Namespace: "shop", Pod: "web-1", Target: &state.Target{Addresses: []string{"10.0.0.7"}, Namespace: "shop", Pod: "web-1", ContainerPort: 9100, Node: "n1", Ready: true, Serving: true}},
	}
}

// report replaces the state of a cluster.
func (m *masterAPI) report(t *testing.T, cluster string, objects ...state.Object) {
	t.Helper()
	d := state.Delta{Epoch: 0x9f2c, To: uint64(len(objects))}
	for i, o := range objects {
		d.Upserts = append(d.Upserts, state.Entry{Seq: uint64(i + 1), Object: o})
	}
	m.apply(t, cluster, &state.State{Epoch: 0x9f2c}, d)
}

// change changes the state of a cluster.
func (m *masterAPI) change(t *testing.T, cluster string, removes []state.Key, upserts ...state.Object) {
	t.Helper()
	base, err := m.sessions.Reports[cluster].State()
	if err != nil {
		t.Fatal(err)
	}
	d := state.Delta{Epoch: base.Epoch, From: base.Seq, To: base.Seq + uint64(len(upserts)+len(removes)), Removes: removes}
	for i, o := range upserts {
		d.Upserts = append(d.Upserts, state.Entry{Seq: base.Seq + uint64(i+1), Object: o})
	}
	m.apply(t, cluster, base, d)
}

// apply stores a report with the delta applied to the base.
func (m *masterAPI) apply(t *testing.T, cluster string, base *state.State, d state.Delta) {
	t.Helper()
	now := time.Now()
	sections := [state.NumSections]state.Section{}
	for i := range sections {
		sections[i].ObservedAt = now
	}
	sections[state.SectionUsage] = state.Section{Error: state.SectionError{Reason: "Unavailable", Message: "metrics.k8s.io is not served"}}
	d.Sections = &sections
	s, err := state.Apply(base, d)
	if err != nil {
		t.Fatal(err)
	}
	report := &session.Report{
		Cluster: cluster, UID: "8a1f", KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", Term: 17, LazyState: wire.NewLazyState(s), Summary: state.Summarize(s, now),
		ObservedAt: now, ReceivedAt: now, TTL: time.Minute, ExpiresAt: now.Add(time.Minute),
		Session: session.Info{ID: "s-1", Phase: session.Reporting, StartedAt: now, ExpiresAt: now.Add(30 * time.Minute)},
	}
	m.sessions.Change(func() {
		m.sessions.Reports[cluster], m.sessions.Statuses[cluster] = report, sessiontest.StatusOf(report)
	})
}

// register replaces the list of registered clusters.
func (m *masterAPI) register(names ...string) {
	m.sessions.Change(func() { m.sessions.Registered = registered(names...) })
}

// registered returns clusters with the properties that they have in the shop.
func registered(names ...string) (all []session.Registered) {
	for _, name := range names {
		all = append(all, session.Registered{Name: name, Suspended: name == "lab", ClusterIPs: map[string][]string{"prod-eu": {"203.0.113.7"}}[name]})
	}
	return all
}

// result is the result of a command.
type result struct {
	code        int
	out, errOut string
}

// kubectl runs `kubectl rollcall` against the master.
func (m *masterAPI) kubectl(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	c := plugin.Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, Version: "v1.2.3", Getenv: m.getenv}
	code := plugin.Run(t.Context(), c, args)
	return result{code, out.String(), errOut.String()}
}

// getenv returns the environment of a command with ROLLCALL_SERVER set.
func (m *masterAPI) getenv(name string) string {
	if name == "ROLLCALL_SERVER" {
		return m.server.URL
	}
	return ""
}

// everything is an Authorizer that allows all access.
func everything(context.Context, httpapi.Access) error { return nil }

// unauthenticated is an Authenticate function that accepts no request.
func unauthenticated(*http.Request) (httpapi.Authorizer, error) {
	return nil, httpapi.ErrUnauthenticated
}
