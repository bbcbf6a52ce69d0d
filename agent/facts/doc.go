// Package facts derives Rollcall's facts (state.Objects) about a cluster from slim copies of its Kubernetes
// objects (inputs).
//
// Most facts are computed by pure functions, one file per fact: a node's conditions, the load of a node, the owner of a
// pod, why a container waits, which port of which node is in use and where it leads. A Tracker holds what the joins
// between objects need. For each event it recomputes only the facts that depend on the changed object.
//
// The package uses Kubernetes' own types and code only for rules that Kubernetes defines, such as the resources that
// a pod requests. It has no clients or watches and does no I/O. It starts no goroutines and reads no clock.
package facts
