// Package controllers has the master's controllers on the hub. They provide the specs of
// ClusterAgents to master/session (Registry), and write the results of master/session into the
// status of ClusterAgents and into ClusterStatuses.
//
// Both reconcilers have the same steps: read the objects, gather the inputs, decide on the
// status (a pure function), and write it if it changed. The single status write is the last
// step. It is a merge patch that the API server rejects if the object has changed since it was
// read. A patch contains only the changed fields, which keeps audit logs readable, and needs no
// copy of the whole object like an update. A server-side apply could write a decision about an
// old spec over a new one. Before each decision the cache has caught up with the last write of
// this process.
//
// Status writes are rate limited. A ClusterAgent gets a burst of three writes and then one per
// ten seconds, always with the latest status. A ClusterStatus gets at most one write per ten
// seconds when a condition changed. Its summary is replaced when it is older than ten seconds,
// or 0.1 s for each reporting cluster if that is more: 100 s for 1,000 clusters. All status
// writes together are limited to ten per second. Only answers to spec changes are written
// immediately. Unchanged status is not written, and the master's own writes trigger no
// reconcile.
//
// A ClusterStatus is owned by its ClusterAgent, so the hub's garbage collector deletes it. The
// reconciler deletes it too, since a hub may be an API server without a controller-manager.
//
// The package does not depend on connections to agents or on HTTP.
package controllers
