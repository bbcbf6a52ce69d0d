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
	backGoal         = 15 * time.Second
	readGoal         = 50 * time.Millisecond
	// readers ask, one after the other, while a master comes back.
	readers = 4
	// readPause is between two requests of a reader.
	readPause = 50 * time.Millisecond
)

// weight is a way to have all clusters report to one master that nobody reads.
type weight struct {
	id, what string
	tls      bool
	flags    []string
	// lasts is how long it goes on before it is looked at.
	lasts time.Duration
	// goals says that the goals of memory and CPU are for this one.
	goals bool
}

// loads returns the configurations to measure one after the other: first the sessions alone,
// then with each further feature. receiver is the URL of the sink's receiver.
func (z *sizes) loads(receiver string) []weight {
	alone := []string{"--history", "0s"}
	return []weight{
		{id: "fleet.ws", what: "ws, history off", flags: alone, lasts: z.warm, goals: true},
		{id: "fleet.wss", what: "wss, history off", tls: true, flags: alone, lasts: z.warm},
		{id: "fleet.sink", what: "ws, history off, all readings to one remote-write sink", flags: append(alone, "--sink", "prometheus+"+receiver+"?name=bench"), lasts: z.warm},
		{id: "fleet.history", what: "ws, 15 min of history, full", flags: []string{"--history", "15m"}, lasts: z.history},
	}
}

// measureFleet loads one master with simulated clusters, and kills it.
func measureFleet(ctx context.Context, w *world) (rows []row, err error) {
	f, err := newFleet(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	receiver := httptest.NewServer(http.HandlerFunc(discard))
	defer receiver.Close()
	for _, l := range w.sizes.loads(receiver.URL) {
		r, err := f.load(ctx, l)
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	found, err := f.killed(ctx)
	return append(rows, found...), err
}

// discard is an HTTP handler that reads the request and drops it.
func discard(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusNoContent)
}

// load measures CPU and memory of a master that has sessions with all clusters and no reader.
func (f *fleet) load(ctx context.Context, l weight) (r row, err error) {
	if err := f.start(ctx, f.whole(l.tls)); err != nil {
		return r, err
	}
	if err := f.startMaster(ctx, l.flags...); err != nil {
		return r, err
	}
	if err := f.awaitAll(ctx); err != nil {
		return r, err
	}
	if err := sleep(ctx, l.lasts); err != nil {
		return r, err
	}
	seen, err := f.world.watch(ctx, f.master.PID())
	if err != nil {
		return r, err
	}
	more, err := f.counted(ctx)
	if err != nil {
		return r, err
	}
	z := f.world.sizes
	what := fmt.Sprintf("master, %s simulated clusters of %d containers, every %s, office, no reader, %s", thousands(z.fleet), z.fleetContainers, z.period, l.what)
	figure := fmt.Sprintf("%s, peak %s, %s CPU%s", inMiB(seen.now.rss), inMiB(seen.now.peak), inPercent(seen.cpu), more)
	if !l.goals {
		return beside(l.id, what, "%s", figure), nil
	}
	return goal(l.id, what, "≤ 256 MiB, ≤ 50 % of a core", seen.now.rss <= masterMemoryGoal && seen.cpu <= masterCPUGoal, "%s", figure), nil
}

// counted returns what the master's metrics say about its history and its sink, if they are on.
func (f *fleet) counted(ctx context.Context) (string, error) {
	m, err := f.metrics(ctx)
	if err != nil {
		return "", err
	}
	text := ""
	if samples := m["rollcall_history_samples"]; samples > 0 {
		text += fmt.Sprintf("; %s of history: %s values, %.2f bytes each with all that belongs to them", inMiB(int64(m["rollcall_history_bytes"])), thousands(int(samples)), m["rollcall_history_bytes"]/samples)
	}
	const sink = `{sink="bench"}`
	if sent := m["rollcall_sink_sent_sets_total"+sink]; sent > 0 {
		text += fmt.Sprintf("; %s sets sent, %s wait", thousands(int(sent)), thousands(int(m["rollcall_sink_queued_sets"+sink])))
	}
	return text, nil
}

// killed measures the recovery of a master with Redis after SIGKILL.
func (f *fleet) killed(ctx context.Context) ([]row, error) {
	if err := f.start(ctx, f.whole(false)); err != nil {
		return nil, err
	}
	redis, err := f.startRedis(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.startMaster(ctx, "--cache", redis); err != nil {
		return nil, err
	}
	if err := f.awaitAll(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, f.world.sizes.warm); err != nil {
		return nil, err
	}
	f.master.Kill()
	if err := f.master.Start(ctx); err != nil {
		return nil, err
	}
	ready := time.Now()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	reads := f.read(reading)
	if err := f.awaitAll(ctx); err != nil {
		return nil, err
	}
	back := time.Since(ready)
	stop()
	answers := <-reads
	if len(answers.took) == 0 && answers.err == nil {
		answers.err = errors.New("no request was answered while the master came back")
	}
	p99 := percentile(answers.took, 99)
	z := f.world.sizes
	return []row{
		goal("fleet.back", fmt.Sprintf("%s Continuous clusters, Redis, master killed: all reporting again", thousands(z.fleet)), "≤ 15 s from the new one's ready", back <= backGoal, "%.1f s", back.Seconds()),
		goal("fleet.reads", "GETs of what is cached or back meanwhile", "P99 ≤ 50 ms", p99 <= readGoal,
			"P50 %s, P99 %s, of %d; of what was neither, %d waited and %d were refused", inMillis(median(answers.took)), inMillis(p99), len(answers.took), answers.waited, answers.refused),
	}, answers.err
}

// reads are what readers saw.
type reads struct {
	took []time.Duration // of those whose answer was there when they asked
	// waited were answered by a report that came after they had asked, refused not at all.
	waited, refused int
	err             error
}

// read asks for clusters at random until the context ends.
func (f *fleet) read(ctx context.Context) <-chan reads {
	result := make(chan reads, 1)
	var mu sync.Mutex
	var all reads
	var working sync.WaitGroup
	for i := range readers {
		random := rand.New(rand.NewPCG(1, uint64(i)))
		working.Go(func() {
			for sleep(ctx, readPause) == nil {
				seen, err := f.ask(ctx, random.IntN(f.world.sizes.fleet))
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				all.add(seen, err)
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

func (r *reads) add(s seen, err error) {
	switch {
	case err != nil:
		r.err = err
	case s.status != http.StatusOK:
		r.refused++
	case s.received.After(s.asked):
		r.waited++
	default:
		r.took = append(r.took, s.took)
	}
}

// seen is one answer: when it was asked for, and when the master had heard what it says.
type seen struct {
	status          int
	asked, received time.Time
	took            time.Duration
}

// ask gets the whole of a cluster, for which it waits a second at most.
func (f *fleet) ask(ctx context.Context, i int) (s seen, err error) {
	s.asked = time.Now()
	answer, err := f.master.Get(ctx, clusterPath(i)+"?timeout=1s")
	if err != nil {
		return s, err
	}
	s.status, s.took = answer.Status, time.Since(s.asked)
	if s.status == http.StatusOK {
		s.received, err = time.Parse(time.RFC3339Nano, answer.Header.Get("Rollcall-Received-At"))
	}
	return s, err
}
