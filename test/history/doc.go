// Package history checks the record of a test run: whether every reader saw only states that each
// cluster really had. A test records the state of each cluster at each revision (epoch and
// seq), the values that readers saw, and the faults. Check then fails the test for each violation.
//
//	h := history.New(t)
//	h.RecordState("prod-eu", store.Current().State, time.Now())      // after every change, by the agent
//	r := h.Reader("a GET every second")
//	r.RecordValue("prod-eu", v.Term, v.State, v.ReceivedAt)           // each response
//	h.Fault("prod-eu", "connection cut", time.Now())
//	r.RecordFreshness("prod-eu", stale, time.Now())
//	h.RequireHealing("prod-eu", period)
//	h.RequireOrder("prod-eu")
//	h.RequireFreshness("prod-eu", ttl+period)
//	h.Check()
//
// The checks:
//
//   - Order: for each reader and cluster, (term, seq) never decreases, and a term has one
//     epoch.
//   - Content: a value equals the state of the cluster at its revision: objects, usage and
//     section errors. The objects of a reader of events equal that state whenever its
//     version changes, and no event repeats a change.
//   - Content order: a newer version never has older content (RequireOrder).
//   - Freshness: a value that is reported as fresh is not older than allowed (RequireFreshness).
//   - Healing: after each fault, unless another fault follows too soon, a reader sees in time
//     a value that was confirmed after the fault and was not outdated before it (RequireHealing).
//
// For a value that differs, the message says in which other epoch, or at which other seq, the cluster had that content.
//
// The package imports package state only. It does not depend on the protocol or the master.
package history
