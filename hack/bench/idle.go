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
	// ticketWait is in which a server sends its session ticket behind a handshake.
	ticketWait = 300 * time.Millisecond
)

// measureIdle registers an agent that nobody asks for.
func measureIdle(ctx context.Context, w *world) (rows []row, err error) {
	p, err := w.regular(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.startHub(ctx); err != nil {
		return nil, err
	}
	a, err := w.startAgent(ctx, p.Cluster, "idle")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.end(ctx)) }()
	f, err := forward(a.address)
	if err != nil {
		return nil, err
	}
	defer f.close()
	if err := w.register(ctx, a, f.Address, "idleRefresh: 0s"); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.unregister(a.Cluster)) }()
	silent, err := w.silence(ctx, p, a, f)
	if err != nil {
		return nil, err
	}
	refresh, err := w.refresh(ctx, a, f)
	return append(silent, refresh...), err
}

// silence measures traffic and requests while nothing changes.
func (w *world) silence(ctx context.Context, p *played, a *agent, f *forwarder) ([]row, error) {
	if err := sleep(ctx, w.sizes.period); err != nil { // the start's own work is over
		return nil, err
	}
	before, began := f.traffic(), time.Now()
	heard := a.api.down.Load()
	serverBefore, err := takenBy(p.APIServerPID())
	if err != nil {
		return nil, err
	}
	seen, err := w.watch(ctx, a.PID())
	if err != nil {
		return nil, err
	}
	server, err := takenBy(p.APIServerPID())
	if err != nil {
		return nil, err
	}
	after, window := f.traffic(), time.Since(began)
	sent := after.down + after.up - before.down - before.up
	perMinute := float64(a.api.down.Load()-heard) / window.Minutes()
	return []row{
		goal("idle.silent", "nobody asks, idleRefresh 0s: bytes between agent and master", "0", sent == 0, "%d in %s", sent, roughly(window)),
		beside("idle.heard", "bytes that agent gets from its API server meanwhile", "%s a minute", inBytes(perMinute)),
		beside("idle.cpu", "CPU and memory of that agent", "%s, resident %s; the API server meanwhile %s CPU",
			inPercent(seen.cpu), inMiB(seen.now.rss), inPercent(server.share(serverBefore))),
	}, nil
}

// refresh measures the bytes of one summary.
func (w *world) refresh(ctx context.Context, a *agent, f *forwarder) ([]row, error) {
	handshake, err := handshakeTraffic(ctx, a.address)
	if err != nil {
		return nil, err
	}
	if err := w.register(ctx, a, f.Address, "idleRefresh: "+w.sizes.refresh.String()); err != nil {
		return nil, err
	}
	first, err := w.refreshes(ctx, f, 1)
	if err != nil {
		return nil, err
	}
	later, err := w.refreshes(ctx, f, int64(w.sizes.refreshes))
	if err != nil {
		return nil, err
	}
	down, up := later.down-handshake.down, later.up-handshake.up
	return []row{goal("idle.refresh", "nobody asks, one refresh, TLS handshake apart", "≤ 1 kB", down+up <= refreshGoal,
		"%d bytes: %d to the master, %d to the agent (upgrade and token); %d more in the first one, which has to bring problems and resources; the handshake, both ways: %d",
		down+up, down, up, first.down+first.up-later.down-later.up, handshake.down+handshake.up)}, nil
}

// refreshes waits for so many more, and gives what one of them takes, handshake included.
func (w *world) refreshes(ctx context.Context, f *forwarder, count int64) (each traffic, err error) {
	before, calls := f.traffic(), f.connections.Load()
	deadline := time.Now().Add(2 * time.Duration(count+2) * w.sizes.refresh)
	for f.connections.Load()-calls < count {
		if time.Now().After(deadline) {
			return each, fmt.Errorf("%d summaries were asked for in time, want %d", f.connections.Load()-calls, count)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return each, err
		}
	}
	if err := sleep(ctx, w.sizes.refresh/5); err != nil { // the last one ends
		return each, err
	}
	after, seen := f.traffic(), f.connections.Load()-calls
	return traffic{up: (after.up - before.up) / seen, down: (after.down - before.down) / seen}, nil
}

// handshakeTraffic measures the bytes of a TLS handshake with an agent, including session
// tickets and close_notify.
func handshakeTraffic(ctx context.Context, address string) (t traffic, err error) {
	f, err := forward(address)
	if err != nil {
		return t, err
	}
	defer f.close()
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.DialContext(ctx, "tcp", f.Address)
	if err != nil {
		return t, fmt.Errorf("shake hands with the agent: %w", err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(ticketWait)); err != nil {
		return t, err
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		return t, fmt.Errorf("the agent speaks unasked: %w", err)
	}
	var timeout net.Error
	if err := conn.Close(); err != nil && !errors.As(err, &timeout) {
		return t, err
	}
	if err := f.awaitEnd(ctx); err != nil {
		return t, err
	}
	return f.traffic(), nil
}

// register creates a ClusterAgent with the given address, and waits until the master has seen
// it.
func (w *world) register(ctx context.Context, a *agent, address, reporting string) error {
	manifest := stack.Agent{Cluster: a.Cluster, Endpoint: "wss://" + address, Pin: a.Pin}
	if _, err := w.hub.KubectlInput(manifest.Manifest(reporting), "apply", "-f", "-"); err != nil {
		return err
	}
	return w.listed(ctx, a.Cluster, true)
}

func (w *world) unregister(cluster string) error {
	_, err := w.hub.Kubectl("delete", "clusteragent", cluster)
	return err
}
