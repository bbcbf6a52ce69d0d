// Package access knows who sends a request and what they may see, by asking the hub:
// TokenReviews for bearer tokens, the hub's client certificate authority for client
// certificates, SubjectAccessReviews for the rest. Browsers sign in with a token and
// have a cookie that stands for it. Answers of the hub are kept for 10 s, refusals of rights
// for up to 60 s, and nobody is let in while it cannot be asked.
//
// What the hub is asked is limited by kind of question, and by user or address (limits.go):
// nobody's questions keep another user waiting, and tokens that were not seen before none that
// was.
//
// What may be granted, all of it by RBAC on the hub:
//
//	get  clusterstatuses          NAME   its summary, and its line in the list of clusters
//	list clusterstatuses                 the list of all clusters
//	get  clusterstatuses/details  NAME   everything else of it: nodes, pods, containers, ports
//	get  /metrics                        the master's metrics
//	get  /debug/pprof/*                  profiles of the master, where --profiling serves them
//
// clusterstatuses are of rollcall.dev; details is served by the master alone. The
// package knows nothing of sessions, states or answers.
package access
