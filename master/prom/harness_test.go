package prom

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
)

// harness is an API over fake clusters, in virtual time.
type harness struct {
	t             testing.TB
	start         time.Time
	api           *API
	history       *history.History
	revisionTimes *samples.RevisionTimes
	clusters      map[string]*fakeCluster
	// levels are the levels of the caller; nil allows everything.
	levels   map[string]Level
	authErr  error
	demanded []string
	// The errors of Names, RegisterDemand and Current.
	namesErr, demandErr, currentErr error
}

// fakeCluster is one cluster with its session.
type fakeCluster struct {
	state    *state.State
	slots    uint32
	value    *session.Report
	session  session.Info
	readings uint64
}

const period = 5 * time.Second

func runTest(t *testing.T, run func(s *harness), set ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(newHarness(t, set...)) })
}

func newHarness(t testing.TB, set ...func(*Config)) *harness {
	s := &harness{
		t: t, start: time.Now(), clusters: map[string]*fakeCluster{}, revisionTimes: samples.NewRevisionTimes(15 * time.Minute),
		history: history.New(history.Config{Window: 15 * time.Minute, Log: slog.New(slog.DiscardHandler)}),
	}
	c := Config{
		Sessions: s, Registry: s, History: s.history, RevisionTimes: s.revisionTimes, Metrics: prometheus.NewPedanticRegistry(), Log: slog.New(slog.DiscardHandler), Version: "test",
	}
	for _, f := range set {
		f(&c)
	}
	s.api = New(c)
	return s
}

// Names implements Registry.
func (s *harness) Names() ([]string, error) {
	return slices.Sorted(maps.Keys(s.clusters)), s.namesErr
}

// RegisterDemand implements Sessions.
func (s *harness) RegisterDemand(_ context.Context, cluster string) error {
	s.demanded = append(s.demanded, cluster)
	return s.demandErr
}

// Current implements Sessions.
func (s *harness) Current(name string) (session.Current, error) {
	c := s.clusters[name]
	switch {
	case s.currentErr != nil:
		return session.Current{}, s.currentErr
	case c == nil:
		return session.Current{}, session.ErrNotFound
	}
	o := session.Status{Cluster: name, Session: c.session, UID: "uid-" + name, KubernetesVersion: "v1.36.3"}
	if c.value != nil {
		o.ReceivedAt = c.value.ReceivedAt
	}
	return session.Current{Report: c.value, Status: o}, nil
}

func (s *harness) authorize(_ context.Context, clusters []string, _ bool) (map[string]Level, error) {
	if s.authErr != nil {
		return nil, s.authErr
	}
	levels := map[string]Level{}
	for _, name := range clusters {
		levels[name] = Details
		if s.levels != nil {
			levels[name] = s.levels[name]
		}
	}
	return levels, nil
}

// register adds a cluster that has never reported.
func (s *harness) register(name string) *fakeCluster {
	c := &fakeCluster{state: &state.State{Epoch: 7}, session: session.Info{Phase: session.Idle}}
	s.clusters[name] = c
	return c
}

// addCluster adds a cluster and reports its objects.
func (s *harness) addCluster(name string, objects ...state.Object) *fakeCluster {
	c := s.register(name)
	c.session = session.Info{ID: "s-1", Phase: session.Reporting, StartedAt: time.Now(), ExpiresAt: time.Now().Add(30 * time.Minute)}
	c.put(objects...)
	s.report(name)
	return c
}

// put creates or updates objects, in one delta.
func (c *fakeCluster) put(objects ...state.Object) {
	d := state.Delta{Epoch: c.state.Epoch, From: c.state.Seq, To: c.state.Seq + 1}
	for _, o := range objects {
		e := state.Entry{Seq: d.To, Object: o}
		if held, ok := c.state.Get(o.Key()); ok {
			e.Slot = held.Slot
		} else if k := o.Key().Kind; k == state.KindNode || k == state.KindContainer {
			e.Slot = c.slots
			c.slots++
		}
		d.Upserts = append(d.Upserts, e)
	}
	c.apply(d)
}

func (c *fakeCluster) apply(d state.Delta) {
	next, err := state.Apply(c.state, d)
	if err != nil {
		panic(err)
	}
	c.state = next
}

