// Package client is the Go client for a master's HTTP API.
//
//	c, err := client.New(client.Config{Server: "https://rollcall.example:8443", Token: token})
//	pods, err := c.Pods(ctx, "prod-eu", client.ListOptions{Filter: client.Filter{Namespace: "shop"}})
//
// Get, Clusters, Summary, Nodes, Pods, Containers and Ports send one request; All iterates
// over all pages of a list. Watch and WatchClusters are iterators over events that
// reconnect and resume. A Cache is kept up to date by a watch, and has listers, indexes and
// event handlers, like a Kubernetes informer.
//
// Rows are the views of package state: their JSON is the API's contract. An error response
// of the master is a *Problem, which errors.As finds.
//
// The package starts no goroutine, apart from those of net/http.
package client
