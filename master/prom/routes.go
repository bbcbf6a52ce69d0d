package prom

import (
	"context"
	"net/url"
)

// Route is an endpoint. Its path is relative to /prometheus/api/v1, except that of Federation,
// which is relative to /prometheus.
type Route struct {
	// Path is a pattern of net/http.ServeMux without method and host.
	Path        string
	Description string
	// Parameters are the supported parameters. Serve ignores all others, as Prometheus does.
	Parameters []Parameter
	Serve      func(ctx context.Context, r Request) (Response, error)
}

// Parameter describes a parameter of the query string or of the form in the body.
type Parameter struct {
	Name, Description string
	// Required parameters must be set. Repeated ones may be set more than once.
	Required, Repeated bool
}

var (
	paramQuery    = Parameter{Name: "query", Description: "A PromQL expression.", Required: true}
	paramTime     = Parameter{Name: "time", Description: "Evaluation time: Unix seconds or RFC 3339. Default: now."}
	paramStart    = Parameter{Name: "start", Description: "Start of the time range: Unix seconds or RFC 3339."}
	paramEnd      = Parameter{Name: "end", Description: "End of the time range: Unix seconds or RFC 3339."}
	paramStep     = Parameter{Name: "step", Description: "Interval between evaluations: seconds, or a duration such as 15s.", Required: true}
	paramTimeout  = Parameter{Name: "timeout", Description: "Timeout: seconds, or a duration such as 10s. Default and maximum: 30s."}
	paramLookback = Parameter{Name: "lookback_delta", Description: "How far to look back for a sample: seconds, or a duration. Default: 5m."}
	paramLimit    = Parameter{Name: "limit", Description: "Maximum number of results. Default: no limit."}
	paramMatch    = Parameter{Name: "match[]", Description: "A PromQL series selector.", Repeated: true}
	paramMetric   = Parameter{Name: "metric", Description: "A metric name. Default: all metrics."}
	paramCluster  = Parameter{Name: "cluster", Description: "A cluster to return all series of. Default: the summary series of all clusters.", Repeated: true}
)

// Routes returns the endpoints of Prometheus' HTTP API that are supported.
func (a *API) Routes() []Route {
	common := []Parameter{paramMatch, paramStart, paramEnd, paramLimit, paramTimeout}
	return filterParams([]Route{
		{"/query", "Evaluate a PromQL expression at one time. Clusters that its selectors name are asked to report.", []Parameter{paramQuery, paramTime, paramTimeout, paramLimit, paramLookback}, a.handler("query", a.query)},
		{"/query_range", "Evaluate a PromQL expression over a time range. Clusters that its selectors name are asked to report.", []Parameter{paramQuery, paramStart.required(), paramEnd.required(), paramStep, paramTimeout, paramLimit, paramLookback}, a.handler("query_range", a.queryRange)},
		{"/labels", "List label names.", common, a.handler("labels", a.labels)},
		{"/label/{label}/values", "List the values of a label. For the label cluster, these are all clusters.", common, a.handler("values", a.values)},
		{"/series", "List series by their labels.", append([]Parameter{paramMatch.required()}, common[1:]...), a.handler("series", a.series)},
		{"/metadata", "List metric names with type and help.", []Parameter{paramMetric, paramLimit}, a.metadata},
		{"/query_exemplars", "Always empty: there are no exemplars.", []Parameter{paramQuery, paramTimeout}, a.handler("exemplars", a.exemplars)},
		{"/rules", "Always empty: there are no rules.", nil, a.rules},
		{"/status/buildinfo", "The version of Prometheus that the query engine is taken from.", nil, a.buildInfo},
	})
}

// Federation returns the endpoint that a Prometheus scrapes.
func (a *API) Federation() Route {
	return filterParams([]Route{{"/federate", "The latest sample of each series, for a Prometheus to scrape. No cluster is asked to report.", []Parameter{paramCluster, paramMatch, paramTimeout}, a.handler("federate", a.federate)}})[0]
}

func (p Parameter) required() Parameter {
	p.Required = true
	return p
}

// filterParams makes each Serve ignore parameters that its Route does not list.
func filterParams(routes []Route) []Route {
	for i := range routes {
		r := routes[i]
		routes[i].Serve = func(ctx context.Context, request Request) (Response, error) {
			request.Form = r.filter(request.Form)
			return r.Serve(ctx, request)
		}
	}
	return routes
}

func (r *Route) filter(form url.Values) url.Values {
	taken := make(url.Values, len(r.Parameters))
	for _, p := range r.Parameters {
		if values, ok := form[p.Name]; ok {
			taken[p.Name] = values
		}
	}
	return taken
}
