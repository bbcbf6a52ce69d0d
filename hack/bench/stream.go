package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"rollcall.dev/rollcall/test/load"
)

// Goals of the stream.
const (
	snapshotGoal = 150_000 // bytes
	tickGoal     = 120     // bytes, both ways
)

// loadGoal has the goals of a load.
type loadGoal struct {
	kind load.Kind
	// value is the goal in bytes per usage value. times is the factor by which the downlink has to be smaller
	// than that of JSON polls.
	value float64
	times float64
}

var loadGoals = []loadGoal{{load.Still, 0.15, 10_000}, {load.Office, 0.5, 8_000}, {load.Storm, 1.5, 2_500}}

// gzipShare divides the factor of JSON polls to give that of gzip polls.
const gzipShare = 7

// measureStream measures the three loads one after the other, and pollers next to each.
func measureStream(ctx context.Context, env *environment) ([]row, error) {
	p, s, err := env.sharedSession(ctx)
	if err != nil {
		return nil, err
	}
	handshake, err := handshakeTraffic(ctx, s.agent.address)
	if err != nil {
		return nil, err
	}
	first := s.session.flushRange(0, 1)[0].down - handshake.down
	rows := []row{
		infoRow("stream.cluster", "the cluster of regular pods", "%d nodes, %s pods, %s running containers, %s usage values",
			p.nodes, thousands(len(p.pods)), thousands(p.containers), thousands(p.values)),
		goalRow("stream.snapshot", "first snapshot, regular pods", "≤ 150 kB", first <= snapshotGoal,
			"%s; without the TLS handshake of %s", inBytes(float64(first)), inBytes(float64(handshake.down))),
	}
	base, err := env.measureServer(ctx, p)
	if err != nil {
		return rows, err
	}
	rows = append(rows, base...)
	var plain []flush
	for _, g := range loadGoals {
		figures, err := env.measureLoad(ctx, p, s, g)
		rows = append(rows, figures.rows...)
		plain = append(plain, figures.plain...)
		if err != nil {
			return rows, fmt.Errorf("load %s: %w", g.kind, err)
		}
	}
	return append(rows, tickRow(plain)), nil
}

// measureServer measures the API server while the agent reports and no poller runs.
func (env *environment) measureServer(ctx context.Context, p *kwokCluster) ([]row, error) {
	server, err := env.measureProcess(ctx, p.APIServerPID())
	if err != nil {
		return nil, err
	}
	return []row{infoRow("stream.server", "CPU of the API server, no poller", "%s, resident %s", inPercent(server.cpu), inMiB(server.now.rss))}, nil
}

// processFigures is the resource usage of a process over a window.
type processFigures struct {
	now procUsage
	cpu float64 // share of a core
}

// measureProcess measures a process over the window of the configured size.
func (env *environment) measureProcess(ctx context.Context, pid int) (processFigures, error) {
	before, err := readProcUsage(pid)
	if err != nil {
		return processFigures{}, err
	}
	if err := sleep(ctx, env.sizes.window); err != nil {
		return processFigures{}, err
	}
	after, err := readProcUsage(pid)
	return processFigures{now: after, cpu: after.cpuShare(before)}, err
}

// tickRow returns the row with the bytes of a flush in which nothing changed.
func tickRow(plain []flush) row {
	down := median(collect(plain, func(f flush) int64 { return f.down }))
	up := median(collect(plain, func(f flush) int64 { return f.up }))
	return goalRow("stream.tick", "a flush without changes", "≤ 120 bytes on the socket", down+up <= tickGoal,
		"%d bytes: %d for the bookmark, %d for its acknowledgement", down+up, down, up)
}

// loadFigures has the rows of one load, and the flushes without changes.
type loadFigures struct {
	rows  []row
	plain []flush
}

