package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// rateGoal is which part of a bare server's requests the master answers, at least.
	rateGoal = 0.85
	// tailGoal is how long 99 of 100 requests take at most at half of that load.
	tailGoal = 2 * time.Millisecond
	// getters ask at the same time, each over a connection of its own.
	getters = 16
	// rounds are how often both servers are asked, in turns.
	rounds = 15
)

// measureServe compares the whole answer of a cluster that a master holds with a bare
// server that sends the same bytes, and has thousands watch.
func measureServe(ctx context.Context, w *world) (rows []row, err error) {
	for _, containers := range []int{300, 10_000} {
		found, err := w.compareMaster(ctx, containers)
		rows = append(rows, found...)
		if err != nil {
			return rows, err
		}
	}
	found, err := w.compareWatches(ctx)
	return append(rows, found...), err
}

// compareMaster has a master with one cluster, which reports as ever meanwhile.
func (w *world) compareMaster(ctx context.Context, containers int) (rows []row, err error) {
	f, err := newFleet(ctx, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close(ctx)) }()
	if err := f.start(ctx, clusters{number: 1, containers: containers}); err != nil {
		return nil, err
	}
	if err := f.startPlainMaster(ctx); err != nil {
		return nil, err
	}
	if err := f.awaitAll(ctx); err != nil {
		return nil, err
	}
	master := &server{address: strings.TrimPrefix(f.master.URL, "http://"), pid: f.master.PID()}
	for _, encoding := range []string{"identity", "gzip"} {
		found, err := w.compareGets(ctx, master, containers, encoding)
		rows = append(rows, found...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// serveTime is how long one server is asked at a time.
func (w *world) serveTime() time.Duration {
	if w.sizes == full {
		return time.Second
	}
	return 100 * time.Millisecond
}

func (w *world) compareGets(ctx context.Context, master *server, containers int, encoding string) (rows []row, err error) {
	asked := request{clusterPath(0), encoding}
	imitation, err := master.imitate(ctx, asked.path, encoding)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, imitation.end()) }()
	ours, bare, err := inTurns(master, imitation, func(s *server) (burst, error) { return s.burst(ctx, asked, w.serveTime()) })
	if err != nil {
		return nil, err
	}
	rate, bareRate := median(pick(ours, burst.rate)), median(pick(bare, burst.rate))
	cost, bareCost := median(pick(ours, burst.cost)), median(pick(bare, burst.cost))
	id := fmt.Sprintf("serve.get-%d-%s", containers, encoding)
	rows = append(rows, goal(id, fmt.Sprintf("GET of all of %s containers, held, %s, against a bare net/http server", thousands(containers), encoding),
		"≥ 85 % of its requests/s", rate >= rateGoal*bareRate, "%s: %s/s to %s/s, %s each; CPU of the server's process a request %s to %s",
		inPercent(rate/bareRate), thousands(int(rate)), thousands(int(bareRate)), inBytes(float64(ours[0].bytes)), inMicros(cost), inMicros(bareCost)))
	if containers > 1000 {
		return rows, nil
	}
	tails, bareTails, err := inTurns(master, imitation, func(s *server) (time.Duration, error) { return s.pace(ctx, asked, rate/2, w.serveTime()) })
	if err != nil {
		return rows, err
	}
	at, bareAt := median(tails), median(bareTails)
	return append(rows, goal(id+"-tail", "its slowest of 100 at half that load, median of as many turns", "P99 ≤ 2 ms", at <= tailGoal,
		"%s, from %s to %s; bare %s, from %s to %s; at %s/s", inMicros(at.Seconds()), inMicros(slices.Min(tails).Seconds()), inMicros(slices.Max(tails).Seconds()),
		inMicros(bareAt.Seconds()), inMicros(slices.Min(bareTails).Seconds()), inMicros(slices.Max(bareTails).Seconds()), thousands(int(rate/2)))), nil
}

// inTurns measures the master and a bare server one after the other, each first as
// often, behind a turn of each that counts for nothing.
func inTurns[T any](master, imitation *server, measure func(*server) (T, error)) (ours, bare []T, err error) {
	for i := range 2*rounds + 2 {
		s := []*server{master, imitation}[(i+i/2)%2]
		measured, err := measure(s)
		switch {
		case err != nil:
			return nil, nil, err
		case i < 2: // warm by now
		case s == master:
			ours = append(ours, measured)
		default:
			bare = append(bare, measured)
		}
	}
	return ours, bare, nil
}

func inMicros(seconds float64) string { return fmt.Sprintf("%.0f µs", seconds*1e6) }

// burst is what came of asking a server as fast as it answers.
type burst struct {
	requests int
	bytes    int // of one answer's body
	took     time.Duration
	cpu      time.Duration // of the server
}

func (l burst) rate() float64 { return float64(l.requests) / l.took.Seconds() }
func (l burst) cost() float64 { return l.cpu.Seconds() / float64(l.requests) }

func (s *server) burst(ctx context.Context, r request, lasts time.Duration) (burst, error) {
	before, err := s.taken()
	if err != nil {
		return burst{}, err
	}
	var mu sync.Mutex
	var l burst
	all, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range getters {
		all.Go(func() error {
			g, err := s.getter(ctx, r)
			if err != nil {
				return err
			}
			defer g.conn.Close()
			n := 0
			for time.Since(began) < lasts {
				if err := g.get(); err != nil {
					return err
				}
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			l.requests, l.bytes = l.requests+n, g.length
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return l, err
	}
	after, err := s.taken()
	l.took, l.cpu = after.at.Sub(before.at), after.cpu-before.cpu
	return l, err
}

// pace asks so often a second, whether or not the server keeps up, and gives how long
// 99 of 100 requests took at most: since it was due where the one before it was not
// answered by then. That a getter was woken late is none of the server's doing.
func (s *server) pace(ctx context.Context, r request, rate float64, lasts time.Duration) (time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	all, ctx := errgroup.WithContext(ctx)
	every := time.Duration(getters / rate * float64(time.Second))
	began := time.Now()
	for i := range getters {
		all.Go(func() error {
			g, err := s.getter(ctx, r)
			if err != nil {
				return err
			}
			defer g.conn.Close()
			var mine []time.Duration
			due := began.Add(every * time.Duration(i) / getters)
			for ; due.Sub(began) < lasts; due = due.Add(every) {
				asked := due
				if early := time.Until(due); early > 0 {
					if err := sleep(ctx, early); err != nil {
						return err
					}
					asked = time.Now()
				}
				if err := g.get(); err != nil {
					return err
				}
				mine = append(mine, time.Since(asked))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			return nil
		})
	}
	err := all.Wait()
	return percentile(took, 99), err
}

// request is what is asked, again and again.
type request struct{ path, encoding string }

// getter is as little of a client as there can be, so that it is the server that is
// measured.
type getter struct {
	conn   net.Conn
	reader *bufio.Reader
	text   string
	length int
}

func (s *server) getter(ctx context.Context, r request) (*getter, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("ask a server: %w", err)
	}
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: %s\r\n\r\n", r.path, r.encoding)
	return &getter{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10), text: text}, nil
}

func (g *getter) get() error {
	if _, err := io.WriteString(g.conn, g.text); err != nil {
		return fmt.Errorf("ask a server: %w", err)
	}
	for first := true; ; first = false {
		line, err := g.reader.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("read an answer: it is %s", line)
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if g.length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return fmt.Errorf("read an answer: %w", err)
			}
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := g.reader.Discard(g.length)
	return err
}
