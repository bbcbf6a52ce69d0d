// Package informer keeps the watches of a cluster: nodes, pods, Services,
// EndpointSlices and PersistentVolumeClaims. It turns each object into a slim
// input as soon as it is decoded, hands what happens to a facts.Tracker, and tells
// how fresh each section of the facts is.
//
// It knows Kubernetes' clients and nothing of who reads the facts: it never
// imports the wire or the websocket. It talks REST to the few resources it needs,
// in protobuf, since a whole clientset would double the binary and take some 9 MiB
// of memory for types that nobody asks for. Of each object only those fields are
// decoded which the facts need: see slimpb.
package informer
