// Package facts turns what Kubernetes says of a cluster into what Rollcall says
// of it: slim inputs in, state.Objects out.
//
// Each fact is a pure function in a file of its own: what a node is, what its pods
// take of it, who owns a pod, why a container waits, which port of which node is
// taken and where it leads. A Tracker keeps what the joins between objects need
// and recomputes, for each event, only the facts which that event touches.
//
// The package knows Kubernetes' types only where a rule is Kubernetes' own (what
// a pod requests); it knows nothing of clients, watches or the wire, starts no
// goroutine and reads no clock.
package facts
