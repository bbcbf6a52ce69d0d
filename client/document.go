package client

import httpv1 "rollcall.dev/rollcall/api/http/v1"

// Part is a part of a cluster's document.
type Part string

// Parts of a cluster's document, as in paths.
const (
	Whole      Part = ""
	Summary    Part = "summary"
	Nodes      Part = "nodes"
	Pods       Part = "pods"
	Containers Part = "containers"
	Ports      Part = "ports"
)

// The types of responses, which package v1 of the HTTP API declares.
type (
	// ClusterMeta is the metadata of every response about one cluster.
	ClusterMeta = httpv1.ClusterMeta
	// Document has all facts about one cluster that match the filter.
	Document = httpv1.Document
	// Cluster is a registered cluster.
	Cluster = httpv1.Cluster
	// ClusterList is a page of the registered clusters, sorted by name.
	ClusterList = httpv1.ClusterList
	// Session is the session between the master and a cluster's agent.
	Session = httpv1.Session
	// Section is the freshness of one part of the facts.
	Section = httpv1.Section
	// Usage is one reading of metrics.k8s.io.
	Usage = httpv1.Usage
	// SessionStatus is the object of an event of kind Session.
	SessionStatus = httpv1.SessionStatus
	// BookmarkStatus is the object of a Bookmark. In WatchClusters, a Bookmark without a Cluster has
	// only a version.
	BookmarkStatus = httpv1.Bookmark
	// Version has the version of the master.
	Version = httpv1.Version
	// Problem is an error response: the master's application/problem+json, or the response of
	// something in front of the master.
	Problem = httpv1.Problem
)

// List is a list of rows of a cluster, or a page of it.
type List[T any] struct {
	ClusterMeta
	Items []T
}
