// Package heapster implements the model API of Heapster 1.5, so that clients of Heapster
// work with Rollcall. It owns Heapster's metric names, its JSON and the paths below
// /api/v1. The caller provides the data of a cluster, the authorization and the HTTP
// handler.
//
// Parse reads a path and a query string; Query.Execute computes the response from a
// Source. The metrics at one instant are those of a samples.Set, under Heapster's names
// (Metric). InfluxDB and Kafka get these names too.
//
// The usage of nodes and containers comes from master/history and the current State.
// Requests, limits and capacities come from the State alone, so they have one point, at
// the time of the newest reading. (Heapster kept two minutes of all but two metrics.) The
// requests and limits of the whole cluster are in the history too.
//
// docs/HEAPSTER.md lists the metrics and the differences from Heapster.
package heapster
