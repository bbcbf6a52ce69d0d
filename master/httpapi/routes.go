package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/profiling"
)

// handlerFunc handles a request. If it returns an error, it has not written a response.
type handlerFunc func(w http.ResponseWriter, r *http.Request) error

// routes registers all operations, and handlers for wrong methods and unknown paths.
func (a *API) routes() {
	allowed := map[string][]string{}
	operations := append(a.operations(), a.prometheusOperations()...)
	a.parameterNames = parameterNames(operations)
	for _, o := range operations {
		serve := o.serve
		if o.Body == "" {
			serve = rejectBody(serve)
		}
		handler := a.handler(o.Path, serve)
		if o.Path == wholePattern {
			a.clusterHandler = handler
		}
		a.mux.Handle(o.method()+" "+o.Path, handler)
		allowed[o.Path] = append(allowed[o.Path], o.method())
		if o.method() == http.MethodGet {
			allowed[o.Path] = append(allowed[o.Path], http.MethodHead)
		}
	}
	for pattern, methods := range allowed {
		a.mux.Handle(pattern, a.handler(pattern, rejectBody(methodNotAllowed(methods))))
	}
	a.mux.Handle("GET "+heapsterPattern, a.handler(heapsterPattern, rejectBody(a.whenReady(a.heapster))))
	a.mux.Handle(heapsterPattern, a.handler(heapsterPattern, rejectBody(methodNotAllowed([]string{http.MethodGet, http.MethodHead}))))
	if a.config.Links != nil {
		// The route is for agents, and not part of the documented API.
		a.mux.Handle("GET "+link.Path, a.handler(link.Path, rejectBody(a.whenReady(a.link))))
	}
	if a.config.Profiling {
		// All profiles share one route. It is not part of the documented API.
		a.mux.Handle("GET "+profiling.Path, a.handler(profiling.Path, rejectBody(a.profiles())))
		a.mux.Handle(profiling.Path, a.handler(profiling.Path, rejectBody(methodNotAllowed([]string{http.MethodGet, http.MethodHead}))))
	}
	a.mux.Handle("/", a.handler(otherRoute, rejectBody(a.fallback)))
}

// link serves an agent that dials the master.
func (a *API) link(w http.ResponseWriter, r *http.Request) error {
	a.config.Links.ServeHTTP(w, r)
	return nil
}

// fallback handles all paths without a route: with the page, if the request may come from a
// browser, or with an error.
func (a *API) fallback(w http.ResponseWriter, r *http.Request) error {
	if a.config.Page == nil || !wantsPage(r) {
		return noSuchPath(w, r)
	}
	a.config.Page.ServeHTTP(w, r)
	return nil
}

// wantsPage reports whether a request is for the page or one of its files. Other clients get a
// Problem for an unknown path.
func wantsPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "api", "version", "healthz", "readyz", "metrics", "heapster", "prometheus", "federate", "debug":
		return false
	case "", "assets":
		return true
	}
	return path.Ext(r.URL.Path) != "" || strings.Contains(r.Header.Get("Accept"), "text/html")
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connlimit.LimitBodyTime(w, r)
	if a.config.Hosts != nil && !a.config.Hosts.Accepts(r.Host) {
		a.misdirectedHandler.ServeHTTP(w, r)
		return
	}
	if _, ok := fastClusterPath(r); ok {
		a.clusterHandler.ServeHTTP(w, r)
		return
	}
	// The mux would redirect an unclean path, which is never intended.
	if isUnclean(r.URL.Path) && r.URL.Path != profiling.Path {
		a.notFoundHandler.ServeHTTP(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// otherRoute is the route of requests for the page, and of those that match no other route.
const otherRoute = "other"

// handler wraps a handlerFunc with metrics, the audit log, common headers and error responses.
func (a *API) handler(route string, handle handlerFunc) http.Handler {
	metrics := a.metrics.forRoute(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		a.metrics.inFlight.Inc()
		defer a.metrics.inFlight.Dec()
		recorder := &responseRecorder{ResponseWriter: w}
		recorder.Header()["X-Content-Type-Options"] = noSniffHeader
		r, record := a.audit(r, route, start)
		defer record.aborted()
		err := handle(recorder, r)
		if errors.Is(err, errTruncated) {
			code := statusClientClosedRequest
			if r.Context().Err() == nil && !errors.Is(err, errClientGone) {
				code = a.problem(r, err).Status
			}
			metrics.observe(code, time.Since(start))
			record.setError(err)
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			a.writeError(recorder, r, err)
		}
		code := recorder.code(r, err)
		metrics.observe(code, time.Since(start))
		if recorder.stream != nil {
			recorder.stream.run()
			return
		}
		record.complete(code, err)
	})
}

// deferStream makes the handler run a stream after the handlerFunc has returned. There are
// thousands of streams, and each would otherwise keep the deep stack of its preparation. If w hides
// the handler's writer, deferStream runs the stream at once.
func deferStream(w http.ResponseWriter, s *stream) {
	for {
		switch inner := w.(type) {
		case *responseRecorder:
			inner.stream = s
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			s.run()
			return
		}
	}
}

// rejectBody rejects requests with a body. It also closes the connection, so that the body need not
// be read.
func rejectBody(handle handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.ContentLength != 0 {
			w.Header().Set("Connection", "close")
			return &httpv1.Problem{Status: http.StatusBadRequest, Reason: httpv1.ReasonBadRequest, Detail: "this path does not accept a request body"}
		}
		return handle(w, r)
	}
}

func methodNotAllowed(allowed []string) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &httpv1.Problem{
			Status: http.StatusMethodNotAllowed, Reason: httpv1.ReasonMethodNotAllowed,
			Detail: fmt.Sprintf("method %s is not allowed; use %s", quoteShort(r.Method), joinMethods(allowed)),
		}
	}
}

// joinMethods returns a list such as "GET or HEAD".
func joinMethods(methods []string) string {
	last := len(methods) - 1
	if last == 0 {
		return methods[0]
	}
	return strings.Join(methods[:last], ", ") + " or " + methods[last]
}

// tooManyRequests rejects a request that a proxy forwarded for an address with too many open
// requests.
func tooManyRequests(http.ResponseWriter, *http.Request) error {
	return &httpv1.Problem{
		Status: http.StatusTooManyRequests, Reason: httpv1.ReasonTooManyRequests, RetryAfter: time.Second,
		Detail: "too many unauthenticated requests from your address are open; retry later, or send a token with each request",
	}
}

func noSuchPath(_ http.ResponseWriter, r *http.Request) error {
	return &httpv1.Problem{
		Status: http.StatusNotFound, Reason: httpv1.ReasonNoSuchPath,
		Detail: fmt.Sprintf("no such path %s; see /api/openapi.json", quoteShort(r.URL.Path)),
	}
}

// responseRecorder records the status of a response.
type responseRecorder struct {
	http.ResponseWriter
	status int
	// stream continues the response after the handlerFunc has returned; nil for most requests.
	stream *stream
}

func (w *responseRecorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the wrapped writer for http.ResponseController.
func (w *responseRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// statusClientClosedRequest (499) is recorded in the metrics when the client disconnects before its
// response. It is never sent.
const statusClientClosedRequest = 499

func (w *responseRecorder) code(r *http.Request, err error) int {
	switch {
	case err != nil && r.Context().Err() != nil:
		return statusClientClosedRequest
	case w.status == 0:
		return http.StatusOK
	}
	return w.status
}
