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
	"rollcall.dev/rollcall/master/session"
)

// heapsterPrefix is in front of a cluster's name and of Heapster's own paths.
const heapsterPrefix = "/heapster/"

// heapsterPattern is all of heapster.Paths.
const heapsterPattern = heapsterPrefix + "{cluster}/api/v1/{path...}"

// heapsterShapes are Heapster's JSON.
var heapsterShapes = map[string]reflect.Type{
	"HeapsterNames": reflect.TypeFor[[]string](), "HeapsterPoints": reflect.TypeFor[heapster.MetricResult](), "HeapsterPointsOfPods": reflect.TypeFor[heapster.MetricResultList](),
	"HeapsterExport": reflect.TypeFor[[]heapster.Timeseries](), "HeapsterSchema": reflect.TypeFor[heapster.TimeseriesSchema](),
}

var heapsterTimes = []schema{
	{"name": "start", "in": "query", "description": "Points from this time on, in RFC 3339.", "schema": instant()},
	{"name": "end", "in": "query", "description": "Points until this time, in RFC 3339.", "schema": instant()},
}

// heapsterOperations are for the OpenAPI document; they are served as one.
func heapsterOperations() []operation {
	all := make([]operation, len(heapster.Paths))
	for i, p := range heapster.Paths {
		o := operation{
			pattern: heapsterPrefix + "{cluster}/api/v1" + p.Pattern, id: idOf("heapster", p.Pattern), words: p.Description,
			failure: "text/plain", statuses: []int{400, 401, 403, 404, 405, 409, 429, 500, 503, 504},
		}
		for name, shape := range heapsterShapes {
			if shape == reflect.TypeOf(p.Body) {
				o.shape = name
			}
		}
		if p.Timed {
			o.others = heapsterTimes
		}
		all[i] = o
	}
	return all
}

// past is what is known of a cluster's last minutes, nil where nothing is.
func (a *API) past(cluster string) *history.ClusterHistory {
	if a.config.Past == nil {
		return nil
	}
	return a.config.Past(cluster)
}

// heapster answers as Heapster did of one cluster. To see anything takes what the
// details of the cluster take. All but the schema is demand as GET of the cluster is,
// and waits for a first report with usage.
func (a *API) heapster(w http.ResponseWriter, r *http.Request) error {
	name, err := a.resolve(r, "get", true)
	if err != nil {
		return err
	}
	query, err := heapster.Parse(r.PathValue("path"), r.URL.RawQuery)
	var bad *heapster.BadRequest
	switch {
	case errors.As(err, &bad):
		return refuseAsHeapster(w, bad)
	case err != nil:
		return noSuchPath(w, r)
	}
	var source *heapster.Source
	if query.NeedsCluster() {
		value, err := a.await(r.Context(), name, params{timeout: defaultTimeout, awaitUsage: true})
		if err != nil {
			return err
		}
		source = a.heapsterSource(value)
	}
	return writeAsHeapster(w, query.Execute(source))
}

func (a *API) heapsterSource(v *session.Value) *heapster.Source {
	return &heapster.Source{State: v.State, History: a.past(v.Cluster), ReceivedAt: v.ReceivedAt, Since: v.Session.StartedAt}
}

// refuseAsHeapster answers 400 in plain text, as Heapster did.
func refuseAsHeapster(w http.ResponseWriter, bad *heapster.BadRequest) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusBadRequest)
	// Nobody is left to tell of an error to write.
	_, _ = io.WriteString(w, bad.Message)
	return nil
}

func writeAsHeapster(w http.ResponseWriter, answer heapster.Response) error {
	body, err := json.Marshal(answer.Body)
	if err != nil {
		return fmt.Errorf("encode an answer of Heapster's: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "private, no-cache")
	if answer.Warning != "" {
		h.Set("Warning", fmt.Sprintf("299 rollcall %q", plainASCII(answer.Warning)))
	}
	_, _ = w.Write(body)
	return nil
}

// plainASCII is what a header may have.
func plainASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// misshapen says that the mux would redirect a path to where it leads. Heapster's paths
// may end in a slash.
func misshapen(p string) bool {
	if strings.HasPrefix(p, heapsterPrefix) {
		p = strings.TrimSuffix(p, "/")
	}
	return p == "" || path.Clean(p) != p
}
