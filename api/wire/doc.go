// Package wire defines the protocol between an agent and a master: its messages, their
// encoding and their limits, and the decoding of a report into a State. It does no I/O:
// agent/report and master/session own the connections. This comment and the comments in
// wirepb/wire.proto are the specification. Numbers are given by the names of their
// constants.
//
// # Connection
//
// The master dials the agent's endpoint at Path with the websocket subprotocol Subprotocol.
// The connection uses TLS 1.3 unless both sides are configured otherwise. The agent may
// refuse the upgrade by HTTP:
//
//   - 401 if it does not accept the token (package token). ProtocolHeader lists the agent's
//     protocols. If only the token's times are wrong, NonceHeader has a nonce, so that a
//     master whose clock differs can retry with a token that claims the nonce. If one of the
//     agent's keys signed the token for another cluster, ClusterNameHeader has the name of
//     the agent's cluster.
//   - 503 if it does not know its cluster's identity yet, is shutting down, or has too many
//     connections.
//
// Every message is one binary frame: a protobuf AgentMessage or MasterMessage. A text frame,
// a frame that cannot be decoded, and a message out of order end the connection.
//
//	agent   Hello                                  immediately
//	master  SubscribeRequest, signed               within 10 s
//	agent   SubscribeResponse                      or End, or Unsupported; or Summary if only that was requested
//	agent   flush, flush, …                        until the session expires
//	master  Ack after each Bookmark; Renew; Stop   Renew is signed; a SubscribeResponse with its number answers it
//	agent   End, then it closes                    the agent ignores everything after End
//
// # Frames
//
// Each frame can be decoded on its own: no codec or compressor keeps state across messages,
// except for the string table that the chunks of a snapshot share. The agent can therefore
// send one frame to every master that is at the same base.
//
// A message of compressFrom bytes or more is compressed if that makes it smaller. The frame
// is then an AgentMessage with only the field zstd: one Zstandard frame (RFC 8878) that
// declares its content size, uses no dictionary, and contains the message. Compressed frames
// are not nested. A master's messages are never compressed.
//
// An agent may send several frames as one Batch, as it does with the small messages of a
// flush. A Batch means the same as its frames sent one by one.
//
// On a connection each frame is followed, in the same websocket message, by a checksum of
// four bytes, little endian: the CRC-32C of all frames that this side has sent on the
// connection so far, including this one, each preceded by its length in four bytes, little
// endian. The checksum detects frames that were lost, repeated, reordered or corrupted
// between TLS and the codec. It does not protect against an attacker; TLS does. Stored frames
// have no checksum.
//
// Limits are checked before memory is allocated: MaxFrame and MaxMasterFrame for a received
// frame, MaxMessage for its decompressed content, and the counts and lengths in limits.go. A
// message that exceeds a limit is treated as one that cannot be decoded.
//
// # Versions
//
// Hello has the range of protocols that the agent speaks, ProtocolMin to ProtocolMax. The
// master chooses the highest one that both speak and names it in SubscribeRequest. If there is
// none, the master sets a condition on the cluster and closes. An agent that is asked for a
// protocol it does not speak answers Unsupported, with its range and a message, and closes.
// Within one protocol, fields and columns are only added. A peer skips fields that it does not
// know, and reads an unknown enum value as zero.
//
// This is protocol 4. Protocol 3 had no terms and owners: SubscribeRequest had no owner and no term,
// and SubscribeResponse no term. An agent treats the request of a master that speaks 3 as a guest's
// without a term. A master chooses the term itself if the agent speaks 3.
//
// Protocol 2 had no signatures: its Hello named the cluster to everyone
// with a token, and its tokens had an issue time. Mixed versions behave as follows:
//
//   - A master that speaks 2 or less passes the upgrade, as its token is sufficient. It finds
//     no common protocol in Hello, sets the cluster's condition Ready to False with the reason
//     ProtocolUnsupported and both ranges in the message, and closes. If it sends a
//     SubscribeRequest anyway, the agent answers Unsupported.
//   - An agent that speaks 2 or less refuses the token with a 401 that names Realm and has no
//     ProtocolHeader. The master sets Ready to False with the reason ProtocolUnsupported and a
//     message that says to update the agent. An agent without keys accepts the connection, and
//     its Hello has the same effect.
//
// # Signatures
//
// A token can be intercepted, by a user who edits an endpoint or by a proxy that ends TLS
// before the agent, and then be presented to the agent itself. A token therefore only admits
// a connection. To open and to keep a session the master signs a token.Statement with its
// key: the purpose (token.Domain), the cluster, the master's ID, the session, a nonce and
// the connection.
//
//   - The agent chooses the nonce: it is in Hello for SubscribeRequest, and in the last
//     SubscribeResponse for Renew. It has 16 bytes (at most 64 are accepted) and is valid once.
//   - The connection is identified by token.ChannelOf: 32 bytes from the TLS 1.3 exporter
//     (RFC 8446, 7.5) with the label "EXPORTER-rollcall-channel-v1" and no context. Both ends
//     of a connection derive the same bytes, and a relay between two connections cannot. A
//     CONNECT proxy does not change them.
//   - The term is that of SubscribeRequest. It is signed only if it is not zero, so statements
//     without a term are those of protocol 3. An owner signs with another purpose than a guest, so
//     nobody can change owner or term of a signed request.
//   - The master's ID is the one in the dial's token. A SubscribeRequest for a summary does
//     not repeat it, and its session is empty.
//
// If the signature of a SubscribeRequest or Renew is missing, or was not made by one of the
// agent's keys, the agent answers End(unauthorized) and nothing else. A Renew has to be signed
// by the key that signed the SubscribeRequest. The agent rereads its keys every few seconds. It
// ends the sessions of a removed key with End(unauthorized) within 10 s.
//
// If TLS ends before the agent, or there is no TLS, signatures cannot cover the connection.
// Only the agent decides this, with --channel-binding=off. Hello then has unbound set, and
// signatures cover the word "none" (token.Unbound) in place of the connection. The master
// reports it in the condition ChannelBound. It is not negotiated: an attacker who alters
// Hello gains nothing, since an agent that requires a bound signature rejects "none". An agent
// without keys (--auth none) sends no nonce, and nothing is signed.
//
// # Hello and SubscribeRequest
//
// Hello is sent before any signature is verified. It has what a master needs for its
// SubscribeRequest, and nothing about the cluster: the protocols, the agent's epoch, a nonce,
// and whether signatures are bound to the connection. The Identity (the cluster's name and UID,
// and versions) is in the SubscribeResponse or Summary that answers an accepted
// SubscribeRequest. The master compares name and UID with those it expects and uses them for
// nothing else.
//
// SubscribeRequest opens a session or requests a summary (see below). It has the session's ID,
// the master's ID (random, one per process), the period between ticks, and the session's
// duration. The SubscribeResponse has the values that the agent will use: the period is at
// least the agent's minimum and the duration at most its maximum. The duration counts from the
// response. The agent answers End instead if it cannot report: NotReady if it has not read its
// cluster yet, Busy if it has as many sessions as it allows, Error if no tick fits between a
// period and the session's end. A SubscribeRequest of a master that already has a session ends
// the older session as superseded.
//
// # Owner, guest, term
//
// Several masters may report a cluster. One of them is the cluster's owner: it writes the reports to
// the cache that the masters share, and the cluster's status. Any other master is a guest: it reads
// reports for its own clients and writes nothing. The masters decide who the owner is. The agent is
// the one point that every owner passes, so it orders them: by terms.
//
// SubscribeRequest has owner, and a term: the lowest one that the master accepts. A master requests
// the largest of the last term that it has seen plus one, the last term in the shared cache plus one,
// and its Unix time in milliseconds. So terms grow if the cache lost them, and if the agent has
// restarted. A request without owner is a guest's.
//
//   - An owner is granted max(last + 1, min(requested, limit)): last is the last term that this
//     agent process has granted, 0 at its start, and limit is the agent's Unix time in milliseconds
//     plus MaxTermLead. The agent ends the session of the owner before as superseded, also if it is
//     of another master or has requested a higher term. It accepts no Renew of it from then on.
//   - A guest is granted last, so it reports under the owner's term. If last is 0, a guest is granted
//     what an owner would be, and that is then last. A guest ends no session, and no owner ends the
//     session of a guest.
//
// The limit keeps a master with a wrong clock, or a hostile one, from using up the terms: however high
// its requests are, the agent's terms stay within MaxTermLead of the agent's clock, plus one for each
// grant. A request above the limit is not refused, since the agent's clock may be wrong too. Instead
// the master uses the term that it has requested, as with an agent of protocol 3, if the granted term
// is lower than its request, or more than twice MaxTermLead ahead of its own clock. Masters whose
// clocks are within MaxTermLead of the agent's never need this.
//
// A master whose session is ended as superseded is not the owner anymore, and this is no failure. It
// neither publishes nor stores what it receives afterwards. If it still believes to be the owner, it
// waits before it requests the next term: some seconds, and longer each time.
//
// # Summary
//
// A SubscribeRequest with summary_only has no session, master ID, period or duration. It is
// signed like any other. It has the master's rules for muting problems, since the agent
// evaluates health here. The agent answers with one Summary, after which both sides end the
// connection without a close frame. Problems, resources and identity make up most of a
// Summary and rarely change. The master therefore sends HashProblems and HashResources of
// those that it has, and the agent leaves out the parts whose hash is equal.
//
// The exchange takes this many bytes on the socket for a cluster with twenty problems,
// including checksum, websocket header and TLS record of each message, and without the TLS
// handshake and close (test/idle measures it):
//
//	to the agent   469   upgrade request, half of it the token
//	               122   SubscribeRequest, half of it the signature; 104 without a previous Summary
//	to the master  188   upgrade response
//	                61   Hello
//	                77   Summary; 554 with problems, resources and identity
//
// The total is 917 bytes, and 965 with the TLS close alerts.
//
// # Flush
//
// An agent sends a flush at every tick and after changes: the first change is sent
// immediately, and further changes are collected for at most FlushDelay. A flush consists of
// the following messages, in this order, each at most once and only if there is something to
// send:
//
//   - the chunks of a Snapshot, or a Delta from the seq of the last Bookmark,
//   - Usage, if there is a newer reading,
//   - a Status for every section (state.SectionName) whose error changed.
//
// It always ends with a Bookmark, which describes the state that the receiver must now hold.
// The receiver uses nothing before the Bookmark confirms it. A change of usage alone is sent
// with the next tick.
//
// The master acknowledges each Bookmark with an Ack of its seq. While two flushes, or
// MaxUnackedBytes of frames, are unacknowledged, the agent encodes nothing. The next Delta
// then covers all changes since. A slow master thus costs the agent one state and no queue.
//
// # Base
//
// The first flush on a connection has a Snapshot, usage as absolute values, and a Status for
// every section with an error. A master that still holds a state names it as the base in
// SubscribeRequest: its epoch, its seq, and the number of its usage reading. If the epoch is the
// agent's, and the agent still remembers all removals after the seq (it remembers 4,096), the
// first flush has a Delta from the base instead of a Snapshot, and a Status for every section.
// If the reading is the agent's current or previous one, Usage has differences to it, or is
// left out if there is no newer reading. A Snapshot tells the master that its base was not used.
//
// # Seq, hash, slots
//
// An epoch is 64 random bits chosen by each agent process; it is only compared for equality.
// Within an epoch, seq rises by one for each changed key, each usage reading and each changed
// section error. Every upsert carries the seq of its key's last change. The hash (HashObject)
// is a sum over the keys and change seqs of all objects. Usage and sections are not part of it.
// It does not cover the objects' content, so versions that know different fields compute the
// same hash.
//
// A slot is a small number that a node or container gets when it first appears in an epoch.
// Usage has columns that are indexed by slot. A slot is reused only after the removal of its
// previous object is forgotten.
//
// A received message is inconsistent if it is a Delta from another base, a chunk out of order,
// a second Snapshot or Delta before a Bookmark, a difference to a reading that is not held, a
// Bookmark with another count or hash, a message with a wrong checksum, or a frame that cannot
// be decoded. The receiver never repairs an inconsistency. It closes with CloseResync and
// reconnects without a base, at most three times in ten minutes.
//
// # Objects
//
// A Snapshot is divided into chunks, each with the tables of its objects. The string table
// continues across the chunks of a snapshot; everything else starts again in each chunk.
// Message Objects in wire.proto specifies how fields become columns.
//
// A Delta has objects in two forms. Upserts are sent whole. Patches are sent by key, with the
// fields that differ from the object that the receiver holds under that key at Delta.from. The
// agent knows these objects from the second flush of a connection on, as it sent them. It
// chooses the form for each object. A port with a target of its own is always sent whole. A
// patch of an object that is not held, and a patch that changes the object's key, are
// inconsistent. Since the content at a seq of an epoch is always the same, masters at the same
// base share such a Delta.
//
// # Usage
//
// Columns are indexed by slot: CPU in millicores, memory in KiB, and the sampling group of
// each slot. Each value is the difference to the value of the base reading; base 0 is a reading
// of zeros. A column may end early, which means no further differences. A slot without a sample
// has group 0. Sample times are sent once per group, as the age relative to the newest sample.
// Groups serve no other purpose. An agent may assign slots to groups freely, but should keep
// the assignment stable.
//
// # End and renewal
//
// Only the agent ends a session. When the session's duration is over it sends End(expired). A
// Renew requests another duration, counted from its arrival. It is signed (see Signatures) and
// takes effect with the SubscribeResponse that has its number. The agent answers Stop with
// End(stopped). After End the agent ignores further messages and closes.
//
// # Times
//
// Times of the protocol are durations or readings of the sender's monotonic clock since its
// Hello. The wall clocks of the two sides are never compared. A Bookmark says how long ago each
// section was last known to be true, and when the Bookmark was sent. A frame that arrives later than
// the connection's smallest delay by more than a period is old and does not make data fresh.
// Times within objects are facts from the cluster's API.
//
// # Silence
//
// The master closes with CloseSilent after SilenceTimeout(period) without a frame, and the agent
// after the same time without an Ack. Writing a message may take WriteTimeout. Time during which
// a side's own process was stopped does not count as the other side's silence.
package wire
