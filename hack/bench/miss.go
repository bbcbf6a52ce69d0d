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

// measureMiss repeatedly requests a cluster for which the master has a registration and no data.
func measureMiss(ctx context.Context, env *environment) (rows []row, err error) {
	p, err := env.regular(ctx)
	if err != nil {
		return nil, err
	}
	if err := env.startHub(ctx); err != nil {
		return nil, err
	}
	a, err := env.startAgent(ctx, p.Cluster, "warm")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	plain, packed := http.Header{"Accept-Encoding": {"identity"}}, http.Header{"Accept-Encoding": {"gzip"}}
	latencies := map[bool][]time.Duration{}
	size := map[bool]int{}
	for i := range 2 * env.sizes.misses {
		asPlain := i%2 == 0
		headers := packed
		if asPlain {
			headers = plain
		}
		delay, bytes, err := env.miss(ctx, a, headers)
		if err != nil {
			return nil, err
		}
		latencies[asPlain], size[asPlain] = append(latencies[asPlain], delay), bytes
	}
	p50, p99 := median(latencies[true]), percentile(latencies[true], 99)
	return []row{
		goalRow("miss.cold", fmt.Sprintf("cold miss, agent warm, %s pods, wss, without waiting for usage", thousands(len(p.pods))),
			"P50 ≤ 150 ms, P99 ≤ 300 ms from request to complete response", p50 <= missP50 && p99 <= missP99,
			"P50 %s, P99 %s, of %d; a response of %s, not compressed", inMillis(p50), inMillis(p99), len(latencies[true]), inBytes(float64(size[true]))),
		infoRow("miss.gzip", "the same, responses compressed with gzip", "P50 %s, P99 %s, of %d; a response of %s, without decompressing it",
			inMillis(median(latencies[false])), inMillis(percentile(latencies[false], 99)), len(latencies[false]), inBytes(float64(size[false]))),
	}, nil
}

// miss registers the agent, requests its cluster, and removes the agent, so that the master drops its data. It
// returns the latency of the request and the size of the response's body in bytes.
func (env *environment) miss(ctx context.Context, a *agent, headers http.Header) (latency time.Duration, size int, err error) {
	if err := env.register(ctx, a, a.address, "idleRefresh: 0s"); err != nil {
		return 0, 0, err
	}
	startedAt := time.Now()
	response, err := env.master.GetWithHeader(ctx, "/api/v1/clusters/"+a.Cluster, headers)
	latency = time.Since(startedAt)
	if err != nil {
		return 0, 0, err
	}
	if response.Status != http.StatusOK {
		return 0, 0, fmt.Errorf("get cluster %s: %d %s", a.Cluster, response.Status, response.Body)
	}
	if err := env.unregister(a.Cluster); err != nil {
		return 0, 0, err
	}
	return latency, len(response.Body), env.waitListed(ctx, a.Cluster, false)
}
