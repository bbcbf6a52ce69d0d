package httpapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
)

// Limits of a connection. Reading a request is bounded by its header's limits, and by
// connlimit.BoundBody; writing an answer begins after maxTimeout at the latest.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = maxTimeout + 30*time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	// maxConnections is how many connections are open at once, where the process may have
	// as many files and nothing else is said. More are closed at once. Clients that send
	// nothing lose theirs after headerTimeout or idleTimeout.
	maxConnections = 20_000
	// drainTimeout is how long answers that are being written may take when the
	// master ends.
	drainTimeout = 5 * time.Second
)

// Limits of the health listener: a probe sends one short request a connection.
const (
	healthTimeout             = 2 * time.Second
	maxHealthHeader           = 8 << 10
	maxHealthConnections      = 128
	maxHealthConnectionsOfOne = 16
)

// newLimiter is what bounds the connections of Serve. Where nobody has to say who they
// are, nobody can be told from others by it.
func newLimiter(c Config) *connlimit.Limiter {
	limits := c.Limits
	limits.Max = cmp.Or(limits.Max, connlimit.DefaultMax(maxConnections))
	if c.Identify == nil && limits.MaxPerAddress == 0 {
		limits.MaxPerAddress = -1
	}
	limits.Log = c.Log
	return connlimit.New(limits)
}

// ServeHealth answers /healthz and /readyz on a listener of its own, by plain HTTP, until
// ctx ends. A client that takes all connections of Serve does not take these: of more than
// there may be, the oldest is closed.
func (a *API) ServeHealth(ctx context.Context, listener net.Listener) error {
	limiter := connlimit.New(connlimit.Config{Max: maxHealthConnections, MaxPerAddress: maxHealthConnectionsOfOne})
	server := &http.Server{
		Handler:     a.healthRoutes(),
		ReadTimeout: healthTimeout, WriteTimeout: healthTimeout, MaxHeaderBytes: maxHealthHeader,
		ErrorLog: slog.NewLogLogger(a.config.Log.Handler(), slog.LevelDebug),
	}
	server.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(limiter.Listener(listener)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve health: %w", err)
	}
	return nil
}

// Serve answers on a listener until ctx ends, in TLS unless config is nil. Then it
// stops accepting, ends all waiting, lets answers be written for 5 s at most, and
// returns nil.
func (a *API) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	server := &http.Server{
		Handler:           a.limiter.Handler(a, a.crowded),
		ConnContext:       a.limiter.ConnContext,
		TLSConfig:         config,
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// What clients do wrong with TLS is of no interest by default.
		ErrorLog: slog.NewLogLogger(a.config.Log.Handler(), slog.LevelDebug),
	}
	listener = a.limiter.Listener(listener)
	failed := make(chan error, 1)
	go func() { failed <- serve(server, listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	a.Drain()
	draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(draining); err != nil {
		a.config.Log.Warn("some answers were cut off at the end", "error", errors.Join(err, server.Close()))
	}
	a.waitStreams()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func serve(server *http.Server, listener net.Listener) error {
	if server.TLSConfig == nil {
		return server.Serve(listener)
	}
	return server.ServeTLS(listener, "", "")
}
