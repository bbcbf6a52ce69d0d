package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"reflect"
	"strings"

	"rollcall.dev/rollcall/master/heapster"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/session"
)

// heapsterPrefix precedes the cluster's name and Heapster's own paths.
const heapsterPrefix = "/heapster/"

// heapsterPattern matches all of heapster.Paths.
const heapsterPattern = heapsterPrefix + "{cluster}/api/v1/{path...}"

// heapsterSchemas holds the types of Heapster's JSON.
var heapsterSchemas = map[string]reflect.Type{
	"HeapsterNames": reflect.TypeFor[[]string](), "HeapsterPoints": reflect.TypeFor[heapster.MetricResult](), "HeapsterPointsOfPods": reflect.TypeFor[heapster.MetricResultList](),
	"HeapsterExport": reflect.TypeFor[[]heapster.Timeseries](), "HeapsterSchema": reflect.TypeFor[heapster.TimeseriesSchema](),
}

var heapsterTimeParameters = []openapi.Parameter{
	{Name: "start", In: "query", Description: "Start of the time range, in RFC 3339.", Schema: openapi.Time()},
	{Name: "end", In: "query", Description: "End of the time range, in RFC 3339.", Schema: openapi.Time()},
}

// heapsterOperations returns the operations for the OpenAPI document. One handler serves all of
// them.
func heapsterOperations() []operation {
	all := make([]operation, len(heapster.Paths))
	for i, p := range heapster.Paths {
		o := openapi.Operation{
			Path: heapsterPrefix + "{cluster}/api/v1" + p.Pattern, ID: idOf("heapster", p.Pattern), Summary: p.Description,
			Errors: "text/plain", Statuses: []int{400, 401, 403, 404, 405, 409, 429, 500, 503, 504},
		}
		for name, shape := range heapsterSchemas {
			if shape == reflect.TypeOf(p.Body) {
				o.Schema = name
			}
		}
		if p.Timed {
			o.Parameters = heapsterTimeParameters
		}
		all[i] = operation{Operation: o}
	}
	return all
}

// clusterHistory returns the recent metrics of a cluster, or nil.
func (a *API) clusterHistory(cluster string) *history.ClusterHistory {
	if a.config.History == nil {
		return nil
	}
	return a.config.History(cluster)
}

// heapster serves Heapster's API for one cluster. It requires access to the cluster's details. All
// requests except those for the schema register demand, like GET of the cluster, and wait for a
// first report with usage.
func (a *API) heapster(w http.ResponseWriter, r *http.Request) error {
	name, err := a.resolve(r, "get", true)
	if err != nil {
		return err
	}
	query, err := heapster.Parse(r.PathValue("path"), r.URL.RawQuery)
	var bad *heapster.BadRequest
	switch {
	case errors.As(err, &bad):
		return writeHeapsterError(w, bad)
	case err != nil:
		return noSuchPath(w, r)
	}
	var source *heapster.Source
	if query.NeedsCluster() {
		report, err := a.await(r.Context(), name, params{timeout: defaultTimeout, awaitUsage: true})
		if err != nil {
			return err
		}
		if source, err = a.heapsterSource(report); err != nil {
			return err
		}
	}
	return writeHeapster(w, query.Execute(source))
}

func (a *API) heapsterSource(v *session.Report) (*heapster.Source, error) {
	s, err := v.State()
	if err != nil {
		return nil, err
	}
	return &heapster.Source{State: s, History: a.clusterHistory(v.Cluster), ReceivedAt: v.ReceivedAt, Since: v.Session.StartedAt}, nil
}

// writeHeapsterError writes a 400 in plain text, as Heapster does.
func writeHeapsterError(w http.ResponseWriter, bad *heapster.BadRequest) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	// A failed write means that the client has disconnected.
	_, _ = io.WriteString(w, bad.Message)
	return nil
}

func writeHeapster(w http.ResponseWriter, response heapster.Response) error {
	body, err := json.Marshal(response.Body)
	if err != nil {
		return fmt.Errorf("encode Heapster response: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "private, no-cache")
	if response.Warning != "" {
		h.Set("Warning", fmt.Sprintf("299 rollcall %q", plainASCII(response.Warning)))
	}
	_, _ = w.Write(body)
	return nil
}

// plainASCII replaces characters that a header must not contain.
func plainASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// isUnclean reports whether the mux would redirect a path to its clean form. Heapster's paths may
// end in a slash.
func isUnclean(p string) bool {
	if strings.HasPrefix(p, heapsterPrefix) {
		p = strings.TrimSuffix(p, "/")
	}
	return p == "" || path.Clean(p) != p
}
