package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

const (
	linkMemoryGoal  = 40 << 10 // bytes
	linkTrafficGoal = 1000     // bytes a minute
	// allLinkedTimeout is the timeout for all agents to have a link.
	allLinkedTimeout = 3 * time.Minute
)

// measureLinks measures the idle links of agents that dial one master, and how soon they are back after it was killed.
func measureLinks(ctx context.Context, env *environment) (rows []row, err error) {
	f, err := newFleet(ctx, env)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err := f.startMaster(ctx, "--profiling"); err != nil {
		return nil, err
	}
	forwarder, err := newForwarder(strings.TrimPrefix(f.master.URL, "https://"))
	if err != nil {
		return nil, err
	}
	defer forwarder.close()
	flags, err := f.linkFlags(forwarder.Address)
	if err != nil {
		return nil, err
	}
	// The clusters are registered before the agents dial, since an agent that was refused waits for up to five minutes.
	c := f.fullSize(true)
	if err := f.run(ctx, c, append(flags, "--for", "1ns")...); err != nil {
		return nil, err
	}
	f.stopAgents()
	if err := f.register(); err != nil {
		return nil, err
	}
	if err := sleep(ctx, env.sizes.warmup); err != nil {
		return nil, err
	}
	before, err := f.liveMemory(ctx)
	if err != nil {
		return nil, err
	}
	if err := f.run(ctx, c, flags...); err != nil {
		return nil, err
	}
	idle, err := f.measureIdleLinks(ctx, forwarder, before)
	if err != nil {
		return nil, err
	}
	back, err := f.measureLinksBack(ctx)
	return append(idle, back), err
}

// linkFlags returns the flags with which the simulated agents dial the master at an address.
func (f *fleet) linkFlags(address string) ([]string, error) {
	pair := tlsfiles.Pair{}
	var err error
	if pair.Cert, err = os.ReadFile(f.certificate("tls.crt")); err != nil {
		return nil, err
	}
	if pair.Key, err = os.ReadFile(f.certificate("tls.key")); err != nil {
		return nil, err
	}
	certificate, err := pair.Certificate()
	if err != nil {
		return nil, err
	}
	return []string{
		"--hub", "wss://" + address, "--hub-pin", tlsfiles.Pin(certificate.Leaf), "--master-public-key-file", f.env.stack.SigningKey() + ".pub", "--mode", "OnDemand", "--idle-refresh", "0s",
	}, nil
}

// certificate returns the path of a file of the master's certificate.
func (f *fleet) certificate(name string) string { return filepath.Join(f.certificates, name) }

// measureIdleLinks waits until all agents have a link, and measures the master's memory and the bytes of the
// connections.
func (f *fleet) measureIdleLinks(ctx context.Context, forwarder *forwarder, before int64) ([]row, error) {
	if _, err := f.waitAllLinked(ctx); err != nil {
		return nil, err
	}
	z := f.env.sizes
	if err := sleep(ctx, z.warmup); err != nil {
		return nil, err
	}
	traffic := forwarder.traffic()
	if err := sleep(ctx, z.window); err != nil {
		return nil, err
	}
	now := forwarder.traffic()
	usage, err := readProcUsage(f.master.PID())
	if err != nil {
		return nil, err
	}
	after, err := f.liveMemory(ctx)
	if err != nil {
		return nil, err
	}
	linked, err := f.linked(ctx)
	if err != nil || linked != z.fleet {
		return nil, errors.Join(err, fmt.Errorf("%d of %d agents have a link after the measurement", linked, z.fleet))
	}
	each := float64(after-before) / float64(z.fleet)
	perMinute := float64(now.up-traffic.up+now.down-traffic.down) / float64(z.fleet) / z.window.Minutes()
	return []row{
		goalRow("links.memory", fmt.Sprintf("memory of the master for each of %s idle links, wss", thousands(z.fleet)), "≤ 40 KiB", each <= linkMemoryGoal,
			"%.1f KiB of live heap and stacks; the master %s resident", each/(1<<10), inMiB(usage.rss)),
		goalRow("links.traffic", "an idle link, without summaries", "≤ 1 kB a minute", perMinute <= linkTrafficGoal, "%.0f bytes a minute, both ways", perMinute),
	}, nil
}

// measureLinksBack kills the master, starts it again when the agents' delays have reached their limit, and measures the
// time until all have a link again.
func (f *fleet) measureLinksBack(ctx context.Context) (row, error) {
	f.master.Kill()
	if err := sleep(ctx, f.env.sizes.warmup); err != nil {
		return row{}, err
	}
	if err := f.master.Start(ctx); err != nil {
		return row{}, err
	}
	back, err := f.waitAllLinked(ctx)
	return goalRow("links.back", fmt.Sprintf("%s agents that dial, master killed, down for %s: time until all have a link again", thousands(f.env.sizes.fleet), f.env.sizes.warmup),
		"≤ 15 s after the new master is ready", back <= recoveryGoal, "%.1f s", back.Seconds()), err
}

// liveMemory returns the bytes of the master's live objects and stacks.
func (f *fleet) liveMemory(ctx context.Context) (int64, error) {
	for range 2 { // a pool is empty after two collections
		response, err := f.master.Get(ctx, "/debug/pprof/heap?gc=1")
		if err != nil {
			return 0, err
		}
		if response.Status != http.StatusOK {
			return 0, fmt.Errorf("collect the master's garbage: %d", response.Status)
		}
	}
	m, err := f.metrics(ctx)
	return int64(m["go_memstats_heap_alloc_bytes"] + m["go_memstats_stack_inuse_bytes"]), err
}

// waitAllLinked waits until all agents have a link, and returns how long that took.
func (f *fleet) waitAllLinked(ctx context.Context) (time.Duration, error) {
	start, linked := time.Now(), 0
	for time.Since(start) < allLinkedTimeout {
		var err error
		if linked, err = f.linked(ctx); err != nil || linked == f.env.sizes.fleet {
			return time.Since(start), err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("after %s %d of %d agents have a link", allLinkedTimeout, linked, f.env.sizes.fleet)
}

// linked returns the number of idle links.
func (f *fleet) linked(ctx context.Context) (int, error) {
	m, err := f.metrics(ctx)
	return int(m["rollcall_idle_links"]), err
}
