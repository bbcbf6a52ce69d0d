package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	watchMemoryGoal  = 1.25
	deliveriesGoal   = 40_000 // a second of one core
	spreadGoal       = 500 * time.Millisecond
	watchPath        = "/api/v1/clusters/" + served + "/nodes?watch=true&usage=none"
	watchChanges     = 20
	deliveryPatience = time.Minute
)

// compareWatches measures thousands of watchers of one cluster, at the master's server and at a
// bare one that streams the same bytes.
func (w *world) compareWatches(ctx context.Context) ([]row, error) {
	watchers := 10_000
	if w.sizes != full {
		watchers = 100
	}
	if err := mayOpen(watchers); err != nil {
		return nil, err
	}
	p, err := startPair(ctx, watchPath, "identity")
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.end() }()
	var found [2]crowd
	for i, s := range []*server{p.bare, p.ours} {
		if found[i], err = s.crowd(ctx, watchers); err != nil {
			return nil, err
		}
	}
	bare, ours := found[0], found[1]
	each := func(c crowd) float64 { return float64(c.after-c.before) / float64(watchers) / 1024 }
	ratio := each(ours) / each(bare)
	rate, bareRate := float64(watchers*watchChanges)/ours.cpu.Seconds(), float64(watchers*watchChanges)/bare.cpu.Seconds()
	worst, bareWorst := slices.Max(ours.spreads), slices.Max(bare.spreads)
	return []row{
		goal("serve.watch-memory", fmt.Sprintf("%s watchers: resident memory for each, against a bare streaming handler", thousands(watchers)), "≤ 1.25 times", ratio <= watchMemoryGoal,
			"%.2f times: %.1f KiB to %.1f KiB; in all %s to %s", ratio, each(ours), each(bare), inMiB(ours.after), inMiB(bare.after)),
		goal("serve.watch-rate", "one change to all of them: deliveries a second of the process's CPU time", "≥ 40,000", rate >= deliveriesGoal, "%s; bare %s", thousands(int(rate)), thousands(int(bareRate))),
		goal("serve.watch-spread", "from the first reader to the last", "≤ 500 ms", worst <= spreadGoal,
			"at most %s, median %s; bare %s, %s (readers share the machine with the server)", inMillis(worst), inMillis(median(ours.spreads)), inMillis(bareWorst), inMillis(median(bare.spreads))),
	}, nil
}

// mayOpen returns an error if the limit of open files is too low for that many connections. Go
// raises the soft limit itself.
func mayOpen(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Max < uint64(connections+200) {
		return fmt.Errorf("%d files may be open, and %d connections are wanted: raise ulimit -Hn", limit.Max, connections)
	}
	return nil
}

// crowd is the result of many watchers at one server.
type crowd struct {
	before, after int64 // resident, without and with them
	cpu           time.Duration
	// spreads are from the first reader of each change to the last.
	spreads []time.Duration
}

func (s *server) crowd(ctx context.Context, watchers int) (c crowd, err error) {
	if c.before, err = s.settled(); err != nil {
		return c, err
	}
	heard := make(chan time.Time, watchers)
	over := make(chan struct{})
	var all sync.WaitGroup
	var conns []net.Conn
	defer func() {
		close(over)
		for _, conn := range conns {
			_ = conn.Close()
		}
		all.Wait()
	}()
	for range watchers {
		conn, reader, err := s.watcher(ctx)
		if err != nil {
			return c, err
		}
		conns = append(conns, conn)
		all.Go(func() { hear(reader, heard, over) })
	}
	if c.after, err = s.settled(); err != nil {
		return c, err
	}
	before, err := s.taken()
	if err != nil {
		return c, err
	}
	for range watchChanges {
		if err := s.say(sayChange); err != nil {
			return c, err
		}
		spread, err := spreadOf(ctx, heard, watchers)
		if err != nil {
			return c, err
		}
		c.spreads = append(c.spreads, spread)
	}
	after, err := s.taken()
	c.cpu = after.cpu - before.cpu
	return c, err
}

// settled returns the resident memory of a process after it returned unused memory.
func (s *server) settled() (int64, error) {
	if err := s.say(saySettle); err != nil {
		return 0, err
	}
	t, err := s.taken()
	return t.rss, err
}

// watcher opens a watch and reads its initial events.
func (s *server) watcher(ctx context.Context) (net.Conn, *bufio.Reader, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, nil, fmt.Errorf("watch: %w", err)
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", watchPath); err != nil {
		return nil, nil, fmt.Errorf("watch: %w", err)
	}
	reader := bufio.NewReaderSize(conn, 4<<10)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, nil, fmt.Errorf("watch: %w", err)
		}
		if bytes.Contains(line, []byte("initial-events-end")) {
			return conn, reader, nil
		}
	}
}

// hear sends the time of each node event to heard, until the connection ends.
func hear(reader *bufio.Reader, heard chan<- time.Time, over <-chan struct{}) {
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if !bytes.HasPrefix(line, []byte(`{"type":"`)) || !bytes.Contains(line[:min(len(line), 64)], []byte(`"kind":"Node"`)) {
			continue
		}
		select {
		case heard <- time.Now():
		case <-over:
			return
		}
	}
}

// spreadOf waits until all watchers got a change, and returns the time between the first and
// the last.
func spreadOf(ctx context.Context, heard <-chan time.Time, watchers int) (time.Duration, error) {
	var first, last time.Time
	timeout := time.NewTimer(deliveryPatience)
	defer timeout.Stop()
	for n := range watchers {
		select {
		case at := <-heard:
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		case <-timeout.C:
			return 0, fmt.Errorf("%d of %d watchers heard of a change within %s", n, watchers, deliveryPatience)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return last.Sub(first), nil
}
