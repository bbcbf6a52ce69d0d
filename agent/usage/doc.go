// Package usage reads the CPU and memory usage of nodes and containers from
// metrics.k8s.io. That API cannot be watched, so it is read once per period, and only while
// there is a subscriber. Package agent chooses the source: Reader, or None if usage is switched off.
//
// The package depends neither on its subscribers nor on the facts.
package usage
