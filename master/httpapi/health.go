package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rollcall.dev/rollcall/api/profiling"
)

// Check is one thing without which a master cannot answer.
type Check struct {
	Name string
	// Ready is nil, or why not, in words for who looks at the Pod.
	Ready func() error
}

// healthz says that the process answers at all.
func (a *API) healthz(w http.ResponseWriter, r *http.Request) error {
	return writeText(w, http.StatusOK, "ok\n")
}

// readyz says whether clients should be sent here, and what is missing.
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

// healthRoutes are those of ServeHealth.
func (a *API) healthRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", a.endpoint("/healthz", withoutBody(a.healthz)))
	mux.Handle("GET /readyz", a.endpoint("/readyz", withoutBody(a.readyz)))
	return mux
}

// whenReady answers only while all checks of /readyz pass.
func (a *API) whenReady(e endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if a.draining.Err() != nil {
			return errDraining
		}
		for _, check := range a.config.Ready {
			if err := check.Ready(); err != nil {
				return &Problem{
					Status: http.StatusServiceUnavailable, Reason: ReasonNotReady, retryAfter: time.Second,
					Detail: fmt.Sprintf("this master cannot answer yet: %s: %v", check.Name, err),
				}
			}
		}
		return e(w, r)
	}
}

func writeText(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// Nobody is left to tell of an error to write.
	_, _ = w.Write([]byte(text))
	return nil
}

// metricsPage is the process's metrics in Prometheus' formats.
func (a *API) metricsPage() endpoint {
	page := promhttp.HandlerFor(a.config.Gatherer, promhttp.HandlerOpts{})
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.authorize(r, Access{Verb: "get", Path: "/metrics"}); err != nil {
			return err
		}
		page.ServeHTTP(w, r)
		return nil
	}
}

// profiles serves Go's profiles of the process, each to who may get its path.
func (a *API) profiles() endpoint {
	handler := profiling.Handler()
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := a.authorize(r, Access{Verb: "get", Path: r.URL.Path}); err != nil {
			return err
		}
		handler.ServeHTTP(w, r)
		return nil
	}
}
