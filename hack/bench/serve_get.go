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
	// rateGoal is the lowest acceptable ratio of the master's request rate to a bare server's.
	rateGoal = 0.85
	// tailGoal is the highest acceptable 99th percentile of the latency at half of that load.
	tailGoal = 2 * time.Millisecond
	// rounds is how often each server is measured, in turns.
	rounds = 15
)

// measureServe compares the whole response for a cached cluster with a bare server that sends
// the same bytes, and measures thousands of watchers.
func measureServe(ctx context.Context, env *environment) (rows []row, err error) {
	for _, containers := range []int{300, 10_000} {
		found, err := env.compareMaster(ctx, containers)
		rows = append(rows, found...)
		if err != nil {
			return rows, err
		}
	}
	found, err := env.compareWatches(ctx)
	return append(rows, found...), err
}

// compareMaster measures a master with one cluster, which keeps reporting meanwhile.
func (env *environment) compareMaster(ctx context.Context, containers int) (rows []row, err error) {
	f, err := newFleet(ctx, env)
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
	if err := f.waitAllReporting(ctx); err != nil {
		return nil, err
	}
	master := &server{address: strings.TrimPrefix(f.master.URL, "http://"), pid: f.master.PID()}
	for _, encoding := range []string{"identity", "gzip"} {
		found, err := env.compareGets(ctx, master, containers, encoding)
		rows = append(rows, found...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// measureTime returns how long one server is measured at a time.
func (env *environment) measureTime() time.Duration {
	if env.sizes == full {
		return time.Second
	}
	return 100 * time.Millisecond
}

// compareGets compares GETs of one encoding at the master and at a bare server with the same response.
func (env *environment) compareGets(ctx context.Context, master *server, containers int, encoding string) (rows []row, err error) {
	get := request{clusterPath(0), encoding}
	bareServer, err := master.startBareCopy(ctx, get.path, encoding)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bareServer.stop()) }()
	own, bare, err := alternate(master, bareServer, func(s *server) (burst, error) { return s.burst(ctx, get, 0, env.measureTime()) })
	if err != nil {
		return nil, err
	}
	rate, bareRate := median(collect(own, burst.rate)), median(collect(bare, burst.rate))
	cost, bareCost := median(collect(own, burst.cpuPerRequest)), median(collect(bare, burst.cpuPerRequest))
	id := fmt.Sprintf("serve.get-%d-%s", containers, encoding)
	rows = append(rows, goalRow(id, fmt.Sprintf("GET of all of %s containers, cached, %s, against a bare net/http server", thousands(containers), encoding),
		"≥ 85 % of its requests/s", rate >= rateGoal*bareRate, "%s: %s/s to %s/s, %s each; CPU of the server process per request %s to %s",
		inPercent(rate/bareRate), thousands(int(rate)), thousands(int(bareRate)), inBytes(float64(own[0].Bytes)), inMicros(cost), inMicros(bareCost)))
	if containers > 1000 {
		return rows, nil
	}
	paced, barePaced, err := alternate(master, bareServer, func(s *server) (burst, error) { return s.burst(ctx, get, rate/2, env.measureTime()) })
	if err != nil {
		return rows, err
	}
	tails, bareTails := collect(paced, burst.p99), collect(barePaced, burst.p99)
	at, bareAt := median(tails), median(bareTails)
	return append(rows, goalRow(id+"-tail", fmt.Sprintf("its 99th percentile at half that load, median of %d turns", rounds), "P99 ≤ 2 ms", at <= tailGoal,
		"%s, from %s to %s; bare %s, from %s to %s; at %s/s", inMicros(at.Seconds()), inMicros(slices.Min(tails).Seconds()), inMicros(slices.Max(tails).Seconds()),
		inMicros(bareAt.Seconds()), inMicros(slices.Min(bareTails).Seconds()), inMicros(slices.Max(bareTails).Seconds()), thousands(int(rate/2)))), nil
}

// alternate measures the master and a bare server alternately; each is the first of a pair
// equally often. The first measurement of each is a warm-up and does not count.
func alternate(master, bareServer *server, measure func(*server) (burst, error)) (own, bare []burst, err error) {
	for i := range 2*rounds + 2 {
		s := []*server{master, bareServer}[(i+i/2)%2]
		measured, err := measure(s)
		switch {
		case err != nil:
			return nil, nil, err
		case i < 2: // warm-up
		case s == master:
			own = append(own, measured)
		default:
			bare = append(bare, measured)
		}
	}
	return own, bare, nil
}

// inMicros formats seconds as microseconds.
func inMicros(seconds float64) string { return fmt.Sprintf("%.0f µs", seconds*1e6) }

// burst is the result of sending requests to a server for some time.
type burst struct {
	clientResult
	// cpu is the CPU time of the server.
	cpu time.Duration
}

// rate returns the requests per second.
func (b burst) rate() float64 { return float64(b.Requests) / b.Duration.Seconds() }

// cpuPerRequest returns the server's CPU seconds per request.
func (b burst) cpuPerRequest() float64 { return b.cpu.Seconds() / float64(b.Requests) }

// p99 returns the 99th percentile of the latency.
func (b burst) p99() time.Duration { return b.P99 }

// burst sends requests at a rate per second, or as fast as possible if the rate is 0.
func (s *server) burst(ctx context.Context, r request, rate float64, lasts time.Duration) (burst, error) {
	before, err := s.procUsage()
	if err != nil {
		return burst{}, err
	}
	h, err := s.runClient(ctx, r, rate, lasts)
	if err != nil {
		return burst{}, err
	}
	after, err := s.procUsage()
	return burst{h, after.cpu - before.cpu}, err
}
