// Package httpapi is what clients of a master see under /api/v1, with /healthz, /readyz
// and /metrics beside it: routes, answers and errors. What an answer is made of comes
// from master/session, how it reads from master/view.
//
// Routes, each for GET and HEAD:
//
//	/api/v1/clusters                        all registered clusters; asks none of them for anything
//	/api/v1/clusters/{cluster}              everything about one; by name or by one of its clusterIPs
//	/api/v1/clusters/{cluster}/summary      a part of it, as are /nodes, /pods, /containers and /ports
//	/api/openapi.json                       the OpenAPI document, made of the tables that requests are read by
//	/api                                    the same as a page
//	/api/v1/session                         signs browsers in (POST) and out (DELETE), and tells who asks
//	/, /assets/… and what browsers ask for  Config.Page, which is of another package
//
// With watch=true those of clusters answer with a stream of events: a stream is run by
// the goroutine of its request, after all that led to it has returned, and waits for its
// clusters' news, a timer, its client and the end of the master. docs/API.md tells what
// clients see of it.
//
// Parameters beside view's filters, on the routes of one cluster:
//
//	timeout    how long to wait for a report, 100ms to 60s, 10s where it is not given
//	wait       `usage`: for the first usage too, as far as the timeout allows; where it
//	           does not come in time the answer goes without it, and its section says why
//
// A parameter that is not known or has a wrong value is refused, as is a body where none
// belongs: an
// answer that leaves out what was asked for would be taken for one that does not.
// Errors are application/problem+json (RFC 9457) with a `reason` for programs and
// words that tell what to do.
//
// On every answer about one cluster the headers tell what differs per request: Age
// (whole seconds since the report was received), Rollcall-Observed-At,
// Rollcall-Received-At, Rollcall-Session, Rollcall-Stale. A request that is refused,
// whatever for, is no demand for the cluster.
//
// The package knows nothing of Redis or of Kubernetes' clients.
package httpapi
