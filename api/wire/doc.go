// Package wire is the protocol between agent and master: its messages, their
// encoding, their bounds, and the pure receiving end of it. It knows no connection:
// agent/report and master/session do the talking. This comment and the comments in
// wirepb/wire.proto are its specification; where a number is meant it is given by
// the name of its constant.
//
// # Connection
//
// The master dials the agent's endpoint at Path with the websocket subprotocol
// Subprotocol, over TLS 1.3 but where both sides were told otherwise. Before the upgrade
// the agent answers by HTTP: 401 to a token that it does not accept (package token), with
// its protocols in ProtocolHeader; with a nonce in NonceHeader where the token's times
// alone were wrong, so that a master with another clock can try once more with a token
// that claims the nonce; and with its cluster's name in ClusterNameHeader where one of its
// keys signed the token for another cluster; 503 while it cannot say which cluster it is
// in, or is ending, or is crowded.
//
// Every message is one binary frame: a protobuf AgentMessage or MasterMessage. A text
// frame, a frame that is no message, and a message that has no place where it comes,
// end the connection.
//
//	agent   Hello                                  at once
//	master  Report, signed                         within 10 s
//	agent   Granted                                or End, or Unsupported; or Summary where only that was asked for
//	agent   flush, flush, …                        until its timer ends
//	master  Ack after each Bookmark; Renew; Stop   Renew is signed, and answered by Granted with its number
//	agent   End, and it closes                     after End it ignores everything
//
// # Frames
//
// A frame stands for itself: no state of a codec or compressor spans messages, apart
// from the string table of a snapshot's chunks. So one frame serves every master that
// is at the same base.
//
// A message of compressFrom bytes and more is compressed, if that makes it smaller: the
// frame is then an AgentMessage with the field zstd, which holds one Zstandard frame
// (RFC 8878) with its content size and without a dictionary, which holds the message.
// It is not nested. A master's messages are never compressed.
//
// Several frames of an agent may come as one, as a Batch of them; the small messages of
// a flush do. It means the same as if they had come one by one.
//
// On a connection each frame is followed, in the same websocket message, by a seal of
// four bytes: the CRC-32C, little endian, of all frames that this side has sent on the
// connection so far, this one's included, each behind its length in four bytes, little
// endian. A message that was lost, doubled, moved or harmed breaks the seal, whatever it
// says. Between TLS and the codec nothing should do so; that nothing did is what makes a
// report worth believing. Where frames are stored they have no seal.
//
// Bounds hold before memory is taken: MaxFrame and MaxMasterFrame for a frame as it
// comes, MaxMessage for what it decompresses to, and the counts and lengths in
// limits.go. A message beyond one of them is as if it could not be decoded.
//
// # Versions
//
// Hello says which protocols the agent speaks, from ProtocolMin to ProtocolMax. The
// master chooses the highest that both speak and names it in Report. Where there is
// none it says so in the cluster's condition and closes; an agent that is asked for
// another one answers Unsupported with its range and words for people, and closes.
// Within one protocol fields and columns are only added. Who does not know a field
// passes over it; an enumeration's value that is not known is taken as its zero.
//
// This is protocol 3. Protocol 2 had no signatures: its Hello named the cluster to anyone
// with a token, and its tokens had a time of issue. What an older peer gets:
//
//   - A master that speaks 2 or less passes the upgrade, as its token has all that is
//     wanted. It finds no protocol in common in Hello, sets the cluster's condition Ready to
//     False with the reason ProtocolUnsupported, which names both ranges, and closes. A
//     Report that it sends all the same is answered by Unsupported.
//   - An agent that speaks 2 or less refuses the token, by a 401 of the Realm without
//     ProtocolHeader. The master sets Ready to False with the reason ProtocolUnsupported,
//     and the message says to update the agent. One that runs without keys is told by its
//     Hello, as above.
//
// # Signatures
//
// A token can be intercepted by a user who edits an endpoint or by a proxy that ends TLS
// before the agent, and used at the agent itself. So it only admits a connection. A session
// is opened and kept by a signature of the master's key over a token.Statement: what it is
// for (token.Domain), the cluster, the holder, the session, a nonce and the connection.
//
//   - The nonce is the agent's: that of Hello for Report, and that of the last Granted for
//     Renew. It has 16 bytes (at most 64 are read) and is accepted once.
//   - The connection is token.ChannelOf: 32 bytes of the exporter of TLS 1.3 (RFC 8446,
//     7.5) with the label "EXPORTER-rollcall-channel-v1" and no context, which both ends
//     have and nobody between two connections. Through a CONNECT proxy it is the same at
//     both ends.
//   - The holder is the one that the dial's token names, which a Report for a summary has
//     nowhere else; its session is empty.
//
// A Report or Renew whose signature is missing, or none of one of the agent's keys, is
// answered by End(unauthorized) and by nothing else. A Renew has to be signed by the key
// that signed the Report. An agent reads its keys again every few seconds, and ends
// sessions of a key that is gone by End(unauthorized) within 10 s.
//
// Where TLS ends before the agent, or there is none, signatures cannot be bound to it. That
// is the agent's decision alone, by --channel-binding=off: Hello then says unbound, and
// signatures are over the word "none" (token.Unbound) in place of the connection. The master
// shows it in the condition ChannelBound. It is not negotiated: to alter Hello gains nothing,
// as an agent that wants its connection signed refuses "none". An agent without keys
// (--auth none) names no nonce, and nothing is signed.
//
// # Hello and Report
//
// Hello has what a master needs for its Report, and nothing about the cluster, since it is
// sent before a signature was verified: the protocols, the agent's epoch, a nonce, and whether signatures are bound.
// Who answers (Identity: the cluster's name and UID, and versions) comes with the Granted or
// the Summary that answers an accepted Report. The master holds name and UID against what it
// expects; they are never used for anything else.
//
// Report opens a session, or asks for a summary, of which below. It has the session's
// id, the master's holder (random, one a process), the period between ticks, and how
// long to go on. The agent answers with what it really does, in Granted: never a shorter
// period than its own minimum, never longer than its own maximum; the session's time
// begins there. It answers End where it cannot: not
// ready, where it has not read its cluster; busy, where it reports to as many masters
// as it does; error, where no tick fits between a period and a session's end. A Report
// of a holder that has a session already ends the older one as superseded.
//
// # Summary
//
// A Report with summary_only has no session, holder, period or duration. It is signed as any
// other, and has the rules
// by which the master mutes problems, as health is judged by the agent here, and is answered
// by one Summary, behind which the agent ends the connection, without a close frame, and
// the master does the same. Most of a Summary is its problems, its resources and who gives
// it, which seldom change: the master tells HashProblems and HashResources of those that it
// has, and each is left out if it is the same.
//
// What that takes on the socket, in bytes, with a seal, a websocket header and a TLS record
// to each, handshake and good-bye of TLS apart, for a cluster with twenty problems
// (test/idle measures it):
//
//	to the agent   469   the upgrade's request, of which the token is half
//	               122   Report, of which the signature is half; 104 where there was no Summary before
//	to the master  188   the upgrade's answer
//	                61   Hello
//	                77   Summary; 554 where it has to bring problems, resources and who gives it
//
// Together that is 917 bytes, and 965 with the good-byes of TLS.
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
// Nothing counts before its Bookmark proves it. A reading of usage alone waits for the
// next tick.
//
// The master acknowledges each Bookmark by an Ack of its seq. While two flushes, or
// MaxUnacked bytes of frames, are on their way the agent encodes nothing; the next
// Delta then covers everything since. So a slow master costs one state and never a
// queue.
//
// # Base
//
// The first flush on a connection carries a Snapshot, usage as absolute values, and a
// Status for every section with an error. A master that still holds a state names it
// in Report as its base: epoch, seq, and the number of the reading of usage in it. If
// the epoch is the agent's own and no removal after the seq has been forgotten (the
// agent remembers 4,096) the first flush has a Delta from it instead, and a Status for
// every section; if the reading is the agent's present or last one, Usage comes as
// differences to it, or not at all where there is none newer. A master whose base was
// refused sees it by the Snapshot.
//
// # Seq, hash, slots
//
// An epoch is 64 random bits an agent process, compared for equality only. Within it
// seq rises by one for each key that changed, each reading of usage and each changed
// section error. Every upsert carries its key's change seq. The hash (HashOf) is a sum
// over all objects' keys and change seqs; usage and sections are not part of it. It
// does not cover content, so that it holds between versions that know different fields.
//
// A slot is a small number that a node or container has from when it first appears in
// an epoch. Usage is columns by slot. A slot is given to another object only once the
// removal of the one before is forgotten.
//
// What does not fit — a Delta from elsewhere, a chunk that does not follow, a second
// Snapshot or Delta before a Bookmark, differences to a reading that is not held,
// another count or hash, a broken seal, a frame that cannot be decoded — is never repaired: the
// receiver closes with CloseResync and begins anew without a base, at most three times
// in ten minutes.
//
// # Objects
//
// A Snapshot is cut into chunks, each with the tables of its objects; the tables of
// strings follow one another through all chunks of it, all else begins anew in each. How
// fields become columns: message Objects in wire.proto.
//
// A Delta has objects in two ways, in a chunk each. Upserts are whole. Amended ones are
// sent by their keys and by the fields in which they differ from what the receiver
// holds under that key at Delta.from: an agent knows what that is from the second flush
// of a connection on, as it sent it. Which way it takes is up to the agent, object by
// object. A port with a target of its own is always sent whole. To amend an object that
// is not held, or to amend its key, is a Delta that does not fit. Since content at a seq
// of an epoch is always the same, masters at the same base share such a Delta too.
//
// # Usage
//
// Columns are dense by slot: CPU in millicores, memory in KiB, and the group of slots
// that a slot is sampled with. Each value is the difference to that of the base reading,
// base 0 being one of zeros. A column may end early: what follows does not differ. A
// slot without a sample has group 0. When the samples were taken is told once a group,
// by the age against the newest. Groups are for no more than that: an agent may put
// slots together as it likes, but does well to leave them where they were.
//
// # End and renewal
//
// The agent owns the end. Its timer runs out: End(expired). Renew asks for another
// duration from when it arrives, is signed (see Signatures), and counts once Granted came
// back with its number.
// Stop is answered by End(stopped). With End the connection ends: the agent ignores
// what comes after it, and closes.
//
// # Times
//
// Times of the protocol are durations, and the sender's monotonic clock since its
// Hello; no wall clock of one side is ever compared with the other's. A Bookmark says
// how long ago each section was known to be true, and when it was sent: a frame that
// comes later than the connection's smallest delay by more than a period is old and
// makes nothing fresh. Times within objects are facts, as the cluster's API has them.
//
// # Silence
//
// The master closes after Silence(period) without a frame, the agent after as long
// without an Ack, both with CloseSilent. Writing a message may take WriteTimeout. Time in
// which a side did not run itself, as its process was stopped, is not the other's silence.
package wire
