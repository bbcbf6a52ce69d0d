package httpapi

import (
	"fmt"
	"net/http"
	"path"
	"time"
)

// endpoint answers a request, or says why not and has written nothing.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// route serves GET and HEAD of a path; other methods are told which it takes.
func (a *API) route(pattern string, e endpoint) {
	a.mux.Handle("GET "+pattern, a.endpoint(pattern, e))
	a.mux.Handle(pattern, a.endpoint(pattern, wrongMethod))
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The mux would redirect to where a path with dots leads; nobody means that.
	if r.URL.Path == "" || path.Clean(r.URL.Path) != r.URL.Path {
		a.endpoint("other", noSuchPath).ServeHTTP(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// endpoint does what all answers have in common.
func (a *API) endpoint(route string, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		a.metrics.inFlight.Inc()
		defer a.metrics.inFlight.Dec()
		watched := &recorder{ResponseWriter: w}
		watched.Header()["X-Content-Type-Options"] = noSniff
		err := withoutBody(e)(watched, r)
		if err != nil {
			a.fail(watched, r, err)
		}
		a.metrics.observe(route, watched.code(r, err), time.Since(begin))
		if watched.stream != nil {
			watched.stream.run()
		}
	})
}

// later runs a stream when all that led to it has returned: there are thousands of
// them, and what waits on a deep stack keeps all of it.
func later(w http.ResponseWriter, s *stream) { w.(*recorder).stream = s }

// withoutBody refuses requests with a body: there is none that would mean anything.
// The connection ends, so that nobody has to read it.
func withoutBody(e endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			return &Problem{Status: http.StatusBadRequest, Reason: ReasonBadRequest, Detail: "the request has a body, and no request here takes one"}
		}
		return e(w, r)
	}
}

func wrongMethod(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Allow", "GET, HEAD")
	return &Problem{Status: http.StatusMethodNotAllowed, Reason: ReasonMethodNotAllowed, Detail: fmt.Sprintf("%s is not allowed here; GET and HEAD are", shorten(r.Method))}
}

func noSuchPath(_ http.ResponseWriter, r *http.Request) error {
	return &Problem{
		Status: http.StatusNotFound, Reason: ReasonNoSuchPath,
		Detail: fmt.Sprintf("there is nothing at %s; begin at /api/v1/clusters", shorten(r.URL.Path)),
	}
}

// recorder remembers how a request was answered.
type recorder struct {
	http.ResponseWriter
	status int
	// stream is what the answer goes on with, nil for most.
	stream *stream
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// statusClientGone is what metrics count for a client that did not wait for its
// answer; nobody else sees it.
const statusClientGone = 499

func (w *recorder) code(r *http.Request, err error) int {
	switch {
	case err != nil && r.Context().Err() != nil:
		return statusClientGone
	case w.status == 0:
		return http.StatusOK
	}
	return w.status
}
