package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/profiling"
)

// Check is one condition of readiness.
type Check struct {
	Name string
	// Ready returns nil, or an error that says what is missing.
	Ready func() error
}

// healthz reports that the process is running.
func (a *API) healthz(w http.ResponseWriter, r *http.Request) error {
	return writeText(w, http.StatusOK, "ok\n")
}

// readyz reports whether the master can serve clients, and which checks fail.
func (a *API) readyz(w http.ResponseWriter, r *http.Request) error {
	status := http.StatusOK
	var lines strings.Builder
	for _, check := range a.config.Ready {
		if err := check.Ready(); err != nil {
			status = http.StatusServiceUnavailable
			fmt.Fprintf(&lines, "[-] %s: %v\n", check.Name, err)
			continue
		}
		fmt.Fprintf(&lines, "[+] %s: ok\n", check.Name)
	}
	if a.draining.Err() != nil {
		status = http.StatusServiceUnavailable
		fmt.Fprintf(&lines, "[-] serving: %v\n", errDraining)
	}
	return writeText(w, status, lines.String())
}

// healthRoutes returns the handler of ServeHealth.
func (a *API) healthRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", a.handler("/healthz", rejectBody(a.healthz)))
	mux.Handle("GET /readyz", a.handler("/readyz", rejectBody(a.readyz)))
	return mux
}

// version writes the version of the master. Like the one of Kubernetes, it needs no authentication.
func (a *API) version(w http.ResponseWriter, r *http.Request) error {
	if err := rejectQuery(r); err != nil {
		return err
	}
	return writeUncached(w, httpv1.Version{Version: a.config.Version, Local: a.config.Local})
}

// whenReady rejects requests while a check of /readyz fails.
func (a *API) whenReady(handle handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if a.draining.Err() != nil {
			return errDraining
		}
		for _, check := range a.config.Ready {
			if err := check.Ready(); err != nil {
				return &httpv1.Problem{
					Status: http.StatusServiceUnavailable, Reason: httpv1.ReasonNotReady, RetryAfter: time.Second,
					Detail: fmt.Sprintf("this master is not ready: %s: %v", check.Name, err),
				}
			}
		}
		return handle(w, r)
	}
}

func writeText(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// A failed write means that the client has disconnected.
	_, _ = w.Write([]byte(text))
	return nil
}

// metricsHandler returns the handler of /metrics.
func (a *API) metricsHandler() handlerFunc {
	page := promhttp.HandlerFor(a.config.Gatherer, promhttp.HandlerOpts{})
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.authorize(r, Access{Verb: "get", Path: "/metrics"}); err != nil {
			return err
		}
		page.ServeHTTP(w, r)
		return nil
	}
}

// profiles returns the handler of /debug/pprof; each profile path is authorized separately.
func (a *API) profiles() handlerFunc {
	handler := profiling.Handler()
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.authorize(r, Access{Verb: "get", Path: r.URL.Path}); err != nil {
			return err
		}
		handler.ServeHTTP(w, r)
		return nil
	}
}
