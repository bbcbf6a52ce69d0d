// Package agreement checks, over random states, that all interfaces of a master agree about a cluster:
// the summary, the lists, the list of clusters and its watch, which the page
// reads, the series of PromQL, and kubectl's plugin.
package agreement

import (
	"bytes"
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
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/client"
	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/master/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is a master's HTTP API over clusters with random states.
type environment struct {
	sessions sessiontest.Sessions
	// evaluated has the time at which each cluster's summary was computed.
	evaluated map[string]time.Time
	server    *httptest.Server
	client    *client.Client
}

// newEnvironment returns one cluster per seed, with the given numbers of pods in turn.
func newEnvironment(t *testing.T, seeds int, pods ...int) *environment {
	t.Helper()
	env := &environment{sessions: sessiontest.Sessions{Reports: map[string]*session.Report{}, Statuses: map[string]session.Status{}}, evaluated: map[string]time.Time{}}
	usage, times := history.New(history.Config{Window: 15 * time.Minute, Log: slog.New(slog.DiscardHandler)}), samples.NewRevisionTimes(15*time.Minute)
	now := time.Now()
	for seed := range uint64(seeds) {
		name := fmt.Sprintf("seed-%03d", seed)
		v := env.report(name, seed, pods[seed%uint64(len(pods))], now)
		times.EventHandler().OnReport(v, false)
		usage.Add(name, v.LazyState, v.Summary, now)
	}
	registry := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	env.server = httptest.NewServer(httpapi.New(httpapi.Config{
		Sessions: &env.sessions, Registry: &env.sessions,
		Prometheus: prom.New(prom.Config{
			Sessions: &env.sessions, Registry: &env.sessions,
			History: usage, RevisionTimes: times, Metrics: prometheus.NewRegistry(), Log: log,
		}),
		Documents: view.NewDocumentCache(1 << 20), Gatherer: registry, Metrics: registry, Log: log,
	}))
	t.Cleanup(env.server.Close)
	var err error
	if env.client, err = client.New(client.Config{Server: env.server.URL}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(env.client.Close)
	return env
}

// names returns the names of the clusters.
func (env *environment) names() []string {
	names, _ := env.sessions.Names()
	return names
}

// report stores a report with a random state, summarized at a random time.
func (env *environment) report(name string, seed uint64, pods int, now time.Time) *session.Report {
	r := rand.New(rand.NewPCG(seed, 7))
	generated := statetest.New(seed, 1+r.IntN(5), pods)
	generated.Step(r.IntN(pods))
	if r.IntN(4) > 0 {
		generated.Sample(state.TimeOf(now))
	}
	var ignore []state.Ignore
	for i := range r.IntN(4) {
		ignore = append(ignore, state.Ignore{Namespace: fmt.Sprintf("team-%d", r.IntN(12)), Reason: fmt.Sprintf("reason %d", i)})
	}
	at := randomInstant(r, generated.State)
	observed := generated.State
	if r.IntN(4) == 0 {
		observed = withUnreadableSection(r, generated.State, at)
	}
	env.sessions.Registered = append(env.sessions.Registered, session.Registered{Name: name})
	env.evaluated[name] = at
	report := &session.Report{
		Cluster: name, UID: "uid-" + name, KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", Term: 1, LazyState: wire.NewLazyState(observed),
		Summary: state.Summarize(observed, at, ignore...), ObservedAt: now, ReceivedAt: now, TTL: time.Hour, ExpiresAt: now.Add(time.Hour),
		Session: session.Info{ID: "s-1", Phase: session.Reporting, StartedAt: now, ExpiresAt: now.Add(time.Hour)},
	}
	env.sessions.Reports[name], env.sessions.Statuses[name] = report, sessiontest.StatusOf(report)
	return report
}

// withUnreadableSection returns a State with a section that cannot be read, for about as long as the
// threshold.
func withUnreadableSection(r *rand.Rand, s *state.State, at time.Time) *state.State {
	torn := *s
	torn.Sections[state.SectionName(r.IntN(int(state.NumSections)))] = state.Section{
		ObservedAt: at.Add(-time.Duration(r.IntN(120)) * time.Second).Truncate(time.Second),
		Error:      state.SectionError{Reason: "Disconnected", Message: "the API server cannot be watched"},
	}
	return &torn
}

// randomInstant returns a time at which some critical problems of a state are about as old as their threshold.
func randomInstant(r *rand.Rand, s *state.State) time.Time {
	start := time.Unix(1_790_000_000, 0)
	var critical []time.Time
	for _, p := range state.Summarize(s, start.Add(365*24*time.Hour)).Problems {
		if p.Severity == state.SeverityCritical && p.Since != 0 {
			critical = append(critical, p.Since.Time())
		}
	}
	if len(critical) == 0 {
		return start.Add(time.Duration(r.IntN(1_000_000)) * time.Second)
	}
	slices.SortFunc(critical, time.Time.Compare)
	return critical[r.IntN(min(len(critical), 2))].Add(time.Duration(r.IntN(400)-20) * time.Second)
}

// get decodes a JSON response of the API, and fails the test unless the status is 200.
func (env *environment) get(t *testing.T, path string, query url.Values, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, env.server.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := env.server.Client().Do(request)
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

// kubectl returns the output of `kubectl rollcall`.
func (env *environment) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	getenv := func(name string) string {
		if name == "ROLLCALL_SERVER" {
			return env.server.URL
		}
		return ""
	}
	code := plugin.Run(t.Context(), plugin.Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, Version: "v1.2.3", Getenv: getenv}, args)
	if code != 0 {
		t.Fatalf("kubectl rollcall %v: exit code %d\n%s", args, code, errOut.String())
	}
	return out.String()
}
