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

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/view"
)

const (
	prometheusPrefix = "/prometheus/api/v1"
	// maxForm is the maximum length in bytes of the parameters of a Prometheus request, in the URL
	// or the body.
	maxForm = 64 << 10
)

// prometheusOperations returns the operations of the Prometheus HTTP API, which Prometheus
// specifies.
func (a *API) prometheusOperations() []operation {
	if a.config.Prometheus == nil {
		return nil
	}
	federation := a.prometheusOperation("", a.config.Prometheus.Federation())
	federation.Schema, federation.MediaType = "", "text/plain"
	federation.Statuses = append(federation.Statuses, http.StatusNotFound)
	all := []operation{federation}
	for _, route := range a.config.Prometheus.Routes() {
		o := a.prometheusOperation(prometheusPrefix, route)
		all = append(all, o)
		o.Method, o.Body, o.ID = http.MethodPost, openapi.Form, o.ID+"ByForm"
		all = append(all, o)
	}
	return all
}

func (a *API) prometheusOperation(prefix string, route prom.Route) operation {
	o := operation{
		Operation: openapi.Operation{
			Path: prefix + route.Path, ID: idOf("prometheus", route.Path), Summary: route.Description,
			Schema: "PrometheusAnswer", Errors: "PrometheusError", Statuses: []int{400, 401, 403, 405, 422, 429, 500, 503},
		},
		serve: a.prometheus(route.Serve),
	}
	for _, p := range route.Parameters {
		kind := openapi.String()
		if p.Repeated {
			kind = openapi.List(kind)
		}
		o.Parameters = append(o.Parameters, openapi.Parameter{Name: p.Name, In: "query", Required: p.Required, Description: p.Description, Schema: kind})
	}
	return o
}

// idOf returns an operation id that consists of letters.
func idOf(prefix, path string) string {
	for word := range strings.FieldsFuncSeq(path, func(r rune) bool { return !unicode.IsLetter(r) }) {
		prefix += strings.ToUpper(word[:1]) + word[1:]
	}
	return prefix
}

// prometheusSchemas holds the schemas of Prometheus' JSON.
var prometheusSchemas = map[string]openapi.Schema{
	"PrometheusAnswer": {
		"type": "object", "required": []string{"status", "data"}, "additionalProperties": false,
		"properties": openapi.Schema{"status": openapi.Enum("success"), "data": openapi.Schema{}, "warnings": stringList, "infos": stringList},
	},
	"PrometheusError": {
		"type": "object", "required": []string{"status", "errorType", "error"}, "additionalProperties": false,
		"properties": openapi.Schema{"status": openapi.Enum("error"), "errorType": openapi.String(), "error": openapi.String()},
	},
}

var stringList = openapi.List(openapi.String())

// prometheus returns a handler that responds, also to errors, in Prometheus' formats.
func (a *API) prometheus(serve func(context.Context, prom.Request) (prom.Response, error)) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		response, err := a.queryPrometheus(w, r, serve)
		defer func() { response.Close() }()
		var p *httpv1.Problem
		switch {
		case errors.As(err, &p) && p.Status == http.StatusRequestTimeout:
			// A request body that times out also cancels the request's context.
			w.Header().Set("Connection", "close")
			a.writePrometheusError(w, r, err)
			return nil
		case err != nil && r.Context().Err() != nil:
			return err
		case err != nil:
			a.writePrometheusError(w, r, err)
			return nil
		}
		w.Header()["Cache-Control"], w.Header()["Vary"] = cacheControlHeader, varyHeader
		if response.Stream != nil {
			return a.streamPrometheus(w, r, &response)
		}
		if response.Type == jsonContentType[0] {
			return a.writeBody(w, r, view.Body{response.Body})
		}
		writeRaw(w, http.StatusOK, response.Type, response.Body)
		return nil
	}
}

