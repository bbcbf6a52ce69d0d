package httpapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/master/view"
)

// fake has the sessions and the registry of a test.
type fake struct {
	sessiontest.Sessions
	metrics *prometheus.Registry
}

// api returns an API that uses the fake. change modifies its Config and may be nil.
func (f *fake) api(change func(*Config)) *API {
	registry := prometheus.NewPedanticRegistry()
	f.metrics = registry
	c := Config{
		Sessions: &f.Sessions, Registry: &f.Sessions,
		Documents: view.NewDocumentCache(1 << 20),
		Gatherer:  registry, Metrics: registry,
		Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	return New(c)
}

// metric returns a metric of the last API as text.
func (f *fake) metric(t *testing.T, name string) (string, error) {
	t.Helper()
	families, err := f.metrics.Gather()
	for _, family := range families {
		if family.GetName() == name {
			return family.String(), err
		}
	}
	return "", err
}

// shop returns a fake with the clusters prod-eu and v1.24.lab, which have just reported.
func shop(t testing.TB) *fake {
	t.Helper()
	return &fake{Sessions: sessiontest.Sessions{
		Registered: []session.Registered{{Name: "prod-eu", ClusterIPs: []string{"203.0.113.7", "2001:db8::7"}}, {Name: "v1.24.lab"}},
		Reports:    map[string]*session.Report{"prod-eu": newReport(t, "prod-eu", time.Now()), "v1.24.lab": newReport(t, "v1.24.lab", time.Now())},
		Failures:   map[string]error{}, Statuses: map[string]session.Status{},
	}}
}

// newReport returns a report of a cluster with a node, a pod, a container and a port.
func newReport(t testing.TB, cluster string, received time.Time) *session.Report {
	t.Helper()
	sections := [state.NumSections]state.Section{}
	for i := range sections {
		sections[i].ObservedAt = received.Add(-250 * time.Millisecond)
	}
	objects := []state.Object{
		&state.Node{Name: "n1", Ready: state.True, Schedulable: true},
		&state.Pod{Namespace: "shop", Name: "web-1", Node: "n1", Phase: state.PodRunning, Owner: state.Owner{Kind: "Deployment", Name: "web"}},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "app", Kind: state.Main, Node: "n1", Image: "shop:1", State: state.Running, Ready: true},
		&state.Port{Node: "n1", Protocol: state.TCP, Port: 8080, Kind: state.HostPort, Namespace: "shop", Pod: "web-1"},
	}
	d := state.Delta{Epoch: 0x9f2c, To: uint64(len(objects)), Sections: &sections, Usage: &state.Usage{N: 1}}
	for i, o := range objects {
		d.Upserts = append(d.Upserts, state.Entry{Seq: uint64(i + 1), Object: o})
	}
	s, err := state.Apply(&state.State{Epoch: 0x9f2c}, d)
	if err != nil {
		t.Fatal(err)
	}
	return &session.Report{
		Cluster: cluster, UID: "8a1f", KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", Term: 17,
		LazyState: wire.NewLazyState(s), Summary: state.Summarize(s, received), ObservedAt: received.Add(-250 * time.Millisecond), ReceivedAt: received, TTL: 10 * time.Second, ExpiresAt: received.Add(10 * time.Second),
		Session: session.Info{ID: "s-1", Phase: session.Reporting, StartedAt: received.Add(-time.Minute), ExpiresAt: received.Add(29 * time.Minute)},
	}
}

func stateOf(t testing.TB, r *session.Report) *state.State {
	t.Helper()
	s, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// get returns the response to a GET.
func get(api http.Handler, target string) *httptest.ResponseRecorder {
	return do(api, httptest.NewRequest(http.MethodGet, target, nil))
}

func do(api http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	return w
}

// fields returns the fields of a JSON object.
func fields(t *testing.T, body *bytes.Buffer) map[string]json.RawMessage {
	t.Helper()
	var object map[string]json.RawMessage
	if err := json.Unmarshal(body.Bytes(), &object); err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return object
}
