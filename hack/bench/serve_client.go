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

// clientCommand is the first argument that makes this program an HTTP client. The client is a process of its own, so
// that nothing else delays its measurement of latencies.
const clientCommand = "client"

// clientConns is the number of concurrent connections that send requests.
const clientConns = 16

// request describes the request to repeat.
type request struct{ path, encoding string }

// clientResult is the result of a client process, which prints it as JSON.
type clientResult struct {
	Requests int
	Bytes    int // of one response's body
	Duration time.Duration
	// P99 is the 99th percentile of the latency.
	P99 time.Duration
}

// runClient runs a client process against the server; see loadGenerator.
func (s *server) runClient(ctx context.Context, r request, rate float64, lasts time.Duration) (h clientResult, err error) {
	executable, err := os.Executable()
	if err != nil {
		return h, fmt.Errorf("find this program: %w", err)
	}
	command := exec.CommandContext(ctx, executable, clientCommand, "-address", s.address, "-path", r.path, "-encoding", r.encoding,
		"-rate", strconv.FormatFloat(rate, 'f', -1, 64), "-for", lasts.String())
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return h, fmt.Errorf("run a client: %w", err)
	}
	return h, json.Unmarshal(output, &h)
}

// clientMain runs the client process and prints its result.
func clientMain(ctx context.Context, args []string) error {
	var a loadGenerator
	f := flag.NewFlagSet(clientCommand, flag.ContinueOnError)
	f.StringVar(&a.address, "address", "", "host:port of the server")
	f.StringVar(&a.request.path, "path", "/", "path to request")
	f.StringVar(&a.request.encoding, "encoding", "identity", "Accept-Encoding header to send")
	f.Float64Var(&a.rate, "rate", 0, "requests per second; 0 sends each request as soon as the previous response is complete")
	f.DurationVar(&a.duration, "for", time.Second, "time to send requests for")
	if err := f.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(-1) // the process is short-lived
	h, err := a.run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(h)
}

// loadGenerator sends requests to a server for some time.
type loadGenerator struct {
	address  string
	request  request
	rate     float64
	duration time.Duration
}

// run sends requests on all connections and returns the combined result.
func (a *loadGenerator) run(ctx context.Context) (h clientResult, err error) {
	all := make([]*rawClient, clientConns)
	for i := range all {
		if all[i], err = dialRawClient(ctx, a.address, a.request); err != nil {
			return h, err
		}
		defer all[i].conn.Close()
	}
	var mu sync.Mutex
	var latencies []time.Duration
	startedAt := time.Now()
	var asking errgroup.Group
	for i, g := range all {
		asking.Go(func() error {
			mine, err := a.sendRequests(g, startedAt, i)
			mu.Lock()
			defer mu.Unlock()
			latencies, h.Bytes = append(latencies, mine...), g.length
			return err
		})
	}
	err = asking.Wait()
	h.Requests, h.Duration, h.P99 = len(latencies), time.Since(startedAt), percentile(latencies, 99)
	return h, err
}

// sendRequests sends the requests of one connection and returns their latencies. With a rate it sends at
// fixed times whether or not the server keeps up: if the previous response is late, the latency
// counts from the time at which the request was due. A late timer of the client does not count.
func (a *loadGenerator) sendRequests(g *rawClient, startedAt time.Time, i int) (latencies []time.Duration, err error) {
	var every time.Duration
	if a.rate > 0 {
		every = time.Duration(clientConns / a.rate * float64(time.Second))
	}
	timer := time.NewTimer(0)
	<-timer.C
	for due := startedAt.Add(every * time.Duration(i) / clientConns); time.Since(startedAt) < a.duration; due = due.Add(every) {
		sentAt := due
		if every == 0 {
			sentAt = time.Now()
		} else if early := time.Until(due); early > 0 {
			timer.Reset(early)
			<-timer.C
			sentAt = time.Now()
		}
		if err := g.get(); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(sentAt))
	}
	return latencies, nil
}

// rawClient is a minimal HTTP client. It uses little CPU, so that the server dominates the measurement.
type rawClient struct {
	conn        net.Conn
	reader      *bufio.Reader
	requestText string
	length      int
}

// dialRawClient dials a server.
func dialRawClient(ctx context.Context, address string, r request) (*rawClient, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial a server: %w", err)
	}
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: %s\r\n\r\n", r.path, r.encoding)
	return &rawClient{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10), requestText: text}, nil
}

// get sends one request and reads the response. It returns an error unless the status is 200.
func (g *rawClient) get() error {
	if _, err := io.WriteString(g.conn, g.requestText); err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	for first := true; ; first = false {
		line, err := g.reader.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read a response: %w", err)
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("read a response: got %s, want status 200", line)
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if g.length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return fmt.Errorf("read a response: %w", err)
			}
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := g.reader.Discard(g.length)
	return err
}
