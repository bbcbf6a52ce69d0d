package prom

import (
	"context"
	"net/url"
)

// Route is one path, below /prometheus/api/v1 but for that of Federation.
type Route struct {
	// Path is as net/http's patterns are.
	Path  string
	Words string
	// Takes are the parameters that mean something. All others mean nothing, as they do to
	// Prometheus: Serve does not see them.
	Takes []Parameter
	Serve func(ctx context.Context, r Request) (Answer, error)
}

// Parameter is one of a query string or a form.
type Parameter struct {
	Name, Words string
	// Required has to be given, Repeated may be given several times.
	Required, Repeated bool
}

var (
	takesQuery    = Parameter{Name: "query", Words: "The expression, in PromQL.", Required: true}
	takesTime     = Parameter{Name: "time", Words: "The instant: Unix seconds or RFC 3339. Default: now."}
	takesStart    = Parameter{Name: "start", Words: "The first instant: Unix seconds or RFC 3339."}
	takesEnd      = Parameter{Name: "end", Words: "The last instant: Unix seconds or RFC 3339."}
	takesStep     = Parameter{Name: "step", Words: "From one instant to the next: seconds, or a duration such as 15s.", Required: true}
	takesTimeout  = Parameter{Name: "timeout", Words: "For how long to try: seconds, or a duration such as 10s. Default, and the most: 30s."}
	takesLookback = Parameter{Name: "lookback_delta", Words: "For how long a sample counts that has none behind it: seconds, or a duration. Default: 5m."}
	takesLimit    = Parameter{Name: "limit", Words: "How many results there may be. Default: all."}
	takesMatch    = Parameter{Name: "match[]", Words: "Which series, as a selector of PromQL.", Repeated: true}
	takesMetric   = Parameter{Name: "metric", Words: "A name; default: all names."}
	takesCluster  = Parameter{Name: "cluster", Words: "All that there is of a cluster. Default: the summaries of all.", Repeated: true}
)

// Routes are those of Prometheus' HTTP API.
func (a *API) Routes() []Route {
	some := []Parameter{takesMatch, takesStart, takesEnd, takesLimit, takesTimeout}
	return sealed([]Route{
		{"/query", "A PromQL expression at an instant. The clusters report that its selectors name.", []Parameter{takesQuery, takesTime, takesTimeout, takesLimit, takesLookback}, a.limited("query", a.query)},
		{"/query_range", "A PromQL expression at each step of a range. The clusters report that its selectors name.", []Parameter{takesQuery, takesStart.required(), takesEnd.required(), takesStep, takesTimeout, takesLimit, takesLookback}, a.limited("query_range", a.queryRange)},
		{"/labels", "Names of labels.", some, a.limited("labels", a.labels)},
		{"/label/{label}/values", "Values of a label. Those of cluster are all clusters.", some, a.limited("values", a.values)},
		{"/series", "Labels of series.", append([]Parameter{takesMatch.required()}, some[1:]...), a.limited("series", a.series)},
		{"/metadata", "Type and help of names.", []Parameter{takesMetric, takesLimit}, a.metadata},
		{"/query_exemplars", "None.", []Parameter{takesQuery, takesTimeout}, a.limited("exemplars", a.exemplars)},
		{"/rules", "None.", nil, a.rules},
		{"/status/buildinfo", "The version of Prometheus whose engine this is.", nil, a.buildInfo},
	})
}

// Federation is what a Prometheus scrapes.
func (a *API) Federation() Route {
	return sealed([]Route{{"/federate", "The newest sample of each series, for a Prometheus to scrape. No cluster is asked for anything.", []Parameter{takesCluster, takesMatch, takesTimeout}, a.limited("federate", a.federate)}})[0]
}

func (p Parameter) required() Parameter {
	p.Required = true
	return p
}

// sealed has routes see nothing but what they take.
func sealed(routes []Route) []Route {
	for i := range routes {
		r := routes[i]
		routes[i].Serve = func(ctx context.Context, request Request) (Answer, error) {
			request.Form = r.taken(request.Form)
			return r.Serve(ctx, request)
		}
	}
	return routes
}

func (r *Route) taken(form url.Values) url.Values {
	taken := make(url.Values, len(r.Takes))
	for _, p := range r.Takes {
		if values, ok := form[p.Name]; ok {
			taken[p.Name] = values
		}
	}
	return taken
}
