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

	"golang.org/x/net/netutil"
)

// Limits of a connection. Reading a request is bounded by its header's limits, as
// there are no bodies; writing an answer begins after maxTimeout at the latest.
const (
	headerTimeout = 5 * time.Second
	writeTimeout  = maxTimeout + 30*time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	// DefaultMaxConnections is how many connections are open at once: more wait to be
	// accepted. Clients that send nothing lose theirs after headerTimeout or idleTimeout.
	DefaultMaxConnections = 20_000
	// drainTimeout is how long answers that are being written may take when the
	// master ends.
	drainTimeout = 5 * time.Second
)

// Serve answers on a listener until ctx ends, in TLS unless config is nil. Then it
// stops accepting, ends all waiting, lets answers be written for 5 s at most, and
// returns nil.
func (a *API) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	server := &http.Server{
		Handler:           a,
		TLSConfig:         config,
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// What clients do wrong with TLS is of no interest by default.
		ErrorLog: slog.NewLogLogger(a.config.Log.Handler(), slog.LevelDebug),
	}
	listener = netutil.LimitListener(listener, cmp.Or(a.config.MaxConnections, DefaultMaxConnections))
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
