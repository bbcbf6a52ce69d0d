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
	watchMemoryGoal = 1.25
	deliveriesGoal  = 40_000 // a second of one core
	spreadGoal      = 500 * time.Millisecond
	watchPath       = "/api/v1/clusters/" + sampleCluster + "/nodes?watch=true&usage=none"
	watchChanges    = 20
	deliveryTimeout = time.Minute
)

// compareWatches measures thousands of watchers of one cluster, at the master's server and at a
// bare one that streams the same bytes.
func (env *environment) compareWatches(ctx context.Context) ([]row, error) {
	watchers := 10_000
	if env.sizes != full {
		watchers = 100
	}
	if err := checkOpenFileLimit(watchers); err != nil {
		return nil, err
	}
	p, err := startPair(ctx, watchPath, "identity")
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.stop() }()
	var found [2]watchFigures
	for i, s := range []*server{p.bare, p.master} {
		if found[i], err = s.measureWatchers(ctx, watchers); err != nil {
			return nil, err
		}
	}
	bare, master := found[0], found[1]
	each := func(c watchFigures) float64 { return float64(c.after-c.before) / float64(watchers) / 1024 }
	ratio := each(master) / each(bare)
	rate, bareRate := float64(watchers*watchChanges)/master.cpu.Seconds(), float64(watchers*watchChanges)/bare.cpu.Seconds()
	worst, bareWorst := slices.Max(master.spreads), slices.Max(bare.spreads)
	return []row{
		goalRow("serve.watch-memory", fmt.Sprintf("%s watchers: resident memory for each, against a bare streaming handler", thousands(watchers)), "≤ 1.25 times", ratio <= watchMemoryGoal,
			"%.2f times: %.1f KiB to %.1f KiB; in total %s to %s", ratio, each(master), each(bare), inMiB(master.after), inMiB(bare.after)),
		goalRow("serve.watch-rate", "one change to all of them: deliveries per second of the process's CPU time", "≥ 40,000", rate >= deliveriesGoal, "%s; bare %s", thousands(int(rate)), thousands(int(bareRate))),
		goalRow("serve.watch-spread", "from the first reader to the last", "≤ 500 ms", worst <= spreadGoal,
			"at most %s, median %s; bare %s, %s (clients and server share the machine)", inMillis(worst), inMillis(median(master.spreads)), inMillis(bareWorst), inMillis(median(bare.spreads))),
	}, nil
}

// checkOpenFileLimit returns an error if the limit of open files is too low for the given number of connections. Go
// raises the soft limit itself.
func checkOpenFileLimit(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Max < uint64(connections+200) {
		return fmt.Errorf("the limit of open files is %d, too low for %d connections: raise ulimit -Hn", limit.Max, connections)
	}
	return nil
}

// watchFigures is the result of many watchers of one server.
type watchFigures struct {
	before, after int64 // resident memory in bytes, without and with the watchers
	cpu           time.Duration
	// spreads has the time from the first to the last delivery of each change.
	spreads []time.Duration
}

// measureWatchers opens the watches, changes the served state some times, and measures the server.
func (s *server) measureWatchers(ctx context.Context, watchers int) (c watchFigures, err error) {
	if c.before, err = s.residentMemory(); err != nil {
		return c, err
	}
	received := make(chan time.Time, watchers)
	done := make(chan struct{})
	var all sync.WaitGroup
	var conns []net.Conn
	defer func() {
		close(done)
		for _, conn := range conns {
			_ = conn.Close()
		}
		all.Wait()
	}()
	for range watchers {
		conn, reader, err := s.openWatch(ctx)
		if err != nil {
			return c, err
		}
		conns = append(conns, conn)
		all.Go(func() { readEvents(reader, received, done) })
	}
	if c.after, err = s.residentMemory(); err != nil {
		return c, err
	}
	before, err := s.procUsage()
	if err != nil {
		return c, err
	}
	for range watchChanges {
		if err := s.send(commandChange); err != nil {
			return c, err
		}
		spread, err := waitDelivered(ctx, received, watchers)
		if err != nil {
			return c, err
		}
		c.spreads = append(c.spreads, spread)
	}
	after, err := s.procUsage()
	c.cpu = after.cpu - before.cpu
	return c, err
}

// residentMemory returns the resident memory of a process after it returned unused memory.
func (s *server) residentMemory() (int64, error) {
	if err := s.send(commandFreeMemory); err != nil {
		return 0, err
	}
	t, err := s.procUsage()
	return t.rss, err
}

// openWatch opens a watch and reads its initial events. The caller closes the connection.
func (s *server) openWatch(ctx context.Context) (net.Conn, *bufio.Reader, error) {
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

// readEvents sends the time of each node event to received, until the connection ends.
func readEvents(reader *bufio.Reader, received chan<- time.Time, done <-chan struct{}) {
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if !bytes.HasPrefix(line, []byte(`{"type":"`)) || !bytes.Contains(line[:min(len(line), 64)], []byte(`"kind":"Node"`)) {
			continue
		}
		select {
		case received <- time.Now():
		case <-done:
			return
		}
	}
}

// waitDelivered waits until all watchers have received a change, and returns the time between the first and
// the last delivery.
func waitDelivered(ctx context.Context, received <-chan time.Time, watchers int) (time.Duration, error) {
	var first, last time.Time
	timeout := time.NewTimer(deliveryTimeout)
	defer timeout.Stop()
	for n := range watchers {
		select {
		case at := <-received:
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		case <-timeout.C:
			return 0, fmt.Errorf("%d of %d watchers received a change within %s", n, watchers, deliveryTimeout)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return last.Sub(first), nil
}
