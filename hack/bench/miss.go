package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	missP50 = 150 * time.Millisecond
	missP99 = 300 * time.Millisecond
)

// measureMiss asks the real master for a cluster that it has heard of and knows nothing
// of, again and again.
func measureMiss(ctx context.Context, w *world) (rows []row, err error) {
	p, err := w.regular(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.startHub(ctx); err != nil {
		return nil, err
	}
	a, err := w.startAgent(ctx, p.Cluster, "warm")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.end(ctx)) }()
	plain, packed := http.Header{"Accept-Encoding": {"identity"}}, http.Header{"Accept-Encoding": {"gzip"}}
	took := map[bool][]time.Duration{}
	size := map[bool]int{}
	for i := range 2 * w.sizes.misses {
		asPlain := i%2 == 0
		asked := packed
		if asPlain {
			asked = plain
		}
		delay, bytes, err := w.miss(ctx, a, asked)
		if err != nil {
			return nil, err
		}
		took[asPlain], size[asPlain] = append(took[asPlain], delay), bytes
	}
	p50, p99 := median(took[true]), percentile(took[true], 99)
	return []row{
		goal("miss.cold", fmt.Sprintf("cold miss, agent warm, %s pods, wss, without waiting for usage", thousands(len(p.pods))),
			"P50 ≤ 150 ms, P99 ≤ 300 ms from request to whole answer", p50 <= missP50 && p99 <= missP99,
			"P50 %s, P99 %s, of %d; an answer of %s, not compressed", inMillis(p50), inMillis(p99), len(took[true]), inBytes(float64(size[true]))),
		beside("miss.gzip", "the same, answers compressed with gzip", "P50 %s, P99 %s, of %d; an answer of %s, unpacking apart",
			inMillis(median(took[false])), inMillis(percentile(took[false], 99)), len(took[false]), inBytes(float64(size[false]))),
	}, nil
}

// miss registers the agent, asks, and takes it away again, so that the master forgets all
// that it knew.
func (w *world) miss(ctx context.Context, a *agent, asked http.Header) (took time.Duration, size int, err error) {
	if err := w.register(ctx, a, a.address, "idleRefresh: 0s"); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	answer, err := w.master.GetAs(ctx, "/api/v1/clusters/"+a.Cluster, asked)
	took = time.Since(began)
	if err != nil {
		return 0, 0, err
	}
	if answer.Status != http.StatusOK {
		return 0, 0, fmt.Errorf("ask for cluster %s: %d %s", a.Cluster, answer.Status, answer.Body)
	}
	if err := w.unregister(a.Cluster); err != nil {
		return 0, 0, err
	}
	return took, len(answer.Body), w.listed(ctx, a.Cluster, false)
}
