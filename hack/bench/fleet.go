package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

const (
	masterMemoryGoal = 256 << 20
	masterCPUGoal    = 0.5
	recoveryGoal     = 15 * time.Second
	readGoal         = 50 * time.Millisecond
	// readers is the number of concurrent clients while a master recovers.
	readers = 4
	// readPause is the time between two requests of one client.
	readPause = 50 * time.Millisecond
)

// masterLoad is a configuration of a master to which all clusters report and that no client reads.
type masterLoad struct {
	id, what string
	tls      bool
	flags    []string
	// warmup is the time from the last connected cluster to the measurement.
	warmup time.Duration
	// goals says that the goals of memory and CPU apply to this configuration.
	goals bool
}

// masterLoads returns the configurations to measure one after the other: first the sessions alone,
// then with each further feature. receiver is the URL that the sink writes to.
func (z *sizes) masterLoads(receiver string) []masterLoad {
	alone := []string{"--history", "0s"}
	return []masterLoad{
		{id: "fleet.ws", what: "ws, history off", flags: alone, warmup: z.warmup, goals: true},
		{id: "fleet.wss", what: "wss, history off", tls: true, flags: alone, warmup: z.warmup},
		{id: "fleet.sink", what: "ws, history off, all readings to one remote-write sink", flags: append(alone, "--sink", "prometheus+"+receiver+"?name=bench"), warmup: z.warmup},
		{id: "fleet.history", what: "ws, 15 min of history, full", flags: []string{"--history", "15m"}, warmup: z.historyWarmup},
	}
}

// measureFleet measures one master with simulated clusters, and its recovery after SIGKILL.
func measureFleet(ctx context.Context, env *environment) (rows []row, err error) {
	f, err := newFleet(ctx, env)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	receiver := httptest.NewServer(http.HandlerFunc(discard))
	defer receiver.Close()
	for _, l := range env.sizes.masterLoads(receiver.URL) {
		r, err := f.measureMaster(ctx, l)
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	found, err := f.measureRecovery(ctx)
	return append(rows, found...), err
}

// discard is an HTTP handler that reads the request and drops it.
func discard(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusNoContent)
}

// measureMaster measures CPU and memory of a master that has sessions with all clusters and no reader.
func (f *fleet) measureMaster(ctx context.Context, l masterLoad) (r row, err error) {
	if err := f.start(ctx, f.fullSize(l.tls)); err != nil {
		return r, err
	}
	if err := f.startMaster(ctx, l.flags...); err != nil {
		return r, err
	}
	if err := f.waitAllReporting(ctx); err != nil {
		return r, err
	}
	if err := sleep(ctx, l.warmup); err != nil {
		return r, err
	}
	figures, err := f.env.measureProcess(ctx, f.master.PID())
	if err != nil {
		return r, err
	}
	more, err := f.featureFigures(ctx)
	if err != nil {
		return r, err
	}
	z := f.env.sizes
	what := fmt.Sprintf("master, %s simulated clusters of %d containers, every %s, office, no reader, %s", thousands(z.fleet), z.fleetContainers, z.period, l.what)
	figure := fmt.Sprintf("%s, peak %s, %s CPU%s", inMiB(figures.now.rss), inMiB(figures.now.peak), inPercent(figures.cpu), more)
	if !l.goals {
		return infoRow(l.id, what, "%s", figure), nil
	}
	return goalRow(l.id, what, "≤ 256 MiB, ≤ 50 % of a core", figures.now.rss <= masterMemoryGoal && figures.cpu <= masterCPUGoal, "%s", figure), nil
}

// featureFigures returns what the master's metrics say about its history and its sink, if they are on.
func (f *fleet) featureFigures(ctx context.Context) (string, error) {
	m, err := f.metrics(ctx)
	if err != nil {
		return "", err
	}
	text := ""
	if samples := m["rollcall_history_samples"]; samples > 0 {
		text += fmt.Sprintf("; %s of history: %s values, %.2f bytes each, indexes included", inMiB(int64(m["rollcall_history_bytes"])), thousands(int(samples)), m["rollcall_history_bytes"]/samples)
	}
	const sink = `{sink="bench"}`
	if sent := m["rollcall_sink_sent_sets_total"+sink]; sent > 0 {
		text += fmt.Sprintf("; %s sets sent, %s queued", thousands(int(sent)), thousands(int(m["rollcall_sink_queued_sets"+sink])))
	}
	return text, nil
}

