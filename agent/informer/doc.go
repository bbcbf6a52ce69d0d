// Package informer watches nodes, pods, Services, EndpointSlices,
// PersistentVolumeClaims and PersistentVolumes of a cluster. It converts each object to
// an input of the facts when it is decoded, applies it to a facts.Tracker, and reports how
// current each section of the facts is.
//
// The package depends on Kubernetes' clients but not on the wire protocol or on the readers
// of the facts. It uses plain REST clients with protobuf, because a clientset would double
// the size of the binary and take about 9 MiB of memory for unused types. It decodes only
// the fields that facts need; see slimpb.
package informer