// addUsage adds a reading of usage, sampled now.
func (c *fakeCluster) addUsage(of map[state.Key]state.Used) {
	c.readings++
	u := &state.Usage{N: c.readings, BySlot: make([]state.Used, c.slots)}
	for k, used := range of {
		e, ok := c.state.Get(k)
		if !ok {
			panic("no such object")
		}
		used.SampledAt = state.TimeOf(time.Now())
		u.BySlot[e.Slot] = used
	}
	c.apply(state.Delta{Epoch: c.state.Epoch, From: c.state.Seq, To: c.state.Seq + 1, Usage: u})
}

// report delivers the state of a cluster as a report.
func (s *harness) report(name string) {
	c, now := s.clusters[name], time.Now()
	for i := range c.state.Sections {
		c.state.Sections[i].ObservedAt = now
	}
	c.value = &session.Report{
		Cluster: name, UID: "uid-" + name, LazyState: wire.NewLazyState(c.state), Summary: state.Summarize(c.state, now), ObservedAt: now,
		ReceivedAt: now, ExpiresAt: now.Add(10 * time.Second), TTL: 10 * time.Second, Session: c.session,
	}
	s.revisionTimes.EventHandler().OnReport(c.value, false)
	s.history.Add(name, c.value.LazyState, c.value.Summary, now)
}

// advance lets time pass. Each period it calls tick and then reports the given clusters.
func (s *harness) advance(d time.Duration, tick func(n int), names ...string) {
	for n := range int(d / period) {
		<-time.After(period)
		if tick != nil {
			tick(n)
		}
		for _, name := range names {
			s.report(name)
		}
	}
}

// endSession ends the session of a cluster.
func (s *harness) endSession(name string) {
	s.clusters[name].session = session.Info{ID: "s-1", Phase: session.Idle}
	s.history.EndSession(name, time.Now())
	s.revisionTimes.EventHandler().OnSessionEnd(name, time.Now())
}

// apiResult is a decoded response.
type apiResult struct {
	Status    string          `json:"status"`
	Data      json.RawMessage `json:"data"`
	Warnings  []string        `json:"warnings"`
	ErrorType ErrorType       `json:"errorType"`
	Error     string          `json:"error"`
	code      int
	size      int
	streamed  bool
}

// request sends a request to a route. pairs are names and values of its parameters.
func (s *harness) request(path string, pairs ...string) apiResult {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	request := Request{Form: form, Authorize: s.authorize}
	for _, r := range s.api.Routes() {
		if r.Path == "/label/{label}/values" && len(path) > 14 && path[:7] == "/label/" {
			request.Label, path = path[7:len(path)-len("/values")], r.Path
		}
		if r.Path == path {
			return s.parse(r.Serve(s.t.Context(), request))
		}
	}
	s.t.Fatalf("no route %s", path)
	return apiResult{}
}

func (s *harness) parse(a Response, err error) apiResult {
	s.t.Helper()
	got := apiResult{code: 200}
	var as *Error
	switch {
	case errors.As(err, &as):
		a.Body, got.code = ErrorBody(as.Type, as.Error()), as.Status()
	case err != nil:
		return apiResult{Error: err.Error()}
	}
	defer a.Close()
	if a.Stream != nil {
		var body bytes.Buffer
		if err := a.Stream(&body); err != nil {
			s.t.Fatal(err)
		}
		a.Body, got.streamed = body.Bytes(), true
	}
	if err := json.Unmarshal(a.Body, &got); err != nil {
		s.t.Fatalf("%v in %s", err, a.Body)
	}
	got.size = len(a.Body)
	return got
}

// strings returns the data of a response that is a list of strings.
func (r apiResult) strings(t testing.TB) []string {
	t.Helper()
	var list []string
	if err := json.Unmarshal(r.Data, &list); err != nil {
		t.Fatalf("%v in %s %s", err, r.Data, r.Error)
	}
	return list
}

// vector returns the data of an instant query as values by labels.
func (r apiResult) vector(t testing.TB) map[string]string {
	t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := json.Unmarshal(r.Data, &data); err != nil {
		t.Fatalf("%v in %s %s", err, r.Data, r.Error)
	}
	got := map[string]string{}
	for _, one := range data.Result {
		text := ""
		for _, name := range slices.Sorted(maps.Keys(one.Metric)) {
			if name != "job" && name != "metrics_path" {
				text += name + "=" + one.Metric[name] + " "
			}
		}
		got[text] = one.Value[1].(string)
	}
	return got
}

func checkEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	g, w := asJSON(t, got), asJSON(t, want)
	if g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shopObjects returns the objects of a small cluster.
func shopObjects() []state.Object {
	amount := state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30, Pods: 110, Extended: map[string]int64{"nvidia.com/gpu": 2}}
	return []state.Object{
		&state.Node{Name: "n1", Ready: state.True, Schedulable: true, Conditions: []state.NodeCondition{{Type: "DiskPressure", Status: state.False}, {Type: "MemoryPressure", Status: state.False}, {Type: "PIDPressure", Status: state.False}, {Type: "Ready", Status: state.True}}, Capacity: amount, Allocatable: amount, KubeletVersion: "v1.36.3", Roles: []string{"worker"}, Addresses: []state.NodeAddress{{Type: "InternalIP", Address: "10.0.0.1"}}},
		&state.Node{Name: "n2", Ready: state.False, Conditions: []state.NodeCondition{{Type: "FrequentRestart", Status: state.True}, {Type: "Ready", Status: state.False, Reason: "KubeletNotReady"}}},
		&state.NodeLoad{Node: "n1", Requested: state.Resources{CPUMillis: 500, MemoryBytes: 1 << 30}, Pods: 2},
		&state.Pod{Namespace: "shop", Name: "web-1", Node: "n1", Phase: state.PodRunning, QOSClass: state.Burstable, PodIPs: []string{"10.1.0.4"}, Owner: state.Owner{Kind: "Deployment", Name: "web"}, Storage: []state.Volume{{Claim: "data", CapacityBytes: 1 << 30, MountPath: "/data"}}},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "app", Kind: state.Main, Node: "n1", Image: "shop:1", State: state.Running, Ready: true, Requests: state.Resources{CPUMillis: 500, MemoryBytes: 1 << 30}},
		&state.Container{Namespace: "shop", Pod: "web-1", Name: "proxy", Kind: state.Sidecar, Node: "n1", Image: "proxy:2", State: state.Waiting, Reason: "CrashLoopBackOff", Restarts: 3, Last: &state.LastTermination{Reason: "OOMKilled", ExitCode: 137}},
		&state.Port{Node: "*", Protocol: state.TCP, Port: 31234, Kind: state.NodePort, Namespace: "shop", Service: "web", ServicePort: &state.ServicePort{Name: "http", Port: 80}},
		&state.Target{ServiceNamespace: "shop", Service: "web", ServicePort: "http", Protocol: state.TCP, Addresses: []string{"10.1.0.4"}, Namespace: "shop", Pod: "web-1", Container: "app", ContainerPort: 8080, Node: "n1", Ready: true, Serving: true},
		&state.Port{Node: "n1", Protocol: state.TCP, Port: 31234, Kind: state.HostPort, Namespace: "shop", Pod: "web-1", Target: &state.Target{Namespace: "shop", Pod: "web-1", Container: "app", ContainerPort: 8080, Ready: true}},
	}
}

var (
	appKey  = state.Key{Kind: state.KindContainer, Namespace: "shop", Name: "web-1", Sub: "app"}
	nodeKey = state.Key{Kind: state.KindNode, Name: "n1"}
)

// addTypicalUsage adds a reading in which the container app uses a quarter of a core, and its node
// one core.
func (c *fakeCluster) addTypicalUsage() {
	c.addUsage(map[state.Key]state.Used{appKey: {CPUMillis: 250, MemoryBytes: 100 << 20}, nodeKey: {CPUMillis: 1000, MemoryBytes: 2 << 30}})
}

// addRunningClusters adds clusters that report for d, with a reading of usage each 15 s.
func (s *harness) addRunningClusters(d time.Duration, names ...string) *fakeCluster {
	for _, name := range names {
		s.addCluster(name, shopObjects()...)
	}
	s.advance(d, func(n int) {
		for _, name := range names {
			if n%3 == 2 {
				s.clusters[name].addTypicalUsage()
			}
		}
	}, names...)
	return s.clusters[names[0]]
}
