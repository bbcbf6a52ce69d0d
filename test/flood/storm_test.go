package flood_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/flood"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

const (
	// maxGrowth is the maximum growth of a master's resident memory in bytes, settleTimeout
	// after a storm of connections.
	maxGrowth     = 15 << 20
	settleTimeout = time.Minute
	pollInterval  = 2 * time.Second
)

func TestMain(m *testing.M) {
	flood.Main()
	os.Exit(m.Run())
}

// TestMemoryIsGivenBackAfterAStorm opens many connections, waits for responses and closes them, three
// times: at a master 1,000, with watches as JSON lines, watches by websocket, and plain GETs.
func TestMemoryIsGivenBackAfterAStorm(t *testing.T) {
	s, hub := start(t)
	t.Run("a master by TLS", func(t *testing.T) { stormAtMaster(t, s, hub) })
	t.Run("a master by plain HTTP", func(t *testing.T) { stormAtMaster(t, s, hub, "--insecure") })
	t.Run("an agent", func(t *testing.T) { stormAtAgent(t, s, hub) })
}

// stormAtMaster runs a storm at a master with the given flags.
func stormAtMaster(t *testing.T, s *stack.Stack, hub *kube.Cluster, flags ...string) {
	m, err := s.StartMaster(t.Context(), hub, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, m) })
	agent, err := s.StartAgent(t.Context(), hub, "storm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Kill)
	if _, err := hub.KubectlInput(agent.Manifest(""), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	waitOK(t, m, "/api/v1/clusters/storm")
	storm(t, m.PID(), func(t *testing.T) { connect(t, m.URL) }, func(ctx context.Context) error {
		a, err := m.Get(ctx, "/api/v1/clusters/storm")
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("GET /api/v1/clusters/storm: %d %s", a.Status, a.Body)
		}
		return err
	})
}

// stormAtAgent runs a storm at an agent, with more connections than it accepts.
func stormAtAgent(t *testing.T, s *stack.Stack, hub *kube.Cluster) {
	agent, err := s.StartAgent(t.Context(), hub, "storm")
	if err != nil {
		t.Fatal(err)
	}
	storm(t, agent.PID(), func(t *testing.T) {
		result := flood.Start(t, flood.Attack{
			Address: strings.TrimPrefix(agent.URL, "https://"), Sources: flood.Sources(10, 8), Connections: 500, TLS: true, AwaitResponse: true,
			Send: "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		}).Wait()
		if result.Opened < 200 {
			t.Errorf("got %+v, want at least 200 responses", result)
		}
	}, func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, agent.URL+"/healthz", nil)
		if err != nil {
			return err
		}
		response, err := agent.HTTP.Do(r)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("GET /healthz: %s", response.Status)
		}
		_, err = io.Copy(io.Discard, response.Body)
		return err
	})
}

// storm calls connect three times while another client sends requests with get, all of which
// must succeed, and checks the resident memory of the process afterwards.
func storm(t *testing.T, pid int, connect func(t *testing.T), get func(context.Context) error) {
	t.Helper()
	before := resident(t, pid)
	peak := before
	stop := startBystander(t, get)
	for round := range 3 {
		t.Run(fmt.Sprintf("round %d", round+1), func(t *testing.T) {
			connect(t)
			peak = max(peak, resident(t, pid))
		})
	}
	t.Log("another client meanwhile:", stop())
	startedAt := time.Now()
	after := waitResident(t, pid, before+maxGrowth)
	t.Logf("%d KiB before, %d KiB at most, %d KiB %s after", before>>10, peak>>10, after>>10, time.Since(startedAt).Round(time.Second))
}

// startBystander sends a request every 100 ms until stop is called, and fails the test if
// one of them fails. stop returns the number of requests and their latencies as text.
func startBystander(t *testing.T, get func(context.Context) error) (stop func() string) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan []time.Duration, 1)
	go func() {
		var latencies []time.Duration
		defer func() { ended <- latencies }()
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			startedAt := time.Now()
			if err := get(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("a request during the storm failed after %s: %v", time.Since(startedAt).Round(time.Millisecond), err)
				return
			}
			latencies = append(latencies, time.Since(startedAt))
		}
	}()
	return func() string {
		cancel()
		latencies := <-ended
		if len(latencies) == 0 {
			return "no request"
		}
		slices.Sort(latencies)
		at := func(percent int) time.Duration {
			return latencies[(len(latencies)-1)*percent/100].Round(time.Millisecond)
		}
		return fmt.Sprintf("%d requests, P50 %s, P99 %s, longest %s", len(latencies), at(50), at(99), at(100))
	}
}

// start builds the binaries and starts a hub.
func start(t *testing.T) (*stack.Stack, *kube.Cluster) {
	t.Helper()
	s, err := stack.New(t.Context(), stack.Options{Dir: t.TempDir(), Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	hub, err := kube.Start(t.Context(), kube.Options{Name: "hub", Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	return s, hub
}

// stop stops a master, so that the next one can use its address.
func stop(t *testing.T, m *stack.Master) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// waitOK waits until a GET has status 200.
func waitOK(t *testing.T, m *stack.Master, path string) {
	t.Helper()
	err := m.WaitReady(t.Context(), func(ctx context.Context) error {
		a, err := m.Get(ctx, path)
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("GET %s: %d %s", path, a.Status, a.Body)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// connect opens 1,000 connections, waits for a first response on each, and closes them when t ends.
func connect(t *testing.T, url string) {
	t.Helper()
	const (
		head   = " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
		upward = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	)
	scheme, address, _ := strings.Cut(url, "://")
	var attacks []flood.Attack
	for _, send := range []string{
		"GET /api/v1/clusters/storm?watch=true" + head + "\r\n",
		"GET /api/v1/clusters?watch=true" + head + "\r\n",
		"GET /api/v1/clusters/storm?watch=true" + head + upward + "\r\n",
		"GET /api/v1/clusters/storm" + head + "\r\n",
	} {
		attacks = append(attacks, flood.Attack{Address: address, Sources: []string{"127.0.0.1"}, Connections: 250, TLS: scheme == "https", Send: send, AwaitResponse: true})
	}
	if result := flood.Start(t, attacks...).Wait(); result.Opened < 900 { // some can time out on a busy machine
		t.Errorf("got %+v, want at least 900 responses", result)
	}
}

// waitResident waits until a process has at most limit bytes of resident memory.
func waitResident(t *testing.T, pid int, limit int64) int64 {
	t.Helper()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	deadline := time.Now().Add(settleTimeout)
	for {
		is := resident(t, pid)
		if is <= limit {
			return is
		}
		if time.Now().After(deadline) {
			t.Errorf("got %d MiB resident after %s, want at most %d", is>>20, settleTimeout, limit>>20)
			return is
		}
		<-ticker.C
	}
}

// resident returns the resident memory of a process in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
