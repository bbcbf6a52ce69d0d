package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// rateGoal is which part of a bare server's requests the master answers, at least.
	rateGoal = 0.85
	// tailGoal is how long 99 of 100 requests take at most at half of that load.
	tailGoal = 2 * time.Millisecond
	// rounds are how often both servers are asked, in turns.
	rounds = 15
)

// measureServe compares the whole response for a cached cluster with a bare server that sends
// the same bytes, and measures thousands of watchers.
func measureServe(ctx context.Context, w *world) (rows []row, err error) {
	for _, containers := range []int{300, 10_000} {
		found, err := w.compareMaster(ctx, containers)
		rows = append(rows, found...)
		if err != nil {
			return rows, err
		}
	}
	found, err := w.compareWatches(ctx)
	return append(rows, found...), err
}

// compareMaster measures a master with one cluster, which keeps reporting meanwhile.
func (w *world) compareMaster(ctx context.Context, containers int) (rows []row, err error) {
	f, err := newFleet(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err := f.start(ctx, clusters{number: 1, containers: containers}); err != nil {
		return nil, err
	}
	if err := f.startPlainMaster(ctx); err != nil {
		return nil, err
	}
	if err := f.awaitAll(ctx); err != nil {
		return nil, err
	}
	master := &server{address: strings.TrimPrefix(f.master.URL, "http://"), pid: f.master.PID()}
	for _, encoding := range []string{"identity", "gzip"} {
		found, err := w.compareGets(ctx, master, containers, encoding)
		rows = append(rows, found...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// serveTime returns how long one server is measured at a time.
func (w *world) serveTime() time.Duration {
	if w.sizes == full {
		return time.Second
	}
	return 100 * time.Millisecond
}

func (w *world) compareGets(ctx context.Context, master *server, containers int, encoding string) (rows []row, err error) {
	asked := request{clusterPath(0), encoding}
	imitation, err := master.imitate(ctx, asked.path, encoding)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, imitation.end()) }()
	ours, bare, err := inTurns(master, imitation, func(s *server) (burst, error) { return s.burst(ctx, asked, 0, w.serveTime()) })
	if err != nil {
		return nil, err
	}
	rate, bareRate := median(pick(ours, burst.rate)), median(pick(bare, burst.rate))
	cost, bareCost := median(pick(ours, burst.cost)), median(pick(bare, burst.cost))
	id := fmt.Sprintf("serve.get-%d-%s", containers, encoding)
	rows = append(rows, goal(id, fmt.Sprintf("GET of all of %s containers, held, %s, against a bare net/http server", thousands(containers), encoding),
		"≥ 85 % of its requests/s", rate >= rateGoal*bareRate, "%s: %s/s to %s/s, %s each; CPU of the server's process a request %s to %s",
		inPercent(rate/bareRate), thousands(int(rate)), thousands(int(bareRate)), inBytes(float64(ours[0].Bytes)), inMicros(cost), inMicros(bareCost)))
	if containers > 1000 {
		return rows, nil
	}
	paced, barePaced, err := inTurns(master, imitation, func(s *server) (burst, error) { return s.burst(ctx, asked, rate/2, w.serveTime()) })
	if err != nil {
		return rows, err
	}
	tails, bareTails := pick(paced, burst.tail), pick(barePaced, burst.tail)
	at, bareAt := median(tails), median(bareTails)
	return append(rows, goal(id+"-tail", fmt.Sprintf("its slowest of 100 at half that load, median of %d turns", rounds), "P99 ≤ 2 ms", at <= tailGoal,
		"%s, from %s to %s; bare %s, from %s to %s; at %s/s", inMicros(at.Seconds()), inMicros(slices.Min(tails).Seconds()), inMicros(slices.Max(tails).Seconds()),
		inMicros(bareAt.Seconds()), inMicros(slices.Min(bareTails).Seconds()), inMicros(slices.Max(bareTails).Seconds()), thousands(int(rate/2)))), nil
}

// inTurns measures the master and a bare server alternately; each is the first of a pair
// equally often. The first measurement of each is a warm-up and does not count.
func inTurns(master, imitation *server, measure func(*server) (burst, error)) (ours, bare []burst, err error) {
	for i := range 2*rounds + 2 {
		s := []*server{master, imitation}[(i+i/2)%2]
		measured, err := measure(s)
		switch {
		case err != nil:
			return nil, nil, err
		case i < 2: // warm by now
		case s == master:
			ours = append(ours, measured)
		default:
			bare = append(bare, measured)
		}
	}
	return ours, bare, nil
}

func inMicros(seconds float64) string { return fmt.Sprintf("%.0f µs", seconds*1e6) }

// burst is the result of sending requests to a server for some time.
type burst struct {
	heard
	// cpu is what the server took.
	cpu time.Duration
}

func (b burst) rate() float64       { return float64(b.Requests) / b.Took.Seconds() }
func (b burst) cost() float64       { return b.cpu.Seconds() / float64(b.Requests) }
func (b burst) tail() time.Duration { return b.Tail }

// burst sends requests at a rate per second, or as fast as possible if the rate is 0.
func (s *server) burst(ctx context.Context, r request, rate float64, lasts time.Duration) (burst, error) {
	before, err := s.taken()
	if err != nil {
		return burst{}, err
	}
	h, err := s.ask(ctx, r, rate, lasts)
	if err != nil {
		return burst{}, err
	}
	after, err := s.taken()
	return burst{h, after.cpu - before.cpu}, err
}
