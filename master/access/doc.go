// Package access authenticates requests and authorizes them by asking the hub, a Kubernetes API
// server: TokenReviews for bearer tokens, the hub's client certificate authority for client
// certificates, and SubjectAccessReviews for authorization. Browsers sign in with a token and
// get a cookie that stands for it. Positive reviews are cached for 10 s, denied access for up to
// 60 s. While the hub does not answer, what it granted within the last five minutes stays granted, and
// all else is denied: reads go on if the hub's API server is restarted.
//
// Reviews are limited by kind, and by user or address (limits.go). The reviews of one user do
// not delay those of another, and unknown tokens do not delay known ones.
//
// Access is granted by RBAC on the hub:
//
//	get  clusterstatuses          NAME   the summary of a cluster, and its row in the list
//	list clusterstatuses                 the list of all clusters
//	get  clusterstatuses/details  NAME   all else of a cluster: nodes, pods, containers, ports
//	get  /metrics                        the metrics of the master
//	get  /debug/pprof/*                  profiles of the master, if --profiling is set
//
// clusterstatuses are in the API group rollcall.dev; the master serves the subresource details.
// The package uses only the types of httpapi, and no sessions, cluster states or views.
package access
