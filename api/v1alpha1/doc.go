// Package v1alpha1 has Rollcall's custom resources in the group rollcall.dev: a ClusterAgent
// registers a cluster, and a ClusterStatus has its last summary.
//
// The schema and its CEL rules validate ClusterAgents, so that the API server rejects mistakes
// when an object is applied. Whatever the API server stores must decode into these Go types: one
// object that does not would break every typed LIST, and with it the informer of ClusterAgents.
// The schema therefore checks that Go can parse each duration, time and integer, in addition to
// OpenAPI's formats.
//
// The package depends on apimachinery and on no client or controller. conditions.go has the
// conditions and their reasons.
//
// +kubebuilder:object:generate=true
// +kubebuilder:validation:Optional
// +groupName=rollcall.dev
package v1alpha1
