// Package client reads a master's HTTP API from Go.
//
//	c, err := client.New(client.Config{Server: "https://rollcall.example:8443", Token: token})
//	pods, err := c.Pods(ctx, "prod-eu", client.ListOptions{Filter: client.Filter{Namespace: "shop"}})
//
// Get, Clusters, Summary, Nodes, Pods, Containers and Ports ask once; All walks over
// the pages of a list. Watch and WatchFleet are iterators over events that survive
// whatever cuts them. A Cache is kept up to date by such a watch, with listers,
// indexes and handlers of what changes, as Kubernetes' informers are.
//
// Rows are the views of package state: their JSON names are the API's contract. An
// error that the master tells of is a *Problem, to be had by errors.As.
//
// The package knows the API and nothing of how a master answers it. It starts no
// goroutine, apart from those of net/http.
package client
