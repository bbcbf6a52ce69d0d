// Package prom answers what Prometheus' HTTP API is asked, by Prometheus' own PromQL
// engine, over the clusters' history and what they report now.
//
// It knows nothing of HTTP but forms, starts no goroutine, and stores nothing: series
// are made for the query that selects them, under the names that kube-state-metrics, the
// kubelet and cAdvisor gave them, and are gone with its answer. docs/PROMETHEUS.md lists
// them.
//
// # Times
//
// Usage and counts have the history's samples: where nothing was reported there is none,
// and where a session ended there is a stale marker. State has the value of the last
// report, from when the object became as it is (as far as the session that reports has
// seen, see Trail) until that report: what it was before is not kept, and not guessed.
//
// # Demand and access
//
// Only a query over selectors with a matcher of `cluster` that does not match the empty
// string wants clusters to report, and only those that the caller may see in detail. It
// does not wait for them. A cluster that the caller may not see has no series at all.
//
// # Limits
//
// The engine bounds the samples of a query and its time. All else that a small query can make
// large is bounded here, in the order of what it costs to know: limits.go checks the text of a
// request before it is parsed and the tree of an expression before it is evaluated, find counts
// the series of a request, and answerOf the bytes of an answer.
package prom
