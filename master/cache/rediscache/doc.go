// Package rediscache is the cache.Store in Redis: a master that starts answers from
// what the one before it left there.
//
// Three keys a cluster, and a fourth for its terms, with one hash tag, so that they
// share a slot of a Redis Cluster:
//
//	rollcall:{prod-eu}:head  hash: version, whose it is, times, the newest bookmark
//	rollcall:{prod-eu}:base  the frames of a snapshot at some seq
//	rollcall:{prod-eu}:log   stream: the frames of each delta after it
//	rollcall:{prod-eu}:term  the last term given
//
// Everything is in the frames of api/wire, and is taken in by its Receiver, which
// proves count and hash. Each save is one script: it refuses what is older, appends,
// and sets the expiry of all three. The base is written anew when the log grows
// beyond half of it, or when Redis has lost a part.
//
// No wall clock is compared with another's: how long a value still counts is what
// Redis says is left of it.
//
// When Redis is away every call fails soon, and masters serve from memory.
package rediscache
