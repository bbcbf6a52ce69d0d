// Package wire is the protocol between agent and master: its messages, their
// encoding, their bounds, and the pure receiving end of it. It knows no connection:
// agent/report and master/session do the talking.
//
// # Connection
//
// The master dials the agent's endpoint at Path with the websocket subprotocol
// Subprotocol. Every message is one binary frame, a protobuf AgentMessage or
// MasterMessage (wirepb/wire.proto) that stands for itself: no state of a codec or
// compressor spans messages, apart from the string table of a snapshot's chunks.
//
//	agent   Hello                                  at once
//	master  Report
//	agent   Granted                                or End, or Unsupported; or Summary where only that was asked for
//	agent   flush, flush, …                        until its timer ends
//	master  Ack after each Bookmark; Renew; Stop   Renew is answered by Granted with its number
//	agent   End, and it closes                     after End it ignores everything
//
// # Flush
//
// An agent sends a flush at every tick, and when something changed: the first
// change at once, further ones gathered for at most GatherTime. It consists of, in
// this order, each at most once and only if there is anything to say,
//
//   - the chunks of a Snapshot, or a Delta from the last Bookmark's seq,
//   - Usage, if there is a newer reading,
//   - a Status for every section whose error changed,
//
// and always of a Bookmark at its end, which says what the receiver must hold now.
// Nothing counts before its Bookmark proves it. The first flush on a connection
// carries a Snapshot, or, where Report named a base that the agent can still reach,
// a Delta from it; usage as absolute values; and a Status for every section with an
// error (behind a Delta: for every section).
//
// # Seq, hash
//
// An epoch is 64 random bits an agent process. Within it seq rises by one for each
// key that changed, each reading of usage and each changed section error. Every
// upsert carries its key's change seq. The hash (HashOf) is a sum over all objects'
// keys and change seqs; usage and sections are not part of it.
//
// What does not fit — a Delta from elsewhere, another count or hash, a frame that
// cannot be decoded — is never repaired: the receiver closes with CloseResync and
// begins anew without a base.
//
// # Times
//
// Times of the protocol are durations, and the sender's monotonic clock since its
// Hello; no wall clock of one side is ever compared with the other's. Times within
// objects are facts, as the cluster's API has them.
//
// # Silence
//
// The master closes after Silence(period) without a frame, the agent after as long
// without an Ack. Writing a message may take WriteTimeout.
package wire
