// Package session is the master's side of the sessions with agents: who is wanted,
// when to dial, renew, stop and try again, and the value that each cluster's last
// report gave. The published value is the cache: there is no second copy of it in
// this process, and a cache.Store keeps it for the next.
//
// One goroutine per wanted cluster (worker) owns dial and session. What it does next
// is decided by pure functions over facts: decide for the present, afterEnd for
// what follows an end. Everything that readers see is in the cluster's member, under
// its lock.
//
// The rules, each of which has a test:
//
//   - A hit is a value whose time is not over, in this process, else in the Store. A
//     miss with a session open waits for its next report; any other miss dials, once
//     however many wait. A caller's timeout ends its own wait and nothing else.
//   - Demand is an open watch, a Continuous cluster, or a GET for the time that grace
//     gives. Where there is demand and no session, one is dialed, though the value may
//     still be fresh.
//   - From five sixths of its duration on, a session for which there is demand is
//     renewed; any other runs out. When it ran out and somebody wants it after all it
//     is dialed again at once, from what is held, under the same id.
//   - What fails is tried again with back-off. Until then whoever asks is told so at
//     once. Without demand back-off ends in idleness.
//   - While no session is open, one summary is asked for at first sight, and then
//     every idleRefresh.
//
// The package knows a registry of clusters, but nothing of Kubernetes or of HTTP.
package session
