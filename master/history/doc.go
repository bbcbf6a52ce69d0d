// Package history keeps the last minutes of each reporting cluster: the usage of its nodes
// and containers, and the counts of its summary.
//
// The caller adds each published report (Add). The package starts no goroutine, and knows
// nothing of sessions, queries or HTTP.
//
// # Storage
//
// A cluster has a list of labels, one for each node and container that has a kept sample,
// and two lists of chunks: usage and counts. A chunk holds up to 16 readings of up to four
// minutes, column by column. The column of a series has its smallest value, and for each
// sample the difference from it, in as few bits as the largest difference needs. Chunks
// are immutable: each reading replaces the newest chunk by a copy with one more row. So a
// reader loads a pointer, and readers and the writer never wait for each other.
//
// A series belongs to the key of an object (and the node of a container), not to a slot:
// each agent process numbers its slots from scratch, and reuses them.
//
// # Times
//
// A sample of usage has the time of the member's metrics API, in whole seconds. A sample
// that is reported twice is kept once. If the member's clock is ahead, a sample has the
// time at which the master received it. Counts have the time at which the master received
// them, in milliseconds. Missing samples are not filled in. A series ends (a Sample with
// Stale set) when its node or container is removed, or when the session ends. If the same
// labels come again, the same series continues, and its integral restarts at 0.
package history
