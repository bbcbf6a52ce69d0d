package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"rollcall.dev/rollcall/test/stack"
)

const (
	refreshGoal = 1000 // bytes, without the TLS handshake
	// ticketWait is the time in which a server sends its session ticket after a handshake.
	ticketWait = 300 * time.Millisecond
)

// measureIdle measures an agent whose cluster no client requests.
func measureIdle(ctx context.Context, env *environment) (rows []row, err error) {
	p, err := env.regular(ctx)
	if err != nil {
		return nil, err
	}
	if err := env.startHub(ctx); err != nil {
		return nil, err
	}
	a, err := env.startAgent(ctx, p.Cluster, "idle")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	f, err := newForwarder(a.address)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err := env.register(ctx, a, f.Address, "idleRefresh: 0s"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, env.unregister(a.Cluster)) }()
	silent, err := env.measureSilence(ctx, p, a, f)
	if err != nil {
		return nil, err
	}
	refresh, err := env.measureRefresh(ctx, a, f)
	return append(silent, refresh...), err
}

// measureSilence measures traffic and API requests while nothing changes.
func (env *environment) measureSilence(ctx context.Context, p *kwokCluster, a *agent, f *forwarder) ([]row, error) {
	if err := sleep(ctx, env.sizes.period); err != nil { // the work of the start is done then
		return nil, err
	}
	before, startedAt := f.traffic(), time.Now()
	apiBytes := a.api.down.Load()
	serverBefore, err := readProcUsage(p.APIServerPID())
	if err != nil {
		return nil, err
	}
	figures, err := env.measureProcess(ctx, a.PID())
	if err != nil {
		return nil, err
	}
	server, err := readProcUsage(p.APIServerPID())
	if err != nil {
		return nil, err
	}
	after, window := f.traffic(), time.Since(startedAt)
	sent := after.down + after.up - before.down - before.up
	perMinute := float64(a.api.down.Load()-apiBytes) / window.Minutes()
	return []row{
		goalRow("idle.silent", "no client, idleRefresh 0s: bytes between agent and master", "0", sent == 0, "%d in %s", sent, roundedSeconds(window)),
		infoRow("idle.apiBytes", "bytes that agent receives from its API server meanwhile", "%s a minute", inBytes(perMinute)),
		infoRow("idle.cpu", "CPU and memory of that agent", "%s, resident %s; the API server meanwhile %s CPU",
			inPercent(figures.cpu), inMiB(figures.now.rss), inPercent(server.cpuShare(serverBefore))),
	}, nil
}

// measureRefresh measures the bytes of one summary request.
func (env *environment) measureRefresh(ctx context.Context, a *agent, f *forwarder) ([]row, error) {
	handshake, err := handshakeTraffic(ctx, a.address)
	if err != nil {
		return nil, err
	}
	if err := env.register(ctx, a, f.Address, "idleRefresh: "+env.sizes.refresh.String()); err != nil {
		return nil, err
	}
	first, err := env.waitRefreshes(ctx, f, 1)
	if err != nil {
		return nil, err
	}
	later, err := env.waitRefreshes(ctx, f, int64(env.sizes.refreshes))
	if err != nil {
		return nil, err
	}
	down, up := later.down-handshake.down, later.up-handshake.up
	return []row{goalRow("idle.refresh", "no client, one refresh, without the TLS handshake", "≤ 1 kB", down+up <= refreshGoal,
		"%d bytes: %d to the master, %d to the agent (upgrade and token); %d more in the first refresh, which includes problems and resources; the handshake, both ways: %d",
		down+up, down, up, first.down+first.up-later.down-later.up, handshake.down+handshake.up)}, nil
}

// waitRefreshes waits for count more refreshes, and returns the mean traffic of one of them, handshake included.
func (env *environment) waitRefreshes(ctx context.Context, f *forwarder, count int64) (each traffic, err error) {
	before, connsBefore := f.traffic(), f.connections.Load()
	deadline := time.Now().Add(2 * time.Duration(count+2) * env.sizes.refresh)
	for f.connections.Load()-connsBefore < count {
		if time.Now().After(deadline) {
			return each, fmt.Errorf("the master requested %d summaries in time, want %d", f.connections.Load()-connsBefore, count)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return each, err
		}
	}
	if err := sleep(ctx, env.sizes.refresh/5); err != nil { // until the last one is complete
		return each, err
	}
	after, refreshes := f.traffic(), f.connections.Load()-connsBefore
	return traffic{up: (after.up - before.up) / refreshes, down: (after.down - before.down) / refreshes}, nil
}

// handshakeTraffic measures the bytes of a TLS handshake with an agent, including session
// tickets and close_notify.
func handshakeTraffic(ctx context.Context, address string) (t traffic, err error) {
	f, err := newForwarder(address)
	if err != nil {
		return t, err
	}
	defer f.close()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", f.Address)
	if err != nil {
		return t, fmt.Errorf("TLS handshake with the agent: %w", err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(ticketWait)); err != nil {
		return t, err
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return t, fmt.Errorf("read after the TLS handshake: got data or an error, want silence: %w", err)
	}
	var timeout net.Error
	if err := conn.Close(); err != nil && !errors.As(err, &timeout) {
		return t, err
	}
	if err := f.waitIdle(ctx); err != nil {
		return t, err
	}
	return f.traffic(), nil
}

// register creates a ClusterAgent with the given address, and waits until the master lists it.
func (env *environment) register(ctx context.Context, a *agent, address, reporting string) error {
	manifest := stack.Agent{Cluster: a.Cluster, Endpoint: "wss://" + address, Pin: a.Pin}
	if _, err := env.hub.KubectlInput(manifest.Manifest(reporting), "apply", "-f", "-"); err != nil {
		return err
	}
	return env.waitListed(ctx, a.Cluster, true)
}

// unregister deletes the ClusterAgent of a cluster.
func (env *environment) unregister(cluster string) error {
	_, err := env.hub.Kubectl("delete", "clusteragent", cluster)
	return err
}