// streamPrometheus writes a response while it is encoded. A client that reads too slowly loses its
// connection, because the query occupies a slot until the response is written.
func (a *API) streamPrometheus(w http.ResponseWriter, r *http.Request, response *prom.Response) error {
	// Only writers in tests do not support deadlines.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(prom.StreamTimeout))
	h := w.Header()
	h["Content-Type"] = []string{response.Type}
	encoding := view.Identity
	if response.Type == jsonContentType[0] {
		encoding = negotiateEncoding(r)
	}
	if encoding != view.Identity {
		h["Content-Encoding"] = contentEncodings[encoding]
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := a.config.Documents.EncodeStream(w, encoding, response.Stream); err != nil {
		// Abort the connection: the truncated body might look complete.
		panic(http.ErrAbortHandler)
	}
	return nil
}

func (a *API) queryPrometheus(w http.ResponseWriter, r *http.Request, serve func(context.Context, prom.Request) (prom.Response, error)) (prom.Response, error) {
	var response prom.Response
	err := a.whenReady(func(w http.ResponseWriter, r *http.Request) error {
		caller, err := a.authenticate(r)
		if err != nil {
			return err
		}
		form, err := parseForm(w, r)
		if err != nil {
			return err
		}
		record := auditOf(r.Context())
		record.setParameters(form)
		response, err = serve(r.Context(), prom.Request{
			Form: form, Label: r.PathValue("label"), Accept: r.Header.Get("Accept"), Authorize: authorizeClusters(caller, record),
			Forbidden: func(ctx context.Context) error { return forbiddenError(caller(ctx, Access{Verb: "get"})) },
		})
		return err
	})(w, r)
	return response, err
}

// parseForm returns the parameters of the query string and of the body.
func parseForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxForm {
		return nil, &prom.Error{Type: prom.ErrorBadData, Err: errors.New("the query string is longer than 64 KiB")}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &httpv1.Problem{Status: http.StatusRequestTimeout, Reason: httpv1.ReasonBadRequest, Detail: "the request body did not arrive in time"}
	} else if err != nil {
		return nil, &prom.Error{Type: prom.ErrorBadData, Err: err}
	}
	return r.Form, nil
}

// errorTypes maps HTTP statuses to Prometheus' error types. Prometheus has no type for the first
// two.
var errorTypes = map[int]prom.ErrorType{
	http.StatusUnauthorized: "unauthorized", http.StatusForbidden: prom.ErrorForbidden,
	http.StatusRequestTimeout: prom.ErrorBadData, http.StatusTooManyRequests: prom.ErrorUnavailable, http.StatusServiceUnavailable: prom.ErrorUnavailable, http.StatusInternalServerError: prom.ErrorInternal,
}

// writePrometheusError writes an error in Prometheus' JSON.
func (a *API) writePrometheusError(w http.ResponseWriter, r *http.Request, err error) {
	var queryErr *prom.Error
	if errors.As(err, &queryErr) {
		if queryErr.Type == prom.ErrorInternal {
			a.config.Log.Error("request failed", "path", r.URL.Path, "error", err)
		}
		writeRaw(w, queryErr.Status(), jsonContentType[0], prom.ErrorBody(queryErr.Type, queryErr.Error()))
		return
	}
	p := a.problem(r, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	setRetryAfter(w.Header(), p)
	writeRaw(w, p.Status, jsonContentType[0], prom.ErrorBody(errorTypes[p.Status], p.Detail))
}

func writeRaw(w http.ResponseWriter, status int, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A failed write means that the client has disconnected.
	_, _ = w.Write(body)
}

// forbiddenError returns the error for a caller that may see no cluster, given the result of the
// review for all clusters.
func forbiddenError(err error) error {
	switch {
	case err == nil: // access was granted in the meantime
		err = fmt.Errorf("%w: access was granted just now; retry", ErrForbidden)
	case !errors.Is(err, ErrForbidden) && !errors.Is(err, ErrHidden):
		return err
	}
	return &prom.Error{Type: prom.ErrorForbidden, Err: err}
}

// authorizeClusters returns an authorizer for Prometheus queries. It uses the same access reviews
// as the routes of one cluster: first one for all clusters, then one for each cluster. It records the
// clusters that a query names for the audit log.
func authorizeClusters(caller Authorizer, record *auditRecord) prom.Authorizer {
	return func(ctx context.Context, clusters []string, named bool) (map[string]prom.Level, error) {
		levels, left := map[string]prom.Level{}, clusters
		for _, level := range []prom.Level{prom.Details, prom.Summary} {
			may, err := allowed(ctx, caller, left, Access{Verb: "get", Details: level == prom.Details, ListOnly: true, Listed: !named})
			if err != nil {
				return nil, err
			}
			var refused []string
			for i, name := range left {
				if may[i] {
					levels[name] = level
					if named {
						record.addClusters(name)
					}
				} else {
					refused = append(refused, name)
				}
			}
			left = refused
		}
		return levels, nil
	}
}

// allowed reports which of the clusters a caller may see.
func allowed(ctx context.Context, caller Authorizer, clusters []string, want Access) ([]bool, error) {
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
