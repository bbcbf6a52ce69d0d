// Package session runs the master's sessions with the agents of all registered clusters. It decides when to
// dial an agent, when to renew or stop its session and when to try again, and it keeps the last report of
// each cluster. The published Report is the cache: a process has no second copy of it. A cache.Store keeps it
// for the next process.
//
// Each cluster has a clusterState, which holds everything that readers see, under its lock. A cluster with
// work to do also has a goroutine, the worker, which owns its dial (pendingDial) and its session
// (activeSession). The worker collects inputs, and pure functions decide what it does next: decide for its next
// action, outcomeOf for what follows the end of a session.
//
// Package dial opens the connections, package admission limits how much is done at a time, and package
// reportstore reads and writes the Store.
//
// The rules, each of which has a test:
//
//   - A request is a hit if there is a fresh report in this process, or else in the Store. If there is none,
//     the request waits for the next report of the open session. If no session is open either, the agent is
//     dialed, once for all waiting requests. A timeout of a caller ends only that caller's wait.
//   - A cluster has demand while it is watched, while it is configured as Continuous, and for demandTTL
//     after a request. A cluster with demand and without a session is dialed even if its report is still
//     fresh.
//   - A session with demand is renewed after five sixths of its duration. A session without demand expires.
//     If there is demand when a session has expired, the agent is dialed immediately, with the current State
//     as its base and under the same session ID.
//   - A failed attempt is repeated with exponential back-off. Requests during back-off fail immediately with
//     the last failure. Back-off without demand ends, and the cluster becomes idle.
//   - A cluster without a session is asked for a summary when it is registered or changed, and then every
//     IdleRefresh.
//
// The package reads clusters from a Registry. It does not depend on Kubernetes or HTTP routes.
package session