// measureLoad switches to a load and measures agent and pollers.
func (env *environment) measureLoad(ctx context.Context, p *kwokCluster, s *agentSession, g loadGoal) (f loadFigures, err error) {
	p.usage.setLoad(g.kind)
	// Wait for two rounds: the differences of the first one include the previous load.
	if err := p.usage.waitRounds(ctx, 2); err != nil {
		return f, err
	}
	before, err := readProcUsage(s.agent.PID())
	if err != nil {
		return f, err
	}
	all, err := env.readings(ctx, s.session)
	if err != nil {
		return f, err
	}
	after, err := readProcUsage(s.agent.PID())
	if err != nil {
		return f, err
	}
	if f.plain = filter(all, plainFlush); len(f.plain) == 0 {
		return f, errors.New("all flushes have usage or changes, want some without")
	}
	f.rows = []row{
		valueRow(g, all, f.plain, p),
		infoRow("stream.agent."+g.kind.String(), "CPU of the agent in a session, "+g.kind.String(), "%s", inPercent(after.cpuShare(before))),
	}
	polls, err := env.comparePollers(ctx, p, g, downlink(all))
	f.rows = append(f.rows, polls...)
	return f, err
}

// readings returns the flushes after one usage reading up to and including a later one, so that
// whole rounds are counted with all that is sent between them.
func (env *environment) readings(ctx context.Context, s *session) ([]flush, error) {
	from, _ := s.progress()
	from, err := s.waitFlush(ctx, from, usageFlush)
	if err != nil {
		return nil, err
	}
	to := from
	for range env.sizes.readings {
		if to, err = s.waitFlush(ctx, to+1, usageFlush); err != nil {
			return nil, err
		}
	}
	return s.flushRange(from, to+1), nil
}

// downlink returns the bytes per second from the agent. The first flush marks the start and is
// not counted itself.
func downlink(all []flush) float64 {
	bytes := sum(all[1:], func(f flush) int64 { return f.down })
	return float64(bytes) / all[len(all)-1].at.Sub(all[0].at).Seconds()
}

// valueRow returns the row with the bytes of one usage value.
func valueRow(g loadGoal, all, plain []flush, p *kwokCluster) row {
	tick := median(collect(plain, func(f flush) int64 { return f.down }))
	usage := median(collect(filter(all[1:], usageFlush), func(f flush) int64 { return f.down }))
	value := float64(usage-tick) / float64(p.values)
	name := g.kind.String()
	return goalRow("stream.value."+name, "one usage value, "+name, fmt.Sprintf("≤ %g bytes", g.value), value <= g.value,
		"%.2f bytes; entropy of the differences %.2f; %s a reading%s", value, p.usage.entropy()/8, inBytes(float64(usage-tick)), changesIn(all[1:]))
}

// changesIn returns a note if pods changed although nothing should have.
func changesIn(all []flush) string {
	changed := sum(all, func(f flush) int { return len(f.changed) })
	if changed == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d objects changed meanwhile)", changed)
}

// comparePollers compares the downlink with those of two pollers.
func (env *environment) comparePollers(ctx context.Context, p *kwokCluster, g loadGoal, perSecond float64) (rows []row, err error) {
	period, name := env.sizes.period, g.kind.String()
	bytes := perSecond * period.Seconds()
	for _, zipped := range []bool{false, true} {
		form, times := "JSON", g.times
		if zipped {
			form, times = "gzip", g.times/gzipShare
		}
		polled, err := env.measurePoller(ctx, p, zipped, env.sizes.polls)
		if err != nil {
			return rows, fmt.Errorf("poll as %s: %w", form, err)
		}
		ratio := float64(polled.bytes) / bytes
		id := "stream." + strings.ToLower(form) + "." + name
		rows = append(rows,
			goalRow(id, fmt.Sprintf("downlink against %s polling every %s, %s", form, period, name), fmt.Sprintf("≥ %s times less", thousands(int(times))), ratio >= times,
				"%s times less: %s a poll, %s in that time", thousands(int(ratio)), inBytes(float64(polled.bytes)), inBytes(bytes)))
		if g.kind == load.Office {
			rows = append(rows, infoRow(id+".cost", fmt.Sprintf("that poller (%s)", form),
				"%d requests a poll, %s CPU, peak %s; the API server meanwhile %s CPU, peak %s", polled.requests, inPercent(polled.cpu), inMiB(polled.peak), inPercent(polled.serverCPU), inMiB(polled.serverPeak)))
		}
	}
	return rows, nil
}

// roundedSeconds formats a duration in whole seconds.
func roundedSeconds(d time.Duration) string { return d.Round(time.Second).String() }
