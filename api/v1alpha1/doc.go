// Package v1alpha1 holds Rollcall's custom resources, group rollcall.dev: a
// ClusterAgent is what a person applies to make a cluster known, a ClusterStatus is
// what the master writes down of it.
//
// What a ClusterAgent may say is decided by its schema and its CEL rules, so that
// the API server refuses a mistake while the person who makes it is looking. One
// rule stands above the others: whatever the API server stores must decode into
// these Go types, because one object that does not breaks every typed LIST, and
// with it the informer of all clusters. So every duration, time and integer is
// checked for what Go reads, not only for what OpenAPI's formats allow.
//
// The package knows apimachinery and nothing else of Kubernetes: no client, no
// controller. Conditions and their reasons are in conditions.go.
//
// +kubebuilder:object:generate=true
// +kubebuilder:validation:Optional
// +groupName=rollcall.dev
package v1alpha1
