package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"rollcall.dev/rollcall/api/state"
)

// measureLatency changes pods and measures when the session receives each change.
func measureLatency(ctx context.Context, env *environment) (rows []row, err error) {
	p, err := env.regular(ctx)
	if err != nil {
		return nil, err
	}
	s, err := env.openSession(ctx, p, "latency", "--usage-period", env.sizes.sample.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.closeAll(ctx)) }()
	pods := shuffled(p.running(func(pod *corev1.Pod) bool { return pod.Labels["app"] != wideApp }))
	for _, g := range []struct {
		id        string
		perSecond float64
		count     int
		p50, p99  time.Duration
	}{
		{"slow", 1, env.sizes.slow, 20 * time.Millisecond, 150 * time.Millisecond},
		{"fast", 50, env.sizes.fast, 70 * time.Millisecond, 200 * time.Millisecond},
	} {
		count := min(g.count, len(pods))
		delays, err := env.measureDelays(ctx, p, s.session, pods[:count], g.perSecond)
		if err != nil {
			return rows, err
		}
		pods = pods[count:]
		p50, p99 := median(delays), percentile(delays, 99)
		rows = append(rows, goalRow("latency."+g.id, fmt.Sprintf("change in the API server → delta at the master, %g a second", g.perSecond),
			fmt.Sprintf("P50 ≤ %s, P99 ≤ %s", inMillis(g.p50), inMillis(g.p99)), p50 <= g.p50 && p99 <= g.p99,
			"P50 %s, P99 %s, of %s changes", inMillis(p50), inMillis(p99), thousands(len(delays))))
	}
	return rows, nil
}

// measureDelays returns the times from the API server's response to each write until the flush with
// the change. It is zero if the flush arrives before the response.
func (env *environment) measureDelays(ctx context.Context, p *kwokCluster, s *session, pods []corev1.Pod, perSecond float64) ([]time.Duration, error) {
	from, _ := s.progress()
	written, err := toggleAll(ctx, p.Cluster, pods, perSecond)
	if err != nil {
		return nil, err
	}
	arrived, err := firstReceived(ctx, s, from, written)
	if err != nil {
		return nil, err
	}
	var delays []time.Duration
	for key, at := range written {
		delays = append(delays, max(arrived[key].Sub(at), 0))
	}
	return delays, nil
}

// firstReceived returns when each key first arrived, starting from the given flush.
func firstReceived(ctx context.Context, s *session, from int, wanted map[state.Key]time.Time) (map[state.Key]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	arrived := map[state.Key]time.Time{}
	for i := from; ; i++ {
		i, err := s.waitFlush(ctx, i, anyFlush)
		if err != nil {
			return nil, fmt.Errorf("received %d of %d changes: %w", len(arrived), len(wanted), err)
		}
		f := s.flushRange(i, i+1)[0]
		for _, key := range f.changed {
			if _, known := arrived[key]; !known && !wanted[key].IsZero() {
				arrived[key] = f.at
			}
		}
		if len(arrived) == len(wanted) {
			return arrived, nil
		}
	}
}
