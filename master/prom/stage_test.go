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
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
)

// stage is an API over made-up clusters, in virtual time.
type stage struct {
	t        testing.TB
	start    time.Time
	api      *API
	history  *history.History
	trail    *Trail
	clusters map[string]*town
	// levels are what the caller may see; nil: everything.
	levels  map[string]Level
	unasked error
	wanted  []string
}

// town is one cluster as its session reports it.
type town struct {
	state   *state.State
	slots   uint32
	value   *session.Value
	session session.Info
	reading uint64
}

const period = 5 * time.Second

func act(t *testing.T, play func(s *stage), set ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { play(newStage(t, set...)) })
}

func newStage(t testing.TB, set ...func(*Config)) *stage {
	s := &stage{
		t: t, start: time.Now(), clusters: map[string]*town{}, trail: NewTrail(15 * time.Minute),
		history: history.New(history.Config{Window: 15 * time.Minute, Log: slog.New(slog.DiscardHandler)}),
	}
	c := Config{
		Clusters: func() []string { return slices.Sorted(maps.Keys(s.clusters)) },
		Look:     s.look, Want: func(cluster string) { s.wanted = append(s.wanted, cluster) },
		History: s.history, Trail: s.trail, Metrics: prometheus.NewPedanticRegistry(), Log: slog.New(slog.DiscardHandler), Version: "test",
	}
	for _, f := range set {
		f(&c)
	}
	s.api = New(c)
	return s
}

func (s *stage) look(name string) (session.Glance, bool) {
	c := s.clusters[name]
	if c == nil {
		return session.Glance{}, false
	}
	o := session.Observation{Cluster: name, Session: c.session, UID: "uid-" + name, KubernetesVersion: "v1.36.3"}
	if c.value != nil {
		o.ReceivedAt = c.value.ReceivedAt
	}
	return session.Glance{Value: c.value, Observation: o}, true
}

func (s *stage) see(_ context.Context, clusters []string, _ bool) (map[string]Level, error) {
	if s.unasked != nil {
		return nil, s.unasked
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

// register is a cluster that never reported.
func (s *stage) register(name string) *town {
	c := &town{state: &state.State{Epoch: 7}, session: session.Info{Phase: session.Idle}}
	s.clusters[name] = c
	return c
}

// cluster is one that reports these objects from now on.
func (s *stage) cluster(name string, objects ...state.Object) *town {
	c := s.register(name)
	c.session = session.Info{ID: "s-1", Phase: session.Reporting, StartedAt: time.Now(), ExpiresAt: time.Now().Add(30 * time.Minute)}
	c.put(objects...)
	s.report(name)
	return c
}

// put changes objects, as one change.
func (c *town) put(objects ...state.Object) {
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

func (c *town) apply(d state.Delta) {
	next, err := state.Apply(c.state, d)
	if err != nil {
		panic(err)
	}
	c.state = next
}

// use is a reading of usage, taken now.
func (c *town) use(of map[state.Key]state.Used) {
	c.reading++
	u := &state.Usage{N: c.reading, BySlot: make([]state.Used, c.slots)}
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

// report is a flush.
func (s *stage) report(name string) {
	c, now := s.clusters[name], time.Now()
	for i := range c.state.Sections {
		c.state.Sections[i].ObservedAt = now
	}
	c.value = &session.Value{
		Cluster: name, UID: "uid-" + name, State: c.state, Summary: state.Summarize(c.state, now), ObservedAt: now,
		ReceivedAt: now, ExpiresAt: now.Add(10 * time.Second), TTL: 10 * time.Second, Session: c.session,
	}
	s.trail.Follower().Reported(c.value, false)
	s.history.Add(name, c.value.State, c.value.Summary, now)
}

// pass is so much time in which clusters report each period, and tick is called before.
func (s *stage) pass(d time.Duration, tick func(n int), names ...string) {
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

// end is the end of a cluster's session.
func (s *stage) end(name string) {
	s.clusters[name].session = session.Info{ID: "s-1", Phase: session.Idle}
	s.history.End(name, time.Now())
	s.trail.Follower().Ended(name, time.Now())
}

// reply is an answer as clients read it.
type reply struct {
	Status    string          `json:"status"`
	Data      json.RawMessage `json:"data"`
	Warnings  []string        `json:"warnings"`
	ErrorType ErrorType       `json:"errorType"`
	Error     string          `json:"error"`
	code      int
	size      int
	streamed  bool
}

// ask is a request of a route; pairs are names and values of its parameters.
func (s *stage) ask(path string, pairs ...string) reply {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	request := Request{Form: form, See: s.see}
	for _, r := range s.api.Routes() {
		if r.Path == "/label/{label}/values" && len(path) > 14 && path[:7] == "/label/" {
			request.Label, path = path[7:len(path)-len("/values")], r.Path
		}
		if r.Path == path {
			return s.read(r.Serve(s.t.Context(), request))
		}
	}
	s.t.Fatalf("there is no route %s", path)
	return reply{}
}

func (s *stage) read(a Answer, err error) reply {
	s.t.Helper()
	got := reply{code: 200}
	var as *Error
	switch {
	case errors.As(err, &as):
		a.Body, got.code = ErrorBody(as.Type, as.Error()), as.Status()
	case err != nil:
		return reply{Error: err.Error()}
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

// names are an answer that is a list of words.
func (r reply) names(t testing.TB) []string {
	t.Helper()
	var list []string
	if err := json.Unmarshal(r.Data, &list); err != nil {
		t.Fatalf("%v in %s %s", err, r.Data, r.Error)
	}
	return list
}

// vector is an answer of /query: values by labels.
func (r reply) vector(t testing.TB) map[string]string {
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
		words := ""
		for _, name := range slices.Sorted(maps.Keys(one.Metric)) {
			if name != "job" && name != "metrics_path" {
				words += name + "=" + one.Metric[name] + " "
			}
		}
		got[words] = one.Value[1].(string)
	}
	return got
}

func same(t testing.TB, what string, got, want any) {
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

// shop are the objects of a small cluster.
func shop() []state.Object {
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

// busy has the shop's app use a quarter of a core, and its node a whole one.
func (c *town) busy() {
	c.use(map[state.Key]state.Used{appKey: {CPUMillis: 250, MemoryBytes: 100 << 20}, nodeKey: {CPUMillis: 1000, MemoryBytes: 2 << 30}})
}

// running has clusters report for so long, their usage each 15 s.
func (s *stage) running(d time.Duration, names ...string) *town {
	for _, name := range names {
		s.cluster(name, shop()...)
	}
	s.pass(d, func(n int) {
		for _, name := range names {
			if n%3 == 2 {
				s.clusters[name].busy()
			}
		}
	}, names...)
	return s.clusters[names[0]]
}
