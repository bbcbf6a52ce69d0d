// Package state defines the state of one cluster as plain values, and pure functions over
// them: Diff, Apply, Summarize, Conflicts, DisplayOf.
//
// A State is one cluster at one seq of one epoch. A published State is immutable: Apply returns
// a new State that shares unchanged parts with the old one. An agent can therefore encode it
// and a master can serve it without locks.
//
// Objects are stored under finer keys than the JSON objects of the HTTP API, so that small
// changes stay small: a node's load changes with every pod, its name and addresses do not.
// NodeView, PodView, ContainerView and PortView are the complete objects of the HTTP API. Their
// JSON names are part of its contract.
//
// The package does not depend on Kubernetes' types, the wire protocol or HTTP, and imports only
// the standard library.
package state
