// Package history keeps the last minutes of each reporting cluster: what its nodes and
// containers used, and the numbers of its summary.
//
// It is fed with each published value (Add), and never asks for one. Nothing in it
// starts a goroutine, and it knows nothing of sessions, queries or HTTP.
//
// # How it is kept
//
// A cluster has a list of labels, one for each node and container of which a sample is
// kept, and two rows of chunks: usage and counts. A chunk holds up to 16 readings of a
// few minutes, column by column: a series has in it the smallest of its values and, in
// as few bits as the largest needs, what each is above that. Chunks are immutable: the
// newest is replaced with each reading by one that has a row more. So who reads takes a
// pointer and never waits for who writes, nor the other way.
//
// A series belongs to a key (and a container's node) and not to a slot: slots are
// numbered anew by each agent's process, and reused within one.
//
// # Times
//
// A sample of usage has the time of the member's metrics API, in whole seconds; one
// that was given twice is kept once, and one of a clock that is ahead has the time of its
// arrival. Counts have the time of their arrival, in milliseconds. Nothing is filled in:
// where a reading lacks a series, so does its row. A series ends (a Sample with Stale
// set) where its node or container went, or where the session ended; it is the same
// series where labels come again, and its integral begins anew.
package history
