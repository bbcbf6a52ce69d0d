package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/view"
)

const (
	prometheusPrefix = "/prometheus/api/v1"
	// maxForm is the longest query of a Prometheus request, in its path or its body.
	maxForm = 64 << 10
)

// prometheusOperations are what Prometheus' clients ask. Their specification is
// Prometheus' own.
func (a *API) prometheusOperations() []operation {
	if a.config.Prometheus == nil {
		return nil
	}
	federation := a.prometheusOperation("", a.config.Prometheus.Federation())
	federation.shape, federation.media = "", "text/plain"
	federation.statuses = append(federation.statuses, http.StatusNotFound)
	all := []operation{federation}
	for _, route := range a.config.Prometheus.Routes() {
		o := a.prometheusOperation(prometheusPrefix, route)
		all = append(all, o)
		o.method, o.takes, o.id = http.MethodPost, aForm, o.id+"ByForm"
		all = append(all, o)
	}
	return all
}

func (a *API) prometheusOperation(prefix string, route prom.Route) operation {
	o := operation{
		pattern: prefix + route.Path, id: idOf("prometheus", route.Path), words: route.Description, serve: a.prometheus(route.Serve),
		shape: "PrometheusAnswer", failure: "PrometheusError", statuses: []int{400, 401, 403, 405, 422, 429, 500, 503},
	}
	for _, p := range route.Parameters {
		kind := schema{"type": "string"}
		if p.Repeated {
			kind = schema{"type": "array", "items": kind}
		}
		o.others = append(o.others, schema{"name": p.Name, "in": "query", "required": p.Required, "description": p.Description, "schema": kind})
	}
	return o
}

// idOf is an operation's name, of letters.
func idOf(prefix, path string) string {
	for word := range strings.FieldsFuncSeq(path, func(r rune) bool { return !unicode.IsLetter(r) }) {
		prefix += strings.ToUpper(word[:1]) + word[1:]
	}
	return prefix
}

// prometheusShapes are Prometheus' JSON.
var prometheusShapes = schema{
	"PrometheusAnswer": schema{
		"type": "object", "required": []string{"status", "data"}, "additionalProperties": false,
		"properties": schema{"status": enum("success"), "data": schema{}, "warnings": listOfWords, "infos": listOfWords},
	},
	"PrometheusError": schema{
		"type": "object", "required": []string{"status", "errorType", "error"}, "additionalProperties": false,
		"properties": schema{"status": enum("error"), "errorType": schema{"type": "string"}, "error": schema{"type": "string"}},
	},
}

var listOfWords = schema{"type": "array", "items": schema{"type": "string"}}

// prometheus answers, and fails, as Prometheus does.
func (a *API) prometheus(serve func(context.Context, prom.Request) (prom.Response, error)) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		answer, err := a.askPrometheus(w, r, serve)
		defer func() { answer.Close() }()
		var p *Problem
		switch {
		case errors.As(err, &p) && p.Status == http.StatusRequestTimeout:
			// A body that does not come ends the request's context, as if nobody was there.
			w.Header().Set("Connection", "close")
			a.failPrometheus(w, r, err)
			return nil
		case err != nil && r.Context().Err() != nil:
			return err
		case err != nil:
			a.failPrometheus(w, r, err)
			return nil
		}
		w.Header()["Cache-Control"], w.Header()["Vary"] = noCache, varies
		if answer.Stream != nil {
			return a.streamPrometheus(w, r, &answer)
		}
		if answer.Type == plainJSON[0] {
			return a.writeBody(w, r, view.Body{answer.Body})
		}
		writePlainly(w, http.StatusOK, answer.Type, answer.Body)
		return nil
	}
}

