package main

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/test/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small returns the configuration of a fleet for tests.
func small() config {
	return config{
		agents: 3, containers: 30, nodes: 2, prefix: "fleet-", seed: 1, usage: load.Storm, usagePeriod: 20 * time.Millisecond, changes: 200,
		reporting: reporting{mode: "Continuous", requestPeriod: 50 * time.Millisecond, cacheTTL: 10 * time.Second, sessionDuration: time.Minute},
	}
}

// registryOf returns the registry of a fleet.
func registryOf(f *fleet) *sessiontest.Registry {
	r := sessiontest.NewRegistry()
	for _, a := range f.agents {
		r.Set(session.Cluster{
			Name: a.name, Endpoint: a.endpoint(), TLS: dial.TLS{PinnedSHA256: pins(f)},
			RequestPeriod: f.config.reporting.requestPeriod, SessionDuration: f.config.reporting.sessionDuration, CacheTTL: f.config.reporting.cacheTTL,
		})
	}
	return r
}

// pins returns the fleet's pinned certificate, or nil for plain ws.
func pins(f *fleet) []string {
	if f.pin == "" {
		return nil
	}
	return []string{f.pin}
}

// serve runs a fleet and a master's sessions with it until the test ends.
func serve(t *testing.T, c config) (*fleet, *session.Sessions) {
	t.Helper()
	f, err := newFleet(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	sessions := session.New(session.Config{Registry: registryOf(f), Insecure: true, Log: slog.New(slog.DiscardHandler)})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- f.serve(ctx) }()
	go func() { ended <- sessions.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return f, sessions
}

func TestEveryAgentReportsItsContainersAndTheirUsage(t *testing.T) {
	for _, tls := range []bool{false, true} {
		c := small()
		c.tls = tls
		f, sessions := serve(t, c)
		for _, a := range f.agents {
			v := waitReport(t, sessions, a.name, func(v *session.Report) bool { return v.Usage != nil })
			s, err := v.State()
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Len(state.KindContainer); got != 30 || v.Summary.Containers.Desired != 30 {
				t.Errorf("%s: got %d containers, %d of them desired; want 30", a.name, got, v.Summary.Containers.Desired)
			}
			if v.Summary.Used == nil || v.Summary.Used.Nodes != 2 {
				t.Errorf("%s: got usage %+v, want that of two nodes", a.name, v.Summary.Used)
			}
		}
	}
}

func TestUsageAndContainersChange(t *testing.T) {
	_, sessions := serve(t, small())
	first := waitReport(t, sessions, "fleet-00000", func(v *session.Report) bool { return v.Usage != nil })
	waitReport(t, sessions, "fleet-00000", func(v *session.Report) bool {
		return v.Usage.N > first.Usage.N && v.Summary.Used.CPUMillis != first.Summary.Used.CPUMillis && v.ObjectsID() != first.ObjectsID()
	})
}

// waitReport reads a cluster until a report satisfies the condition, and returns that report.
func waitReport(t *testing.T, sessions *session.Sessions, name string, satisfied func(*session.Report) bool) *session.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	release, err := sessions.Watch(ctx, name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer release()
	for {
		v, err := sessions.Await(ctx, name)
		switch {
		case err == nil && satisfied(v):
			return v
		case err != nil && sessions.Status(name).Reason != dial.AgentNotReady: // it has begun to serve before it has a state
			t.Fatalf("%s: %v", name, err)
		}
		current, _ := sessions.Current(name)
		select {
		case <-current.Changed:
		case <-ctx.Done():
			t.Fatalf("%s: no report satisfied the condition within a minute", name)
		}
	}
}

func TestClustersDependOnTheSeedOnly(t *testing.T) {
	of := func(seed uint64) []state.Object {
		return newCluster(newCatalog(seed), rand.New(rand.NewPCG(seed, 5)), 3, 50).Objects()
	}
	if !reflect.DeepEqual(of(1), of(1)) {
		t.Error("got two different clusters for one seed")
	}
	if reflect.DeepEqual(of(1), of(2)) {
		t.Error("got the same cluster for two seeds")
	}
}

func TestWrittenRegistryMatchesTheSchema(t *testing.T) {
	c := small()
	c.tls, c.registry = true, filepath.Join(t.TempDir(), "fleet.yaml")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := run(ctx, c, &out); err != nil || !strings.HasPrefix(out.String(), "serving 3 agents of 30 containers at wss://127.0.0.1:") {
		t.Fatalf("got error %v, output %q", err, out.String())
	}
	written, err := os.ReadFile(c.registry)
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(strings.TrimPrefix(string(written), "---\n"), "---\n")
	for _, document := range documents {
		var agent v1alpha1.ClusterAgent
		if err := yaml.UnmarshalStrict([]byte(document), &agent); err != nil {
			t.Fatal(err)
		}
		if agent.Kind != "ClusterAgent" || len(agent.Spec.TLS.PinnedSHA256) != 1 || agent.Spec.Reporting.RequestPeriod.Duration != 50*time.Millisecond {
			t.Errorf("got %+v", agent)
		}
	}
	if len(documents) != 3 {
		t.Errorf("got %d documents, want 3", len(documents))
	}
}

func TestInvalidConfigIsRefused(t *testing.T) {
	for want, spoil := range map[string]func(*config){
		"--agents":         func(c *config) { c.agents = 0 },
		"--first-port":     func(c *config) { c.firstPort = lastPort },
		"--usage-period":   func(c *config) { c.usagePeriod = 0 },
		"--mode":           func(c *config) { c.reporting.mode = "Always" },
		"--request-period": func(c *config) { c.reporting.requestPeriod = time.Hour },
	} {
		c := small()
		spoil(&c)
		if err := run(t.Context(), c, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that names %s", err, want)
		}
	}
}

func BenchmarkSampleOf300Containers(b *testing.B) {
	c := newCluster(newCatalog(1), rand.New(rand.NewPCG(1, 1)), 5, 300)
	usage, now := usageOf("fleet-00000", load.New(load.Office, 1)), time.Unix(1_800_000_000, 0)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		c.Reading(usage, n, now)
	}
}
