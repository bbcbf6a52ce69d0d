// Package sink sends the usage and the counts of clusters to other systems: Prometheus
// (remote write), InfluxDB (line protocol) and Kafka. It never blocks the caller that
// reports to it: Report looks at a map and sends to a buffered channel.
//
//	Report ──▶ batcher ──▶ queue ──▶ worker ──▶ exporter (one of each per sink)
//
// The batcher is one goroutine. For each cluster it keeps the data that stays the same
// from reading to reading (an Inventory) and the CPU time of each series. It makes a Batch
// of each reading of usage, which is shared by all sinks: a few pointers, and one number
// for each series.
//
// A queue holds batches up to a maximum number of metric sets. When it is full, it drops
// the oldest batch and counts its sets. The worker encodes batches with its exporter and
// sends requests of some 2,000 sets, one request at a time, so that each series stays in
// order. It retries a failed request with backoff until it succeeds, unless the receiver
// has refused it permanently. Meanwhile the queue bounds the memory.
//
// On shutdown the workers send what is queued, for at most drainTimeout.
//
// A metric set (samples.Set) is all metrics of one container, pod, namespace, node
// or cluster at one time. docs/SINKS.md documents the URLs, metrics and labels.
package sink
