package httpapi

import (
	"cmp"
	"net/http"
	"slices"

	"rollcall.dev/rollcall/master/view"
)

// operation is one route: what serves it, and all that the OpenAPI document tells of it.
type operation struct {
	// method is POST or DELETE; empty: GET, and HEAD.
	method  string
	pattern string
	id      string
	words   string
	serve   endpoint
	// answer and watch are the tables that requests are read by, filters what view reads
	// besides.
	answer, watch []parameter
	filters       []view.Parameter
	// shape names the schema of a JSON answer; else media is the type of another.
	shape, media string
	// takes names the schema of a request's body, or is aForm; empty: there is none.
	takes    string
	statuses []int
	// others are documents of parameters that are read by others' rules, and failure is
	// how errors are told by those: the schema of their JSON, or a media type. Empty: as a
	// Problem.
	others  []schema
	failure string
}

// aForm is a body that has the parameters as a form.
const aForm = "form"

func (o *operation) verb() string { return cmp.Or(o.method, http.MethodGet) }

// Statuses of the operations of one cluster, and of all.
var (
	clusterStatuses = []int{304, 400, 401, 403, 404, 405, 409, 410, 429, 500, 503, 504}
	fleetStatuses   = []int{304, 400, 401, 403, 404, 405, 410, 429, 500, 503}
)

// operations are all routes.
func (a *API) operations() []operation {
	all := []operation{{
		pattern: "/api/v1/clusters", id: "listClusters", serve: a.whenReady(a.clusters), shape: "ClusterList", statuses: fleetStatuses,
		words:  "All registered clusters that the caller may see, with the last summary of each. No cluster is asked for anything, unless a watch says demand.",
		answer: listParameters, watch: fleetWatchParameters,
	}}
	for _, part := range []view.Part{view.Whole, view.Summary, view.Nodes, view.Pods, view.Containers, view.Ports} {
		all = append(all, a.partOperation(part))
	}
	all = append(all, a.sessionOperations()...)
	return append(all,
		operation{pattern: "/api/openapi.json", id: "openAPI", serve: a.openAPI, media: "application/json", words: "This document.", statuses: []int{304, 405}},
		operation{pattern: "/api", id: "openAPIPage", serve: a.openAPIPage, media: "text/html", words: "This document as a page to read.", statuses: []int{405}},
		operation{pattern: "/healthz", id: "healthz", serve: a.healthz, media: "text/plain", words: "Whether the process answers at all.", statuses: []int{405}},
		operation{pattern: "/readyz", id: "readyz", serve: a.readyz, media: "text/plain", words: "Whether clients should be sent here, and what is missing.", statuses: []int{405, 503}},
		operation{pattern: "/metrics", id: "metrics", serve: a.metricsPage(), media: "text/plain", words: "Metrics of the process, in Prometheus' formats.", statuses: []int{401, 403, 405, 429, 503}},
	)
}

func (a *API) partOperation(part view.Part) operation {
	o := operation{
		pattern: wholePattern, id: "getCluster", words: "Everything about one cluster. To ask is demand: the master has the cluster report.",
		serve: a.whenReady(a.cluster(part)), shape: view.ShapeOf(part), answer: answerParameters, watch: clusterWatchParameters, filters: view.Parameters(part), statuses: clusterStatuses,
	}
	if part != view.Whole {
		o.pattern += "/" + part.String()
		o.id += part.String()
		o.words = "The " + part.String() + " of one cluster, otherwise as the whole of it."
	}
	return o
}

// watchable says that an operation can be watched.
func (o *operation) watchable() bool { return len(o.watch) > 0 }

// names of parameters that only a watch takes.
func (o *operation) onlyWatch() []parameter {
	known := names(o.answer)
	return slices.DeleteFunc(slices.Clone(o.watch), func(p parameter) bool { return slices.Contains(known, p.name) })
}

// statusWords are what a status means here.
var statusWords = map[int]string{
	http.StatusNotModified:           "What the client has is what there is: If-None-Match names the ETag.",
	http.StatusBadRequest:            "The request cannot be read; `parameter` names what is to blame.",
	http.StatusUnauthorized:          "It is not known who asks.",
	http.StatusForbidden:             "Who asks may not see this.",
	http.StatusNotFound:              "There is no such cluster, or none that who asks may know of.",
	http.StatusMethodNotAllowed:      "This is not a method of this route; nearly everything is read only.",
	http.StatusConflict:              "The cluster is suspended.",
	http.StatusGone:                  "What changed since the resourceVersion is not known any more: begin again without it.",
	http.StatusRequestTimeout:        "The body did not come in time.",
	http.StatusRequestEntityTooLarge: "The body is longer than a token can be.",
	http.StatusUnprocessableEntity:   "The query cannot be evaluated.",
	http.StatusTooManyRequests:       "Too many tokens of the caller's address are not known, or too many questions about what the caller may see are waiting; Retry-After says when to come again.",
	http.StatusUnsupportedMediaType:  "The body is not application/json.",
	http.StatusInternalServerError:   "A fault of the master's own.",
	http.StatusServiceUnavailable:    "The agent cannot be reached, nobody can be asked who may see what, or this master is not ready or about to end; Retry-After says when to come again.",
	http.StatusGatewayTimeout:        "No report came in time.",
}
