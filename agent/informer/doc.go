// Package informer watches nodes, pods, Services, EndpointSlices,
// PersistentVolumeClaims and PersistentVolumes of a cluster. It converts each object to
// an input of the facts as it is decoded, applies it to a facts.Tracker, and reports how
// fresh each section of the facts is.
//
// The package knows Kubernetes' clients but not the readers of the facts: it does not
// import the wire protocol. It uses plain REST clients with protobuf, since a clientset
// would double the binary and take some 9 MiB of memory for types that are not used.
// Only the fields that the facts need are decoded: see slimpb.
package informer
