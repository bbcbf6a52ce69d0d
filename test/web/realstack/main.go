// Realstack runs real components for browser tests: a hub and a member cluster with real API
// servers, the member with scheduler, controller-manager, kwok and metrics-server; the master
// with the page; and agents. On demand it adds 1,001 clusters of hack/fleet. It prints the URLs
// of the page and of its control API as a line of JSON when all have started. It exits when its
// standard input is closed, or by a signal.
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

// startTimeout is the timeout for starting everything, after Kubernetes' binaries are built.
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

// run starts all components and serves the control API until ctx ends.
func run(ctx context.Context, stop func()) (err error) {
	dir, err := os.MkdirTemp("", "rollcall-realstack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	env := &environment{dir: dir, started: time.Now()}
	defer func() { err = errors.Join(err, env.close()) }()
	// Standard input is closed even if the parent process was killed and could not send a signal.
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := env.start(starting); err != nil {
		return err
	}
	return env.serve(ctx)
}

// serve serves the control API until ctx ends.
func (env *environment) serve(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: env.control(), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	env.logf("started")
	line := map[string]string{"page": env.master.URL, "control": "http://" + listener.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		return err
	}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
