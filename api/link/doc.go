// Package link specifies the reverse link: a connection that an agent opens to a master, for
// clusters whose agents cannot be dialed (spec.connection: Reverse of a ClusterAgent). It has the
// handshake of both sides, and the messages of an idle link. It owns no connections: agent/dial
// and master/session/linkpool do. This comment is the specification.
//
// # Connection
//
// The agent opens a websocket to the master's address at Path with the subprotocol Subprotocol,
// usually over TLS 1.3. It verifies the master by a CA or by a pinned key. A connection carries one
// session or summary at a time, and a session ends with its connection, as on a dialed one. The
// agent therefore keeps one idle link at the master, and opens the next one when the master begins
// a session.
//
// # Handshake
//
// Messages are websocket text messages, each with one JSON object of at most MaxMessage bytes.
//
//	1  master  Challenge    its ID, a nonce, the versions of this protocol
//	2  agent   Claim        the version, its cluster's name and UID, its public key, a nonce,
//	                        whether signatures are bound to the connection, and the public key
//	                        by which it wants to replace its key, if any
//	3  master  MasterProof  a signature by the hub's signing key
//	4  agent   AgentProof   a signature by the agent's key, and what else it has to be enrolled
//	5  master  Admitted, or Refused
//
// No message before AgentProof contains a secret, and the agent sends it only after the master has
// proved that it has one of the signing keys that the agent accepts. A Claim for an unknown cluster
// is answered like any other until then, so names cannot be enumerated. Refused has a message only
// for peers with a key that the hub knows. For all others the cause is in the master's log and in
// an Event of the ClusterAgent.
//
// # Signatures
//
// Both sides sign the transcript: a SHA-256 hash of the channel and of the bytes of all messages
// that were sent before on the connection, in order, each preceded by its length in four bytes,
// big endian. The channel is token.ChannelOf of the TLS connection, or token.Unbound. Names, nonces
// and keys are in the messages, so a signature covers them too. The signing key signs a
// token.Statement with token.DomainLinkMaster, whose nonce is the transcript. The agent's key signs
// the concatenation of agentDomain and the transcript; a join key signs joinDomain and the
// transcript, and the next key nextDomain and the transcript. Ed25519 keys sign it directly; ECDSA keys sign its SHA-256 hash.
//
// A signature that is bound to the connection is worthless on another one, so nobody between agent
// and master can relay or alter the handshake. If a proxy ends TLS in between, signatures cannot be
// bound. Both sides have to be configured for that: the agent with --channel-binding=off, and the
// ClusterAgent with spec.link.channelBinding: None. It is not negotiated: the master refuses a
// Claim that differs from the ClusterAgent.
//
// # Enrolment
//
// An agent whose key the hub does not know yet adds to AgentProof the public key of its join token
// and a signature by it, or a token of its service account, or both. A service account token is a
// bearer token, so the agent sends it only after MasterProof, and on a connection whose signatures
// are not bound only if it is configured to. An agent may send both also when its key is known; the
// master then ignores them.
//
// To replace its key, the agent names the next one in Claim, so that the signature by the current
// key covers it, and signs the transcript with it too (nextDomain). Admitted says whether the hub
// accepts the next key from then on. The agent stores it as its key, and connects with it. When it
// has connected, the hub forgets the previous key.
//
// # Idle link
//
// After Admitted the link is idle. The agent sends a websocket ping every PingPeriod. Each side
// closes the connection when nothing arrived for SilenceTimeout. When the master wants a session or
// a summary, it sends Begin. The agent answers with a Hello of package wire, and the connection
// continues exactly as if the master had dialed it, with binary messages and checksums from zero.
// The master's ID in its SubscribeRequest is the one in Challenge. A session ends by closing the
// connection. After a Summary, which is one question and one answer, both sides keep the
// connection, and it is idle again.
//
// # Versions
//
// Challenge has the range of versions that the master speaks. The agent chooses the highest one
// that both speak, and names it in Claim. Unknown fields of messages are ignored.
package link