// measureRecovery measures the recovery of a master with Redis after SIGKILL.
func (f *fleet) measureRecovery(ctx context.Context) ([]row, error) {
	if err := f.start(ctx, f.fullSize(false)); err != nil {
		return nil, err
	}
	redis, err := f.startRedis(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.startMaster(ctx, "--cache", redis); err != nil {
		return nil, err
	}
	if err := f.waitAllReporting(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, f.env.sizes.warmup); err != nil {
		return nil, err
	}
	f.master.Kill()
	if err := f.master.Start(ctx); err != nil {
		return nil, err
	}
	ready := time.Now()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	results := f.startReaders(reading)
	if err := f.waitAllReporting(ctx); err != nil {
		return nil, err
	}
	back := time.Since(ready)
	stop()
	stats := <-results
	if len(stats.latencies) == 0 && stats.err == nil {
		stats.err = errors.New("no request succeeded while the master recovered")
	}
	p99 := percentile(stats.latencies, 99)
	z := f.env.sizes
	return []row{
		goalRow("fleet.back", fmt.Sprintf("%s Continuous clusters, Redis, master killed: time until all report again", thousands(z.fleet)), "≤ 15 s after the new master is ready", back <= recoveryGoal, "%.1f s", back.Seconds()),
		goalRow("fleet.reads", "GETs of cached or reconnected clusters meanwhile", "P99 ≤ 50 ms", p99 <= readGoal,
			"P50 %s, P99 %s, of %d; of the other clusters, %d GETs waited and %d were refused", inMillis(median(stats.latencies)), inMillis(p99), len(stats.latencies), stats.waited, stats.refused),
	}, stats.err
}

// readStats sums up the results of requests.
type readStats struct {
	latencies []time.Duration // of requests whose data the master had already
	// waited counts requests that were answered with a report from after the request, refused those that failed.
	waited, refused int
	err             error
}

// startReaders gets random clusters until ctx ends, and sends the results then.
func (f *fleet) startReaders(ctx context.Context) <-chan readStats {
	result := make(chan readStats, 1)
	var mu sync.Mutex
	var all readStats
	var working sync.WaitGroup
	for i := range readers {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		working.Go(func() {
			for sleep(ctx, readPause) == nil {
				result, err := f.getCluster(ctx, random.IntN(f.env.sizes.fleet))
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				all.add(result, err)
				mu.Unlock()
			}
		})
	}
	go func() {
		working.Wait()
		result <- all
	}()
	return result
}

// add counts one result.
func (r *readStats) add(s readResult, err error) {
	switch {
	case err != nil:
		r.err = err
	case s.status != http.StatusOK:
		r.refused++
	case s.receivedAt.After(s.sentAt):
		r.waited++
	default:
		r.latencies = append(r.latencies, s.latency)
	}
}

// readResult is the result of one request. sentAt is the time of the request, receivedAt the time at which the master
// received the data.
type readResult struct {
	status             int
	sentAt, receivedAt time.Time
	latency            time.Duration
}

// getCluster gets a whole cluster, with a timeout of one second.
func (f *fleet) getCluster(ctx context.Context, i int) (s readResult, err error) {
	s.sentAt = time.Now()
	response, err := f.master.Get(ctx, clusterPath(i)+"?timeout=1s")
	if err != nil {
		return s, err
	}
	s.status, s.latency = response.Status, time.Since(s.sentAt)
	if s.status == http.StatusOK {
		s.receivedAt, err = time.Parse(time.RFC3339Nano, response.Header.Get("Rollcall-Received-At"))
	}
	return s, err
}