// streamPrometheus writes an answer as it is encoded, packed as the client likes it. A client
// that reads too slowly loses its connection, as the query holds its turn meanwhile.
func (a *API) streamPrometheus(w http.ResponseWriter, r *http.Request, answer *prom.Response) error {
	// What cannot have deadlines is a test's.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(prom.StreamTimeout))
	h := w.Header()
	h["Content-Type"] = []string{answer.Type}
	encoding := view.Identity
	if answer.Type == plainJSON[0] {
		encoding = encodingOf(r)
	}
	if encoding != view.Identity {
		h["Content-Encoding"] = packed[encoding]
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := a.config.Documents.Stream(w, encoding, answer.Stream); err != nil {
		// What was written would look whole where it happens to end well.
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (a *API) askPrometheus(w http.ResponseWriter, r *http.Request, serve func(context.Context, prom.Request) (prom.Response, error)) (prom.Response, error) {
	var answer prom.Response
	err := a.whenReady(func(w http.ResponseWriter, r *http.Request) error {
		caller, err := a.caller(r)
		if err != nil {
			return err
		}
		form, err := formOf(w, r)
		if err != nil {
			return err
		}
		answer, err = serve(r.Context(), prom.Request{
			Form: form, Label: r.PathValue("label"), Accept: r.Header.Get("Accept"), Authorize: sightOf(caller),
			Forbidden: func(ctx context.Context) error { return refusal(caller(ctx, Access{Verb: "get"})) },
		})
		return err
	})(w, r)
	return answer, err
}

// formOf are the parameters of a request, of its path and of its body.
func formOf(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxForm {
		return nil, &prom.Error{Type: prom.ErrorBadData, Err: errors.New("the query is longer than 64 KiB")}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &Problem{Status: http.StatusRequestTimeout, Reason: ReasonBadRequest, Detail: "the body did not come"}
	} else if err != nil {
		return nil, &prom.Error{Type: prom.ErrorBadData, Err: err}
	}
	return r.Form, nil
}

// errorTypes are Prometheus' words for statuses of ours; it has none for the first two.
var errorTypes = map[int]prom.ErrorType{
	http.StatusUnauthorized: "unauthorized", http.StatusForbidden: prom.ErrorForbidden,
	http.StatusRequestTimeout: prom.ErrorBadData, http.StatusTooManyRequests: prom.ErrorUnavailable, http.StatusServiceUnavailable: prom.ErrorUnavailable, http.StatusInternalServerError: prom.ErrorInternal,
}

// failPrometheus tells what went wrong in Prometheus' JSON.
func (a *API) failPrometheus(w http.ResponseWriter, r *http.Request, err error) {
	var as *prom.Error
	if errors.As(err, &as) {
		if as.Type == prom.ErrorInternal {
			a.config.Log.Error("request failed", "path", r.URL.Path, "error", err)
		}
		writePlainly(w, as.Status(), plainJSON[0], prom.ErrorBody(as.Type, as.Error()))
		return
	}
	p := a.problem(r, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	p.setRetryAfter(w.Header())
	writePlainly(w, p.Status, plainJSON[0], prom.ErrorBody(errorTypes[p.Status], p.Detail))
}

func writePlainly(w http.ResponseWriter, status int, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// Nobody is left to tell of an error to write.
	_, _ = w.Write(body)
}

// refusal returns what somebody lacks who may see no cluster, by what was said of all of them.
func refusal(err error) error {
	switch {
	case err == nil: // a right that was given just now
		err = fmt.Errorf("%w: you may see no cluster yet; ask again", ErrForbidden)
	case !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrHidden):
		return err
	}
	return &prom.Error{Type: prom.ErrorForbidden, Err: err}
}

// sightOf says how much of clusters a caller may see, by the same questions as the routes
// of one cluster ask: first with one question for all of them, then one by one.
func sightOf(caller Caller) prom.Authorizer {
	return func(ctx context.Context, clusters []string, named bool) (map[string]prom.Level, error) {
		levels, left := map[string]prom.Level{}, clusters
		for _, level := range []prom.Level{prom.Details, prom.Summary} {
			may, err := allowed(ctx, caller, left, Access{Verb: "get", Details: level == prom.Details, Brief: true, Listed: !named})
			if err != nil {
				return nil, err
			}
			var refused []string
			for i, name := range left {
				if may[i] {
					levels[name] = level
				} else {
					refused = append(refused, name)
				}
			}
			left = refused
		}
		return levels, nil
	}
}

// allowed says which of some clusters a caller may see.
func allowed(ctx context.Context, caller Caller, clusters []string, want Access) ([]bool, error) {
	if len(clusters) > 1 {
		all, err := isAllowed(ctx, caller, "", want)
		if err != nil {
			return nil, err
		}
		if all {
			return slices.Repeat([]bool{true}, len(clusters)), nil
		}
	}
	return allowedEach(ctx, caller, clusters, want)
}
