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

// Limits of a connection. Reading a request is limited by the limits of its header and by
// connlimit.LimitBodyTime. Writing a response starts after maxTimeout at the latest.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = maxTimeout + 30*time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	// maxConnections is the default limit of open connections, if the process may have enough open
	// files. Connections beyond it are closed at once. Idle clients lose their connection after
	// headerTimeout or idleTimeout.
	maxConnections = 20_000
	// drainTimeout is how long responses may still be written during shutdown.
	drainTimeout = 5 * time.Second
)

// Limits of the health listener. A probe sends one short request per connection.
const (
	healthTimeout             = 2 * time.Second
	maxHealthHeader           = 8 << 10
	maxHealthConnections      = 128
	maxHealthConnectionsOfOne = 16
)

// newLimiter returns the limiter of Serve's connections. Its limit per address is for
// unauthenticated clients, so without authentication it is disabled by default.
func newLimiter(c Config) *connlimit.Limiter {
	limits := c.Limits
	limits.Max = cmp.Or(limits.Max, connlimit.DefaultMax(maxConnections))
	if c.Authenticate == nil && limits.MaxPerAddress == 0 {
		limits.MaxPerAddress = -1
	}
	limits.Log = c.Log
	return connlimit.New(limits)
}

// ServeHealth serves /healthz and /readyz over plain HTTP on a separate listener, until ctx is
// done. A client that uses up all connections of Serve does not affect it. When it has too many
// connections, it closes the oldest.
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

// Serve serves the API on a listener until ctx is done, with TLS unless config is nil. Then it
// stops accepting connections, ends all streams and waiting requests, gives responses drainTimeout
// to finish, and returns nil.
func (a *API) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	server := &http.Server{
		Handler:           a.limiter.Handler(a, a.tooManyHandler),
		ConnContext:       a.limiter.ConnContext,
		TLSConfig:         config,
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// TLS errors of clients are logged at debug level only.
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
		a.config.Log.Warn("shutdown cut off responses that were still being written", "error", errors.Join(err, server.Close()))
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
