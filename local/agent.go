package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"rollcall.dev/rollcall/api/memconn"
)

const (
	// connectionBuffer is the size of the buffers of an in-memory connection, in bytes.
	connectionBuffer = 64 << 10
	// headerTimeout limits the time of a request's header.
	headerTimeout = 10 * time.Second
	// drainTimeout limits the time to end an agent's sessions.
	drainTimeout = 2 * time.Second
)

// agentServer serves an agent to the master over in-memory connections.
type agentServer struct {
	listener *memconn.Listener
	server   *http.Server
	// ready is closed when the agent can report.
	ready <-chan struct{}
	// shutdown ends the agent's sessions.
	shutdown func(context.Context) error
}

// newAgentServer returns the server of an agent's handler.
func newAgentServer(handler http.Handler, ready <-chan struct{}, shutdown func(context.Context) error, log *slog.Logger) *agentServer {
	return &agentServer{listener: memconn.Listen(connectionBuffer), ready: ready, shutdown: shutdown, server: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
}

// dial waits until the agent can report, and connects to it.
func (a *agentServer) dial(ctx context.Context) (net.Conn, error) {
	select {
	case <-a.ready:
		return a.listener.Dial(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve serves until ctx ends.
func (a *agentServer) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = a.server.Close() })
	defer stop()
	err := a.server.Serve(a.listener)
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	// An error means that the master did not close its connections in time, and they were cut off.
	_ = a.shutdown(draining)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve an agent: %w", err)
}
