// Package controllers is the master on its hub. It tells what people say in
// ClusterAgents to master/session (Registry), and writes what session finds out into
// the status of ClusterAgents and into ClusterStatuses.
//
// Both reconcilers are the same few steps: read, gather the facts, decide what the
// status is to be (a pure function), write it if it is worth a write. There is one
// status write, and it comes last: a merge patch that the API server refuses if the
// object is no longer the one the decision was made from. It names what changes and
// nothing else, so that an audit log can be read, and needs no copy of the whole as
// an update does; a server-side apply would put a decision about an old spec on a
// new one. Before each decision the cache catches up with the last write, so what is
// compared with is never older than what this process wrote.
//
// Small and slow: a ClusterAgent gets three status writes at once and then one in ten
// seconds, always the last one. A ClusterStatus gets one in ten seconds where its
// condition changed; a newer summary takes the place of one that is ten seconds old, or
// as many tenths of a second as there are clusters that report: 100 s for 1,000. All
// status writes together come ten times a second at most, one after another; only what
// answers a new spec waits for nothing. What would change nothing is not written, and our
// own writes call no reconciler.
//
// A ClusterStatus belongs to its ClusterAgent, and the garbage collector of the hub
// takes it away with it. Its reconciler does so too, because a hub may be an API
// server without a controller-manager: what comes first does it.
//
// The package knows neither connections to agents nor HTTP.
package controllers
