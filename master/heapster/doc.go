// Package heapster answers questions as the model API of Heapster 1.5 did, so that
// what was written for Heapster finds its answers. It owns Heapster's names, its JSON
// and the paths below /api/v1; where a cluster's facts come from, who may ask and what
// carries an answer is not its business.
//
// Parse reads a question, Query.Answer answers it from a Source. The metrics of a
// State at one instant are Sets (Roster.Sets): container, pod, namespace, node and
// cluster, summed as Heapster did. Sinks send the same.
//
// A value comes from one of two places: what nodes and containers use from
// master/history, with what the State has on top; requests, limits and capacities from
// the State alone, so they have one point, of the time of the newest reading. (Heapster
// kept two minutes of all but two metrics.) What the cluster requests as a whole is in
// the history too.
//
// docs/HEAPSTER.md says which metrics there are, and what differs from Heapster.
package heapster
