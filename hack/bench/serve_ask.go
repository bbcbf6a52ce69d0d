package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// askCommand makes this program ask a server: a process of its own, so that nothing else
// goes on where it is noted how long an answer took.
const askCommand = "ask"

// getters is the number of concurrent connections that send requests.
const getters = 16

// request is the request to repeat.
type request struct{ path, encoding string }

// heard is the result of a client process, which prints it as JSON.
type heard struct {
	Requests int
	Bytes    int // of one answer's body
	Took     time.Duration
	// Tail is how long 99 of 100 answers took at most.
	Tail time.Duration
}

// ask starts a client process for the server; see asker.
func (s *server) ask(ctx context.Context, r request, rate float64, lasts time.Duration) (h heard, err error) {
	executable, err := os.Executable()
	if err != nil {
		return h, fmt.Errorf("find this program: %w", err)
	}
	command := exec.CommandContext(ctx, executable, askCommand, "-address", s.address, "-path", r.path, "-encoding", r.encoding,
		"-rate", strconv.FormatFloat(rate, 'f', -1, 64), "-for", lasts.String())
	command.Stderr = os.Stderr
	told, err := command.Output()
	if err != nil {
		return h, fmt.Errorf("ask a server: %w", err)
	}
	return h, json.Unmarshal(told, &h)
}

func askMain(ctx context.Context, args []string) error {
	var a asker
	f := flag.NewFlagSet(askCommand, flag.ContinueOnError)
	f.StringVar(&a.address, "address", "", "whom to ask")
	f.StringVar(&a.request.path, "path", "/", "what for")
	f.StringVar(&a.request.encoding, "encoding", "identity", "how packed")
	f.Float64Var(&a.rate, "rate", 0, "how often a second; 0: as fast as it answers")
	f.DurationVar(&a.lasts, "for", time.Second, "for how long")
	if err := f.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(-1) // it ends soon
	h, err := a.ask(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(h)
}

// asker sends requests to a server for some time.
type asker struct {
	address string
	request request
	rate    float64
	lasts   time.Duration
}

func (a *asker) ask(ctx context.Context) (h heard, err error) {
	all := make([]*getter, getters)
	for i := range all {
		if all[i], err = newGetter(ctx, a.address, a.request); err != nil {
			return h, err
		}
		defer all[i].conn.Close()
	}
	var mu sync.Mutex
	var took []time.Duration
	began := time.Now()
	var asking errgroup.Group
	for i, g := range all {
		asking.Go(func() error {
			mine, err := a.askWith(g, began, i)
			mu.Lock()
			defer mu.Unlock()
			took, h.Bytes = append(took, mine...), g.length
			return err
		})
	}
	err = asking.Wait()
	h.Requests, h.Took, h.Tail = len(took), time.Since(began), percentile(took, 99)
	return h, err
}

// askWith sends the requests of one getter and returns their latencies. With a rate it sends at
// fixed times whether or not the server keeps up: if the previous response is late, the latency
// counts from the time at which the request was due. A late timer of the getter does not count.
func (a *asker) askWith(g *getter, began time.Time, i int) (took []time.Duration, err error) {
	var every time.Duration
	if a.rate > 0 {
		every = time.Duration(getters / a.rate * float64(time.Second))
	}
	timer := time.NewTimer(0)
	<-timer.C
	for due := began.Add(every * time.Duration(i) / getters); time.Since(began) < a.lasts; due = due.Add(every) {
		asked := due
		if every == 0 {
			asked = time.Now()
		} else if early := time.Until(due); early > 0 {
			timer.Reset(early)
			<-timer.C
			asked = time.Now()
		}
		if err := g.get(); err != nil {
			return took, err
		}
		took = append(took, time.Since(asked))
	}
	return took, nil
}

// getter is a minimal HTTP client, so that the server dominates the measurement.
type getter struct {
	conn   net.Conn
	reader *bufio.Reader
	text   string
	length int
}

func newGetter(ctx context.Context, address string, r request) (*getter, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("ask a server: %w", err)
	}
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: %s\r\n\r\n", r.path, r.encoding)
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
