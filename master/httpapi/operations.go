package httpapi

import (
	"cmp"
	"net/http"
	"slices"

	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/view"
)

// operation is one method of a route: its description in the OpenAPI document, its handler, and the parameters that this
// package and view parse. Parameters of the description are parsed by the handler.
type operation struct {
	openapi.Operation
	serve handlerFunc
	// getParameters and watchParameters parse the parameters without and with watch=true. filters
	// describes the parameters that view parses.
	getParameters, watchParameters []parameter
	filters                        []view.Parameter
}

// Error statuses of the operations of one cluster, and of the list of clusters.
var (
	clusterStatuses = []int{304, 400, 401, 403, 404, 405, 409, 410, 429, 500, 503, 504}
	listStatuses    = []int{304, 400, 401, 403, 404, 405, 410, 429, 500, 503}
)

// operations returns all operations, except those of Prometheus and Heapster.
func (a *API) operations() []operation {
	all := []operation{{
		Operation: openapi.Operation{
			Path: "/api/v1/clusters", ID: "listClusters", Schema: "ClusterList", Statuses: listStatuses,
			Summary: "List clusters and their status. Only clusters that the caller may see are included. Listing does not start sessions; a watch can, with the parameter demand.",
		},
		serve: a.whenReady(a.clusters), getParameters: listParameters, watchParameters: listWatchParameters,
	}}
	for _, part := range []view.Part{view.Whole, view.Summary, view.Nodes, view.Pods, view.Containers, view.Ports} {
		all = append(all, a.partOperation(part))
	}
	all = append(all, a.sessionOperations()...)
	return append(all,
		operation{serve: a.serveOpenAPI, Operation: openapi.Operation{Path: "/api/openapi.json", ID: "openAPI", MediaType: "application/json", Summary: "Get the OpenAPI document.", Statuses: []int{304, 405}}},
		operation{serve: a.serveOpenAPIPage, Operation: openapi.Operation{Path: "/api", ID: "openAPIPage", MediaType: "text/html", Summary: "Show the OpenAPI document as an HTML page.", Statuses: []int{405}}},
		operation{serve: a.version, Operation: openapi.Operation{Path: "/version", ID: "getVersion", Schema: "Version", Summary: "Get the version of the master. Needs no authentication.", Statuses: []int{400, 405}}},
		operation{serve: a.healthz, Operation: openapi.Operation{Path: "/healthz", ID: "healthz", MediaType: "text/plain", Summary: "Check whether the process is running.", Statuses: []int{405}}},
		operation{serve: a.readyz, Operation: openapi.Operation{Path: "/readyz", ID: "readyz", MediaType: "text/plain", Errors: openapi.AnyErrors, Summary: "Check whether the master can serve clients; lists failing checks.", Statuses: []int{405, 503}}},
		operation{serve: a.metricsHandler(), Operation: openapi.Operation{Path: "/metrics", ID: "metrics", MediaType: "text/plain", Summary: "Get metrics of the process in the Prometheus exposition formats.", Statuses: []int{401, 403, 405, 429, 503}}},
	)
}

// partSchemas holds the name of the schema of each part of a document.
var partSchemas = map[view.Part]string{
	view.Whole: "Document", view.Summary: "SummaryDocument", view.Nodes: "NodesDocument", view.Pods: "PodsDocument",
	view.Containers: "ContainersDocument", view.Ports: "PortsDocument",
}

func (a *API) partOperation(part view.Part) operation {
	o := operation{
		Operation: openapi.Operation{
			Path: wholePattern, ID: "getCluster", Schema: partSchemas[part], Statuses: clusterStatuses,
			Summary: "Get everything about one cluster. The request registers demand: the master keeps the cluster reporting.",
		},
		serve: a.whenReady(a.cluster(part)), getParameters: getParameters, watchParameters: clusterWatchParameters, filters: view.Parameters(part),
	}
	if part != view.Whole {
		o.Path += "/" + part.String()
		o.ID += part.String()
		o.Summary = "Get the " + part.String() + " of one cluster. Otherwise like getCluster."
	}
	return o
}

// method returns the method of the operation: GET, which includes HEAD, unless it has another one.
func (o *operation) method() string { return cmp.Or(o.Method, http.MethodGet) }

// watchable reports whether the operation supports watch=true.
func (o *operation) watchable() bool { return len(o.watchParameters) > 0 }

// watchOnly returns the parameters that are valid only with watch=true.
func (o *operation) watchOnly() []parameter {
	known := names(o.getParameters)
	return slices.DeleteFunc(slices.Clone(o.watchParameters), func(p parameter) bool { return slices.Contains(known, p.name) })
}

// documented returns the description of the operation with all of its parameters.
func (o *operation) documented() openapi.Operation {
	d := o.Operation
	d.Method, d.Watchable = o.method(), o.watchable()
	d.Parameters = slices.Clone(o.Parameters)
	for _, p := range o.getParameters {
		d.Parameters = append(d.Parameters, p.documented(""))
	}
	for _, f := range o.filters {
		d.Parameters = append(d.Parameters, documentedFilter(f))
	}
	for _, p := range o.watchOnly() {
		d.Parameters = append(d.Parameters, p.documented("With watch=true: "))
	}
	if o.watchable() {
		d.Parameters = append(d.Parameters, openapi.Parameter{
			Name: lastEventIDHeader, In: "header", Schema: openapi.String(),
			Description: "With watch=true: the last event id that an EventSource received; overrides resourceVersion.",
		})
	}
	return d
}

func (p *parameter) documented(when string) openapi.Parameter {
	return openapi.Parameter{Name: p.name, In: "query", Description: when + p.description, Schema: p.schema}
}

func documentedFilter(f view.Parameter) openapi.Parameter {
	p := openapi.Parameter{Name: f.Name, In: "query", Description: f.Description, Schema: openapi.String()}
	switch {
	case f.IsNumber:
		p.Schema = openapi.Integer(1, f.Max)
	case len(f.Values) > 0:
		p.Schema = openapi.Enum(f.Values...)
	}
	if f.Paging {
		p.Description = "Without watch: " + p.Description
	}
	return p
}
