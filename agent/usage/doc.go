// Package usage reads what nodes and containers use from metrics.k8s.io, which
// cannot be watched: once a period, and only while somebody wants to know.
//
// It knows nothing of who that is, nor of the objects that the samples are of.
package usage
