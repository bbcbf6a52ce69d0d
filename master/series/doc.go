// Package series defines the series of usage of a cluster: one for each node and container that has a sample. It
// says which object a series belongs to (Object), which series end (Reconciler), and how much CPU time an object has used
// (CPUTime). master/history stores series; master/sink sends them.
//
// A series belongs to the names of an object, not to its slot: each agent process numbers its slots from scratch, and
// reuses them.
package series
