package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"rollcall.dev/rollcall/test/load"
)

// Goals of the stream, from the project's own table.
const (
	snapshotGoal = 150_000 // bytes
	tickGoal     = 120     // bytes, both ways
)

// loadGoal is what a load may cost.
type loadGoal struct {
	kind load.Kind
	// value is bytes a usage value; times is how much less the downlink is than that of
	// JSON polls. Of gzip polls it is a seventh of that.
	value float64
	times float64
}

var loadGoals = []loadGoal{{load.Still, 0.15, 10_000}, {load.Office, 0.5, 8_000}, {load.Storm, 1.5, 2_500}}

const gzipShare = 7

// measureStream plays the three loads, one after the other, and polls beside each.
func measureStream(ctx context.Context, w *world) ([]row, error) {
	p, s, err := w.sharedSession(ctx)
	if err != nil {
		return nil, err
	}
	handshake, err := handshakeTraffic(ctx, s.agent.address)
	if err != nil {
		return nil, err
	}
	first := s.session.between(0, 1)[0].down - handshake.down
	rows := []row{
		beside("stream.cluster", "the cluster of regular pods", "%d nodes, %s pods, %s containers that run, %s usage values",
			p.nodes, thousands(len(p.pods)), thousands(p.containers), thousands(p.values)),
		goal("stream.snapshot", "first snapshot, regular pods", "≤ 150 kB", first <= snapshotGoal,
			"%s; the TLS handshake before it, %s", inBytes(float64(first)), inBytes(float64(handshake.down))),
	}
	base, err := w.rest(ctx, p)
	if err != nil {
		return rows, err
	}
	rows = append(rows, base...)
	var plain []flush
	for _, g := range loadGoals {
		played, err := w.playLoad(ctx, p, s, g)
		rows = append(rows, played.rows...)
		plain = append(plain, played.plain...)
		if err != nil {
			return rows, fmt.Errorf("load %s: %w", g.kind, err)
		}
	}
	return append(rows, tickRow(plain)), nil
}

// rest measures the API server while the agent reports and nothing polls yet.
func (w *world) rest(ctx context.Context, p *played) ([]row, error) {
	server, err := w.watch(ctx, p.APIServerPID())
	if err != nil {
		return nil, err
	}
	return []row{beside("stream.server", "CPU of the API server, nobody polling", "%s, resident %s", inPercent(server.cpu), inMiB(server.now.rss))}, nil
}

// watched is what a process took over a window.
type watched struct {
	now taken
	cpu float64 // share of a core
}

func (w *world) watch(ctx context.Context, pid int) (watched, error) {
	before, err := takenBy(pid)
	if err != nil {
		return watched{}, err
	}
	if err := sleep(ctx, w.sizes.window); err != nil {
		return watched{}, err
	}
	after, err := takenBy(pid)
	return watched{now: after, cpu: after.share(before)}, err
}

func tickRow(plain []flush) row {
	down := median(pick(plain, func(f flush) int64 { return f.down }))
	up := median(pick(plain, func(f flush) int64 { return f.up }))
	return goal("stream.tick", "a tick where nothing changed", "≤ 120 bytes on the socket", down+up <= tickGoal,
		"%d bytes: %d of the bookmark, %d of its acknowledgement", down+up, down, up)
}

// loadFigures are the rows of one load, and the ticks that it had in between.
type loadFigures struct {
	rows  []row
	plain []flush
}

func (w *world) playLoad(ctx context.Context, p *played, s *shared, g loadGoal) (f loadFigures, err error) {
	p.usage.play(g.kind)
	// Two more rounds: the first has the load before it in its differences.
	if err := p.usage.awaitRounds(ctx, 2); err != nil {
		return f, err
	}
	before, err := takenBy(s.agent.PID())
	if err != nil {
		return f, err
	}
	all, err := w.readings(ctx, s.session)
	if err != nil {
		return f, err
	}
	after, err := takenBy(s.agent.PID())
	if err != nil {
		return f, err
	}
	if f.plain = only(all, plainFlush); len(f.plain) == 0 {
		return f, errors.New("no tick came without usage or a change")
	}
	f.rows = []row{
		valueRow(g, all, f.plain, p),
		beside("stream.agent."+g.kind.String(), "CPU of the agent in a session, "+g.kind.String(), "%s", inPercent(after.share(before))),
	}
	polls, err := w.polls(ctx, p, g, downlink(all))
	f.rows = append(f.rows, polls...)
	return f, err
}

// readings returns the flushes after one usage reading up to and including a later one, so that
// whole rounds are counted with all that is sent between them.
func (w *world) readings(ctx context.Context, s *session) ([]flush, error) {
	from, _ := s.at()
	from, err := s.await(ctx, from, usageFlush)
	if err != nil {
		return nil, err
	}
	to := from
	for range w.sizes.readings {
		if to, err = s.await(ctx, to+1, usageFlush); err != nil {
			return nil, err
		}
	}
	return s.between(from, to+1), nil
}

// downlink returns the bytes per second from the agent. The first flush marks the start and is
// not counted.
func downlink(all []flush) float64 {
	bytes := sum(all[1:], func(f flush) int64 { return f.down })
	return float64(bytes) / all[len(all)-1].at.Sub(all[0].at).Seconds()
}

func valueRow(g loadGoal, all, plain []flush, p *played) row {
	tick := median(pick(plain, func(f flush) int64 { return f.down }))
	usage := median(pick(only(all[1:], usageFlush), func(f flush) int64 { return f.down }))
	value := float64(usage-tick) / float64(p.values)
	name := g.kind.String()
	return goal("stream.value."+name, "one usage value, "+name, fmt.Sprintf("≤ %g bytes", g.value), value <= g.value,
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

// polls compares the downlink with those of two pollers.
func (w *world) polls(ctx context.Context, p *played, g loadGoal, perSecond float64) (rows []row, err error) {
	period, name := w.sizes.period, g.kind.String()
	ours := perSecond * period.Seconds()
	for _, zipped := range []bool{false, true} {
		form, times := "JSON", g.times
		if zipped {
			form, times = "gzip", g.times/gzipShare
		}
		polled, err := w.pollFor(ctx, p, zipped, w.sizes.polls)
		if err != nil {
			return rows, fmt.Errorf("poll as %s: %w", form, err)
		}
		ratio := float64(polled.bytes) / ours
		id := "stream." + strings.ToLower(form) + "." + name
		rows = append(rows,
			goal(id, fmt.Sprintf("downlink against %s polling every %s, %s", form, period, name), fmt.Sprintf("≥ %s times less", thousands(int(times))), ratio >= times,
				"%s times less: %s a poll, %s in that time", thousands(int(ratio)), inBytes(float64(polled.bytes)), inBytes(ours)))
		if g.kind == load.Office {
			rows = append(rows, beside(id+".cost", fmt.Sprintf("that poller (%s) itself", form),
				"%d requests a poll, %s CPU, peak %s; the API server meanwhile %s CPU, peak %s", polled.requests, inPercent(polled.cpu), inMiB(polled.peak), inPercent(polled.serverCPU), inMiB(polled.serverPeak)))
		}
	}
	return rows, nil
}

// roughly returns a duration rounded for reading.
func roughly(d time.Duration) string { return d.Round(time.Second).String() }
