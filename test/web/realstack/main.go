// Realstack runs what the browser tests need of the real thing: a hub and a member
// cluster as real API servers, the member with scheduler, controller-manager, kwok and
// metrics-server; the real master with the page, and real agents; on demand a thousand
// clusters more, of hack/fleet. It prints where they are as a line of JSON when all is up,
// does what tests ask of its control address, and ends with its standard input, or by a
// signal.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// startTimeout is for everything but building Kubernetes' binaries.
const startTimeout = 3 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, stop); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "realstack:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, stop func()) (err error) {
	dir, err := os.MkdirTemp("", "rollcall-realstack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w := &world{dir: dir, began: time.Now()}
	defer func() { err = errors.Join(err, w.close()) }()
	// Whoever started it and died can send no signal any more.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := w.start(starting); err != nil {
		return err
	}
	return w.serve(ctx)
}

// serve does what tests ask for until it is over.
func (w *world) serve(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: w.control(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	w.say("up")
	line := map[string]string{"page": w.master.URL, "control": "http://" + listener.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
