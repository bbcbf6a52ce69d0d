package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"rollcall.dev/rollcall/test/kube"
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

// measureFleet loads one master with simulated clusters, by ws and by wss, and kills it.
func measureFleet(ctx context.Context, w *world) (rows []row, err error) {
	hub, err := kube.Start(ctx, kube.Options{Name: "fleet-hub", Log: w.say})
	if err != nil {
		return nil, err
	}
	defer hub.Close()
	f := &fleet{world: w, hub: hub}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	for _, tls := range []bool{false, true} {
		r, err := f.load(ctx, tls)
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	found, err := f.killed(ctx)
	return append(rows, found...), err
}

// load is what a master takes that has all clusters and no reader.
func (f *fleet) load(ctx context.Context, tls bool) (r row, err error) {
	if err := f.start(ctx, tls); err != nil {
		return r, err
	}
	if err := f.startMaster(ctx); err != nil {
		return r, err
	}
	if err := f.awaitAll(ctx); err != nil {
		return r, err
	}
	if err := sleep(ctx, f.world.sizes.warm); err != nil {
		return r, err
	}
	seen, err := f.world.watch(ctx, f.master.PID())
	if err != nil {
		return r, err
	}
	z := f.world.sizes
	what := fmt.Sprintf("master, %s simulated clusters of %d containers, every %s, office, no reader", thousands(z.fleet), z.fleetContainers, z.period)
	if tls {
		return beside("fleet.wss", what+", wss", "%s, peak %s, %s CPU", inMiB(seen.now.rss), inMiB(seen.now.peak), inPercent(seen.cpu)), nil
	}
	return goal("fleet.ws", what+", ws", "≤ 256 MiB, ≤ 50 % of a core", seen.now.rss <= masterMemoryGoal && seen.cpu <= masterCPUGoal,
		"%s, peak %s, %s CPU", inMiB(seen.now.rss), inMiB(seen.now.peak), inPercent(seen.cpu)), nil
}

// killed is how a master comes back that has Redis and was killed.
func (f *fleet) killed(ctx context.Context) ([]row, error) {
	if err := f.start(ctx, false); err != nil {
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
	answer, err := f.master.Get(ctx, "/api/v1/clusters/"+clusterName(i)+"?timeout=1s")
	if err != nil {
		return s, err
	}
	s.status, s.took = answer.Status, time.Since(s.asked)
	if s.status == http.StatusOK {
		s.received, err = time.Parse(time.RFC3339Nano, answer.Header.Get("Rollcall-Received-At"))
	}
	return s, err
}
