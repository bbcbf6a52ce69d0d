// Package membership tells the masters that share a Redis which of them are alive, and which of them owns a cluster:
// has its session, and writes its reports and its status.
//
// # Who is alive
//
// Each master has a name, which is that of its pod, and an incarnation, a random ID of its process. Every 2 s it renews
// a Lease of its own, and sends a heartbeat to the others by Redis. A master is alive while one of them changed
// in the last 8 s, by the monotonic clock of the observer: wall clocks are not compared. A new incarnation of a name
// replaces the older one at once.
//
// A heartbeat counts only if it names the observer's incarnation. It was therefore sent after the observer had
// started, and the channel refuses repeated messages, so that nobody can keep a dead master alive by repeating its
// messages.
//
// A master itself owns clusters only while others see it alive: while it has renewed its Lease or sent a heartbeat in the
// last 8 s. A process that was stopped for longer owns nothing until it has done that again. If another process takes its
// Lease, it owns nothing anymore.
//
// A master that reaches neither the Leases nor Redis cannot know who is alive. It keeps its last view: see Frozen.
//
// # Who owns a cluster
//
// Each cluster ranks the masters by a hash of both names (rendezvous hashing), so that a master that comes or goes moves
// only its own share of clusters. The owner is the first one that is alive, is not about to stop, and has not
// handed the cluster over. If agents of a cluster are linked to some masters (reverse link), it is one of these.
//
// An owner that cannot dial an agent hands its cluster over for 10 minutes. If all masters have done so, the first one
// owns it.
//
// Two masters can disagree for a moment. Terms, which agents and the Store compare, make that harmless.
package membership
