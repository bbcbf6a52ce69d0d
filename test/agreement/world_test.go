// Package agreement proves, over random states, that all that a master says of a cluster
// says the same: the summary, the lists, the list of clusters and its watch, which the page
// reads, the series of PromQL, and kubectl's plugin.
package agreement

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/client"
	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a master's HTTP API over clusters with random states.
type world struct {
	names  []string
	values map[string]*session.Report
	// evaluated is when each cluster's summary was made.
	evaluated map[string]time.Time
	server    *httptest.Server
	client    *client.Client
}

// newWorld returns one cluster per seed, with one of the given numbers of pods.
func newWorld(t *testing.T, seeds int, pods ...int) *world {
	t.Helper()
	w := &world{values: map[string]*session.Report{}, evaluated: map[string]time.Time{}}
	past, trail := history.New(history.Config{Window: 15 * time.Minute, Log: slog.New(slog.DiscardHandler)}), prom.NewRevisionTimes(15*time.Minute)
	now := time.Now()
	for seed := range uint64(seeds) {
		name := fmt.Sprintf("seed-%03d", seed)
		v := w.report(name, seed, pods[seed%uint64(len(pods))], now)
		trail.EventHandler().OnReport(v, false)
		past.Add(name, v.State, v.Summary, now)
	}
	registry := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	w.server = httptest.NewServer(httpapi.New(httpapi.Config{
		Sessions: httpapi.Sessions{Await: w.await, LastReport: w.peek, Status: w.observe, Watch: func(string) func() { return func() {} }, Current: w.look},
		Registry: httpapi.Registry{Resolve: w.resolve, List: w.list, LastKnown: func(string) (httpapi.LastKnown, bool) { return httpapi.LastKnown{}, false }},
		Prometheus: prom.New(prom.Config{
			Clusters: func() []string { return w.names }, Lookup: w.look, Demand: func(string) {},
			History: past, RevisionTimes: trail, Metrics: prometheus.NewRegistry(), Log: log,
		}),
		Documents: view.NewDocumentCache(1 << 20), Gatherer: registry, Metrics: registry, Log: log,
	}))
	t.Cleanup(w.server.Close)
	var err error
	if w.client, err = client.New(client.Config{Server: w.server.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	return w
}

// report publishes a random state and its summary at a random instant.
func (w *world) report(name string, seed uint64, pods int, now time.Time) *session.Report {
	r := rand.New(rand.NewPCG(seed, 7))
	made := statetest.New(seed, 1+r.IntN(5), pods)
	made.Step(r.IntN(pods))
	if r.IntN(4) > 0 {
		made.Sample(state.TimeOf(now))
	}
	var ignore []state.Ignore
	for i := range r.IntN(4) {
		ignore = append(ignore, state.Ignore{Namespace: fmt.Sprintf("team-%d", r.IntN(12)), Reason: fmt.Sprintf("reason %d", i)})
	}
	at := instant(r, made.State)
	observed := made.State
	if r.IntN(4) == 0 {
		observed = unread(r, made.State, at)
	}
	w.names = append(w.names, name)
	w.evaluated[name] = at
	w.values[name] = &session.Report{
		Cluster: name, UID: "uid-" + name, KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", Term: 1, State: observed,
		Summary: state.Summarize(observed, at, ignore...), ObservedAt: now, ReceivedAt: now, TTL: time.Hour, ExpiresAt: now.Add(time.Hour),
		Session: session.Info{ID: "s-1", Phase: session.Reporting, StartedAt: now, ExpiresAt: now.Add(time.Hour)},
	}
	return w.values[name]
}

// unread returns a State of which some section cannot be read, for about as long as its
// patience.
func unread(r *rand.Rand, s *state.State, at time.Time) *state.State {
	torn := *s
	torn.Sections[state.SectionName(r.IntN(int(state.NumSections)))] = state.Section{
		ObservedAt: at.Add(-time.Duration(r.IntN(120)) * time.Second).Truncate(time.Second),
		Error:      state.SectionError{Reason: "Disconnected", Message: "the API server cannot be watched"},
	}
	return &torn
}

// instant returns a time at which some problems of a state are about as old as their patience.
func instant(r *rand.Rand, s *state.State) time.Time {
	begin := time.Unix(1_790_000_000, 0)
	var critical []time.Time
	for _, p := range state.Summarize(s, begin.Add(365*24*time.Hour)).Problems {
		if p.Severity == state.SeverityCritical && p.Since != 0 {
			critical = append(critical, p.Since.Time())
		}
	}
	if len(critical) == 0 {
		return begin.Add(time.Duration(r.IntN(1_000_000)) * time.Second)
	}
	slices.SortFunc(critical, time.Time.Compare)
	return critical[r.IntN(min(len(critical), 2))].Add(time.Duration(r.IntN(400)-20) * time.Second)
}

func (w *world) await(_ context.Context, cluster string) (*session.Report, error) {
	return w.values[cluster], nil
}

func (w *world) peek(cluster string) (*session.Report, bool) {
	v, ok := w.values[cluster]
	return v, ok
}

func (w *world) observe(cluster string) session.Status {
	v := w.values[cluster]
	return session.Status{Cluster: cluster, Session: v.Session, UID: v.UID, KubernetesVersion: v.KubernetesVersion, AgentVersion: v.AgentVersion, ReceivedAt: v.ReceivedAt}
}

func (w *world) look(cluster string) (session.Current, bool) {
	v, ok := w.values[cluster]
	if !ok {
		return session.Current{}, false
	}
	return session.Current{Report: v, Status: w.observe(cluster)}, true
}

func (w *world) resolve(name string) (string, bool) {
	_, ok := w.values[name]
	return name, ok
}

func (w *world) list() []httpapi.Registered {
	var all []httpapi.Registered
	for _, name := range w.names {
		all = append(all, httpapi.Registered{Name: name})
	}
	return all
}

// get reads an answer of the API as JSON.
func (w *world) get(t *testing.T, path string, query url.Values, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := w.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, response.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// kubectl returns what `kubectl rollcall` prints.
func (w *world) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	getenv := func(name string) string {
		if name == "ROLLCALL_SERVER" {
			return w.server.URL
		}
		return ""
	}
	code := plugin.Run(t.Context(), plugin.Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, Version: "v1.2.3", Getenv: getenv}, args)
	if code != 0 {
		t.Fatalf("kubectl rollcall %v: exit code %d\n%s", args, code, errOut.String())
	}
	return out.String()
}
