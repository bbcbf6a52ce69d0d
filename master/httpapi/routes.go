package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/profiling"
)

// endpoint answers a request, or says why not and has written nothing.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// routes serves all operations, and tells what is none of them.
func (a *API) routes() {
	allowed := map[string][]string{}
	for _, o := range append(a.operations(), a.prometheusOperations()...) {
		serve := o.serve
		if o.takes == "" {
			serve = withoutBody(serve)
		}
		handler := a.endpoint(o.pattern, serve)
		if o.pattern == wholePattern {
			a.whole = handler
		}
		a.mux.Handle(o.verb()+" "+o.pattern, handler)
		allowed[o.pattern] = append(allowed[o.pattern], o.verb())
		if o.verb() == http.MethodGet {
			allowed[o.pattern] = append(allowed[o.pattern], http.MethodHead)
		}
	}
	for pattern, methods := range allowed {
		a.mux.Handle(pattern, a.endpoint(pattern, withoutBody(wrongMethod(methods))))
	}
	a.mux.Handle("GET "+heapsterPattern, a.endpoint(heapsterPattern, withoutBody(a.whenReady(a.heapster))))
	a.mux.Handle(heapsterPattern, a.endpoint(heapsterPattern, withoutBody(wrongMethod([]string{http.MethodGet, http.MethodHead}))))
	if a.config.Profiling {
		// All profiles are one route: it is no part of the API that the OpenAPI document tells of.
		a.mux.Handle("GET "+profiling.Path, a.endpoint(profiling.Path, withoutBody(a.profiles())))
		a.mux.Handle(profiling.Path, a.endpoint(profiling.Path, withoutBody(wrongMethod([]string{http.MethodGet, http.MethodHead}))))
	}
	a.mux.Handle("/", a.endpoint("other", withoutBody(a.elsewhere)))
}

// elsewhere is what is asked for outside of all routes: the page, where there is one
// and a browser may mean it, or nothing.
func (a *API) elsewhere(w http.ResponseWriter, r *http.Request) error {
	if a.config.Page == nil || !wantsPage(r) {
		return noSuchPath(w, r)
	}
	a.config.Page.ServeHTTP(w, r)
	return nil
}

// wantsPage says that a request is for the page or one of its files. Programs that
// ask for a path that is not there are told so in their language.
func wantsPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "api", "healthz", "readyz", "metrics", "heapster", "prometheus", "federate", "debug":
		return false
	case "", "assets":
		return true
	}
	return path.Ext(r.URL.Path) != "" || strings.Contains(r.Header.Get("Accept"), "text/html")
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connlimit.BoundBody(w, r)
	if a.config.Hosts != nil && !a.config.Hosts.Accepts(r.Host) {
		a.foreign.ServeHTTP(w, r)
		return
	}
	if _, ok := wholeCluster(r); ok {
		a.whole.ServeHTTP(w, r)
		return
	}
	// The mux would redirect to where a path with dots leads; nobody means that.
	if misshapen(r.URL.Path) && r.URL.Path != profiling.Path {
		a.nothing.ServeHTTP(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// endpoint does what all answers have in common.
func (a *API) endpoint(route string, e endpoint) http.Handler {
	counted := a.metrics.of(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		a.metrics.inFlight.Inc()
		defer a.metrics.inFlight.Dec()
		watched := &recorder{ResponseWriter: w}
		watched.Header()["X-Content-Type-Options"] = noSniff
		err := e(watched, r)
		if errors.Is(err, errCutOff) {
			code := statusClientGone
			if r.Context().Err() == nil && !errors.Is(err, errGone) {
				code = a.problem(r, err).Status
			}
			counted.observe(code, time.Since(begin))
			panic(http.ErrAbortHandler)
		}
		if err != nil {
			a.fail(watched, r, err)
		}
		counted.observe(watched.code(r, err), time.Since(begin))
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

func wrongMethod(allowed []string) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &Problem{
			Status: http.StatusMethodNotAllowed, Reason: ReasonMethodNotAllowed,
			Detail: fmt.Sprintf("%s is not allowed here; %s", shorten(r.Method), are(allowed)),
		}
	}
}

// are is a sentence's end such as «GET and HEAD are».
func are(methods []string) string {
	last := len(methods) - 1
	return strings.Join(methods[:last], ", ") + " and " + methods[last] + " are"
}

// tooMany refuses a request that a proxy forwarded for an address of which too many are
// open.
func tooMany(http.ResponseWriter, *http.Request) error {
	return &Problem{
		Status: http.StatusTooManyRequests, Reason: ReasonTooManyRequests, retryAfter: time.Second,
		Detail: "too many requests of your address are open whose senders are not known; come again, or send a token with each",
	}
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
