// Package httpapi serves everything that a master serves over HTTP. It holds the routes, responses
// and errors. The data comes from master/session, its encoding from master/view, and the responses
// to Prometheus' and Heapster's clients from master/prom and master/heapster.
//
// Routes, for GET and HEAD unless other methods are listed:
//
//	/api/v1/clusters                        all registered clusters; starts no session with any of them
//	/api/v1/clusters/{cluster}              everything about one cluster; by name or by one of its clusterIPs
//	/api/v1/clusters/{cluster}/summary      one part of it; also /nodes, /pods, /containers and /ports
//	/api/openapi.json                       the OpenAPI document, generated from the tables that parse requests
//	/api                                    the same document as an HTML page
//	/api/v1/session                         signs a browser in (POST) and out (DELETE); GET returns the caller
//	/prometheus/api/v1/…, /federate         Prometheus' HTTP API, also for POST, and its federation
//	/heapster/{cluster}/api/v1/…            Heapster's API for one cluster
//	/healthz, /readyz, /metrics             for probes and Prometheus
//	/debug/pprof/…                          Go profiles, if Config.Profiling is set
//	/, /assets/… and other page files       Config.Page, which another package implements
//
// With watch=true the cluster routes respond with a stream of events. The goroutine of the request
// runs the stream, after all functions that prepared it have returned. It waits for changes of its
// clusters, a timer, the client and the shutdown of the master. docs/API.md describes streams from
// the client's side.
//
// Parameters of the routes of one cluster, in addition to view's filters:
//
//	timeout    how long to wait for a report: 100ms to 60s, default 10s
//	wait       `usage`: also wait for the first usage, within the timeout. If it does not arrive in time,
//	           the response comes without it, and its section has an error.
//
// Unknown parameters, invalid values and unexpected bodies are rejected: a client would take a
// response that ignores part of the request for one that honors it. Errors are
// application/problem+json (RFC 9457) with a machine-readable `reason` and a `detail` that says
// what to do.
//
// Responses about one cluster carry their freshness in headers, because it differs per request: Age
// (whole seconds since the report was received), Rollcall-Observed-At, Rollcall-Received-At,
// Rollcall-Session, Rollcall-Stale. A rejected request never counts as demand for a cluster.
//
// The package does not depend on Redis or on Kubernetes clients.
package httpapi
