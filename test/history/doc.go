// Package history proves, from the record of a run alone, that nobody was told
// anything wrong: it is given what each cluster really was at each (epoch, seq), what
// every reader saw, and when something was broken, and Check then holds the one
// against the other.
//
//	h := history.New(t)
//	h.Truth("prod-eu", snapshot.Current().State, time.Now()) // after every change, from the agent's side
//	r := h.Reader("a GET every second")
//	r.Saw("prod-eu", v.Term, v.State, v.ReceivedAt)          // whatever a reader gets
//	h.Fault("prod-eu", "connection cut", time.Now())
//	r.Told("prod-eu", stale, time.Now())
//	h.Heals("prod-eu", period)
//	h.Ordered("prod-eu")
//	h.Fresh("prod-eu", ttl+period)
//	h.Check()
//
// What is proved:
//
//   - Order: for one reader and cluster, (term, seq) never goes back, and a term has
//     one epoch.
//   - Nothing lost, nothing twice: a value is, in full content, what the cluster was at
//     its (epoch, seq): objects, usage and section errors. A reader of events holds
//     exactly that whenever its version has moved, and no event repeats what it had.
//   - Content is as new as its version: a newer version never has older content (Ordered),
//     and what is told to be fresh is (Fresh).
//   - No mix: where a value differs, the message says in which other epoch, or at which
//     other seq, the cluster was so.
//   - Healing: after each fault that was followed by enough calm, a reader saw in time
//     a value that was proved after the fault and not outdated before it.
//
// The package knows the state and nothing else: neither the protocol nor who serves.
package history
