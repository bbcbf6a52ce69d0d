// Fakemaster serves the page to browser tests. Its API is the master's (package
// httpapi with its streams). Its clusters and sessions are simulated, so that tests can produce
// every state.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/view"
	"rollcall.dev/rollcall/web"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the loopback address to listen on")
	scenario := flag.String("scenario", "fleet", "the clusters to serve: empty, fleet, thousands, large, hostile or broken")
	auth := flag.Bool("auth", false, "require a sign-in")
	local := flag.Bool("local", false, "serve like `kubectl rollcall local`, without a hub")
	noSockets := flag.Bool("no-sockets", false, "reject websockets, as some proxies do")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *scenario, options{*auth, *local, *noSockets}); err != nil {
		fmt.Fprintln(os.Stderr, "fakemaster:", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags with which the master serves.
type options struct{ auth, local, noSockets bool }

// run serves a scenario until ctx ends. It prints the URL when it listens.
func run(ctx context.Context, listen, scenario string, o options) error {
	if scenarios[scenario] == nil {
		return fmt.Errorf("unknown scenario %q", scenario)
	}
	s := newSessions()
	s.clusters = scenarios[scenario]()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	api := newAPI(s, o)
	server := &http.Server{Handler: routes(s, api, o.noSockets), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		api.Drain()
		_ = server.Close()
	}()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.run(ctx)
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// newAPI returns the master's API over simulated sessions.
func newAPI(s *sessions, o options) *httpapi.API {
	registry := prometheus.NewRegistry()
	c := httpapi.Config{
		Sessions: s, Registry: s,
		Version: "v1.2.3", Local: o.local,
		Documents: view.NewDocumentCache(64 << 20), Gatherer: registry, Metrics: registry, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if o.auth {
		c.Authenticate = authenticate
	}
	return httpapi.New(c)
}

// routes returns the handler of the page, the API and the control API.
func routes(s *sessions, api *httpapi.API, noSockets bool) http.Handler {
	page := web.Handler()
	mux := http.NewServeMux()
	for _, p := range web.Patterns() {
		mux.Handle(p, page)
	}
	mux.HandleFunc("/fake", s.control)
	mux.HandleFunc("/api/v1/session", signIn)
	mux.HandleFunc("/prometheus/api/v1/query_range", s.queryRange)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if noSockets && strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			http.Error(w, "websockets are disabled by -no-sockets", http.StatusBadGateway)
			return
		}
		api.ServeHTTP(w, r)
	})
	return mux
}
