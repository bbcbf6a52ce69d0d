// Package prom implements Prometheus' HTTP API over the history and the last reports of all
// clusters. It evaluates queries with Prometheus' own PromQL engine.
//
// The package parses form values but is otherwise independent of HTTP. It starts no goroutines
// and stores no series: the series that a query selects are built for that query by
// master/samples, and are discarded with its response.
//
// A query asks clusters to report only if one of its selectors has a matcher on the label
// "cluster" that does not match the empty string, and only those clusters whose details the
// caller may see. It does not wait for their reports. A cluster that the caller may not see has
// no series at all.
//
// The engine limits the samples and the duration of a query. This package limits everything
// else that a short query can make expensive, the cheapest check first: limits.go checks the
// text of a request before it is parsed and the parsed expression before it is evaluated,
// find counts the series of a request, and newResponse counts the bytes of a response.
package prom
