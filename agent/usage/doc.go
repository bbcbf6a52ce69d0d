// Package usage reads the CPU and memory usage of nodes and containers from
// metrics.k8s.io. That API cannot be watched, so it is read once a period, and only while
// there is a subscriber.
//
// The package knows neither its subscribers nor the objects that the samples belong to.
package usage
