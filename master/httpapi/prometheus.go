package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/view"
)

const (
	prometheusPrefix = "/prometheus/api/v1"
	// maxForm is the longest query of a Prometheus request, in its path or its body.
	maxForm = 64 << 10
)

// prometheusOperations are what Prometheus' clients ask. They are not in the OpenAPI
// document: their specification is Prometheus' own.
func (a *API) prometheusOperations() []operation {
	if a.config.Prometheus == nil {
		return nil
	}
	all := []operation{{pattern: "/federate", serve: a.prometheus(a.config.Prometheus.Federate)}}
	for _, route := range a.config.Prometheus.Routes() {
		serve := a.prometheus(route.Serve)
		all = append(all,
			operation{pattern: prometheusPrefix + route.Path, serve: serve},
			operation{pattern: prometheusPrefix + route.Path, serve: serve, method: http.MethodPost, takes: "a form"})
	}
	return all
}

// prometheus answers, and fails, as Prometheus does.
func (a *API) prometheus(serve func(context.Context, prom.Request) (prom.Answer, error)) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		answer, err := a.askPrometheus(w, r, serve)
		switch {
		case err != nil && r.Context().Err() != nil:
			return err
		case err != nil:
			a.failPrometheus(w, r, err)
			return nil
		}
		w.Header()["Cache-Control"], w.Header()["Vary"] = noCache, varies
		if answer.Type == plainJSON[0] {
			return a.writeBody(w, r, view.Body{answer.Body})
		}
		writePlainly(w, http.StatusOK, answer.Type, answer.Body)
		return nil
	}
}

func (a *API) askPrometheus(w http.ResponseWriter, r *http.Request, serve func(context.Context, prom.Request) (prom.Answer, error)) (prom.Answer, error) {
	var answer prom.Answer
	err := a.whenReady(func(w http.ResponseWriter, r *http.Request) error {
		caller, err := a.caller(r)
		if err != nil {
			return err
		}
		form, err := formOf(w, r)
		if err != nil {
			return err
		}
		answer, err = serve(r.Context(), prom.Request{Form: form, Label: r.PathValue("label"), See: sightOf(caller), Accept: r.Header.Get("Accept")})
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
	if err := r.ParseForm(); err != nil {
		return nil, &prom.Error{Type: prom.ErrorBadData, Err: err}
	}
	return r.Form, nil
}

// errorTypes are Prometheus' words for statuses of ours; it has none for the first two.
var errorTypes = map[int]prom.ErrorType{
	http.StatusUnauthorized: "unauthorized", http.StatusForbidden: "forbidden",
	http.StatusServiceUnavailable: prom.ErrorUnavailable, http.StatusInternalServerError: prom.ErrorInternal,
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
	writePlainly(w, p.Status, plainJSON[0], prom.ErrorBody(errorTypes[p.Status], p.Detail))
}

func writePlainly(w http.ResponseWriter, status int, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// Nobody is left to tell of an error to write.
	_, _ = w.Write(body)
}

// sightOf says how much of clusters a caller may see, by the same questions as the routes
// of one cluster ask: first with one question for all of them, then one by one.
func sightOf(caller Caller) prom.Sight {
	return func(ctx context.Context, clusters []string) (map[string]prom.Level, error) {
		levels, left := map[string]prom.Level{}, clusters
		for _, level := range []prom.Level{prom.Details, prom.Summary} {
			may, err := allowed(ctx, caller, left, level == prom.Details)
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
func allowed(ctx context.Context, caller Caller, clusters []string, details bool) ([]bool, error) {
	may := make([]bool, len(clusters))
	ask := func(ctx context.Context, cluster string) (bool, error) {
		err := caller(ctx, Access{Verb: "get", Details: details, Cluster: cluster})
		if errors.Is(err, ErrForbidden) || errors.Is(err, ErrHidden) {
			return false, nil
		}
		return err == nil, err
	}
	if len(clusters) > 1 {
		all, err := ask(ctx, "")
		if err != nil {
			return nil, err
		}
		if all {
			for i := range may {
				may[i] = true
			}
			return may, nil
		}
	}
	questions, ctx := errgroup.WithContext(ctx)
	questions.SetLimit(maxQuestions)
	for i, cluster := range clusters {
		questions.Go(func() (err error) {
			may[i], err = ask(ctx, cluster)
			return err
		})
	}
	return may, questions.Wait()
}
