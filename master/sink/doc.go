// Package sink sends what clusters report to other systems: Prometheus' remote write,
// InfluxDB's line protocol, Kafka. It never holds up what it is told of: to tell it
// costs a look at a map and a place in a bounded channel.
//
//	Reported ──▶ clerk ──▶ queue ──▶ worker ──▶ exporter (one of each a sink)
//
// The clerk is one goroutine. It keeps, per cluster, what stays the same from reading to
// reading (a Roster) and each series' CPU time so far, and makes a Batch of each
// reading of usage: a few pointers and two numbers a series, shared by all sinks. A
// queue holds batches, as many as its bound of Sets allows; what is too much pushes out
// the oldest, and is counted. The worker has its exporter encode batches and send them,
// some thousand Sets a request, one request at a time, so that each series stays in
// order. What fails is tried again with back-off for as long as it takes, unless the
// receiver refused it for good; meanwhile the queue bounds what is kept.
//
// When the master ends, what is queued is sent for as long as drainTimeout allows.
//
// A Set is all metrics of one container, pod, namespace, node or cluster at one time;
// see master/heapster. docs/SINKS.md tells of URLs, names and metrics.
package sink
