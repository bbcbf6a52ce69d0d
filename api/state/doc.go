// Package state holds what is known of one cluster as plain values, and the
// pure functions over them: Diff, Apply, Summarize, Conflicts, DisplayOf.
//
// A State is one cluster at one seq of one epoch. It is never mutated once it
// is published: Apply returns a new State that shares with the old one all that
// did not change, so an agent can encode from it and a master can serve from it
// without locks.
//
// Objects are kept under keys that are finer than the JSON objects which clients
// see, so that a small change stays small: a node's load changes with every pod,
// its name and addresses do not. NodeView, PodView, ContainerView and PortView
// are the whole objects, as the HTTP API shows them; their JSON names are its
// contract.
//
// The package knows nothing of Kubernetes' types, of the wire or of HTTP, and
// imports nothing but the standard library.
package state
