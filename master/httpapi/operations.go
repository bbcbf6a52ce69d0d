package httpapi

import (
	"cmp"
	"net/http"
	"slices"

	"rollcall.dev/rollcall/master/view"
)

// operation is one method of a route: its handler, and its description in the OpenAPI document.
type operation struct {
	// method is POST or DELETE; empty for GET and HEAD.
	method  string
	pattern string
	id      string
	summary string
	serve   handlerFunc
	// getParameters and watchParameters parse the parameters without and with watch=true. filters
	// describes the parameters that view parses.
	getParameters, watchParameters []parameter
	filters                        []view.Parameter
	// schemaName is the schema of a JSON response; if it is empty, mediaType is the type of the
	// response.
	schemaName, mediaType string
	// bodySchema is the schema of the request body, or formBody; empty if there is no body.
	bodySchema string
	statuses   []int
	// extraParameters documents parameters that the handler parses itself. errorFormat is the
	// schema or media type of errors; empty for a Problem.
	extraParameters []schema
	errorFormat     string
}

// formBody is a request body that contains the parameters as a form.
const formBody = "form"

func (o *operation) httpMethod() string { return cmp.Or(o.method, http.MethodGet) }

// Error statuses of the operations of one cluster, and of the list of clusters.
var (
	clusterStatuses = []int{304, 400, 401, 403, 404, 405, 409, 410, 429, 500, 503, 504}
	listStatuses    = []int{304, 400, 401, 403, 404, 405, 410, 429, 500, 503}
)

// operations returns all operations, except those of Prometheus and Heapster.
func (a *API) operations() []operation {
	all := []operation{{
		pattern: "/api/v1/clusters", id: "listClusters", serve: a.whenReady(a.clusters), schemaName: "ClusterList", statuses: listStatuses,
		summary:       "List clusters and their status. Only clusters that the caller may see are included. Listing does not start sessions; a watch can, with the parameter demand.",
		getParameters: listParameters, watchParameters: listWatchParameters,
	}}
	for _, part := range []view.Part{view.Whole, view.Summary, view.Nodes, view.Pods, view.Containers, view.Ports} {
		all = append(all, a.partOperation(part))
	}
	all = append(all, a.sessionOperations()...)
	return append(all,
		operation{pattern: "/api/openapi.json", id: "openAPI", serve: a.serveOpenAPI, mediaType: "application/json", summary: "Get the OpenAPI document.", statuses: []int{304, 405}},
		operation{pattern: "/api", id: "openAPIPage", serve: a.serveOpenAPIPage, mediaType: "text/html", summary: "Show the OpenAPI document as an HTML page.", statuses: []int{405}},
		operation{pattern: "/version", id: "getVersion", serve: a.version, schemaName: "Version", summary: "Get the version of the master. Needs no authentication.", statuses: []int{400, 405}},
		operation{pattern: "/healthz", id: "healthz", serve: a.healthz, mediaType: "text/plain", summary: "Check whether the process is running.", statuses: []int{405}},
		operation{pattern: "/readyz", id: "readyz", serve: a.readyz, mediaType: "text/plain", summary: "Check whether the master can serve clients; lists failing checks.", statuses: []int{405, 503}},
		operation{pattern: "/metrics", id: "metrics", serve: a.metricsHandler(), mediaType: "text/plain", summary: "Get metrics of the process in the Prometheus exposition formats.", statuses: []int{401, 403, 405, 429, 503}},
	)
}

func (a *API) partOperation(part view.Part) operation {
	o := operation{
		pattern: wholePattern, id: "getCluster", summary: "Get everything about one cluster. The request registers demand: the master keeps the cluster reporting.",
		serve: a.whenReady(a.cluster(part)), schemaName: partSchemas[part], getParameters: getParameters, watchParameters: clusterWatchParameters, filters: view.Parameters(part), statuses: clusterStatuses,
	}
	if part != view.Whole {
		o.pattern += "/" + part.String()
		o.id += part.String()
		o.summary = "Get the " + part.String() + " of one cluster. Otherwise like getCluster."
	}
	return o
}

// watchable reports whether the operation supports watch=true.
func (o *operation) watchable() bool { return len(o.watchParameters) > 0 }

// watchOnly returns the parameters that are valid only with watch=true.
func (o *operation) watchOnly() []parameter {
	known := names(o.getParameters)
	return slices.DeleteFunc(slices.Clone(o.watchParameters), func(p parameter) bool { return slices.Contains(known, p.name) })
}

// statusDescriptions describes the status codes in the OpenAPI document.
var statusDescriptions = map[int]string{
	http.StatusNotModified:           "Not modified: If-None-Match contains the current ETag.",
	http.StatusBadRequest:            "Invalid request; `parameter` names the invalid parameter.",
	http.StatusUnauthorized:          "The caller is not authenticated.",
	http.StatusForbidden:             "The caller is not authorized.",
	http.StatusNotFound:              "The cluster does not exist, or the caller may not know about it.",
	http.StatusMethodNotAllowed:      "The path does not support this method; Allow lists the supported methods.",
	http.StatusConflict:              "The cluster is suspended.",
	http.StatusGone:                  "The resourceVersion is too old or unknown; start again without it.",
	http.StatusRequestTimeout:        "The request body did not arrive in time.",
	http.StatusRequestEntityTooLarge: "The request body is longer than any token.",
	http.StatusUnprocessableEntity:   "The query cannot be evaluated.",
	http.StatusTooManyRequests:       "Too many invalid tokens from the caller's address, or too many pending access reviews of the caller; Retry-After says when to retry.",
	http.StatusUnsupportedMediaType:  "The request body is not application/json.",
	http.StatusInternalServerError:   "Internal error of the master.",
	http.StatusServiceUnavailable:    "The agent cannot be reached, access cannot be reviewed, the registered clusters cannot be read, or this master is not ready or is shutting down; Retry-After says when to retry.",
	http.StatusGatewayTimeout:        "No report arrived in time.",
}
