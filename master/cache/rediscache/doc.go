// Package rediscache implements cache.Store in Redis. A master that starts answers from what
// the previous one stored there.
//
// Each cluster has four keys. They share a hash tag, so that they are in the same slot of a
// Redis Cluster:
//
//	rollcall:{prod-eu}:head  hash: version, identity, times, the latest bookmark, and a MAC
//	rollcall:{prod-eu}:base  record: the frames of a snapshot at some seq
//	rollcall:{prod-eu}:log   stream: one record for each later delta
//	rollcall:{prod-eu}:term  the last term that an owner has taken, the ID of the signing key, and a MAC
//
// A record has a prefix and frames. The prefix is a MAC of 32 bytes and six numbers of 8 bytes,
// big-endian: term, epoch, the first and the last seq of the change, TTL in milliseconds, and
// receipt in Unix milliseconds. The frames are those of api/wire, each with its length as a
// uvarint before it. A reader applies them with wire.Receiver, which verifies count and hash.
//
// An owner takes its term before its first save, by a script that sets the last term if it is lower. A save
// runs one script. It rejects reports of a term below the last one, also after the entry has expired, and older
// versions, appends the record and sets the expiry of
// head, base and log. The base is written again when the log exceeds half of its size or has
// 16,384 entries, or when Redis has lost a part.
//
// # Other writers in Redis
//
// With a signing key, the MACs are HMAC-SHA256. Their key is derived from the seed of the
// signing key by HKDF-SHA256, and the head names it by its KeyID. The MAC of a record covers
// the type of key (base or log), the cluster, the MAC of the previous record, the numbers and
// the frames. The MAC of the head covers the cluster, all fields of the head, the MACs of the
// base and of the last record, and the number of entries. The MAC of the last term covers the
// cluster and the term. So nobody without the signing key can
// invent, change, remove, repeat or move a part, or combine parts of different clusters or
// times. Everything is verified before anything is decoded.
//
// Config.OtherKeys verify but do not sign, so that masters can change keys one after another:
// first every master gets the next key as another key; then each signs with the next key and
// keeps the previous one as another key; finally the previous key is removed. All records of a
// cluster are signed with the same key. A master with another signing key writes the base again.
//
// The numbers of a record say where it belongs, so that a single record can be verified with
// its head by a reader that has all records before it.
//
// Without a signing key, the MACs use a well-known key. They detect accidents but no forgery:
// anyone who can write to Redis can then forge the state of a cluster. Some guarantees remain:
// the limits of times and terms below, that no reader goes back to an older version, that the
// keys of one cluster do not affect other clusters, and the limits of what is read. A master
// with a signing key accepts nothing that was written without one.
//
// # Messages between masters
//
// Masters that share a Redis send each other messages through the channel rollcall:messages:N,
// where N is the number of the database; see Cache.Send and Cache.Receive. In a Redis Cluster,
// PUBLISH passes a message on to all nodes. The MAC of a message covers kind, sender, a counter
// and the time since the sender started. Each counter of a sender is accepted once. A message that
// arrives 10 s later than others of its sender is refused, so that a receiver that was stopped
// does not handle what has arrived meanwhile. No wall clocks are compared. What a sender sent
// before the receiver started can still be repeated to the receiver: a message that says that its
// sender is alive therefore has to name the receiver.
//
// The payload has at most 64 KiB. The library reads a larger message before this package refuses
// it; client-output-buffer-limit of Redis, by default 32 MB for subscribers, limits its size.
//
// # Times
//
// The age of an entry is computed from the remaining time to live of its head in Redis. It is
// at least the age by the wall clocks, the reader's time minus the receipt that the writer
// stored, less a tolerance of 5 s. An entry is served for the reader's TTL or the writer's,
// whichever is shorter. For up to ResumeWindow after that it can be the base of the next
// session. Older entries are refused. So are entries that were received more than 5 s ahead of
// the reader's clock, and entries with a term more than two days ahead (cache.MaxTermLead).
//
// Masters whose clocks differ by up to 5 s do not notice it. If they differ by more, the master
// that is behind refuses what the other one has just written, and logs it. The one that is
// ahead serves it for less time.
//
// A reader also refuses an entry that is older than a version that its process has read or
// written. Once that version has expired, an older version is accepted if it was received
// later, as the master that wrote it still receives reports.
//
// # What writers in Redis can still do
//
// They can delete entries. A missing entry is a miss, so that every master connects to the
// agent again. They can restore what a master wrote before. Only a reader that has not seen a
// newer version, such as a master that starts, accepts it, only for the cluster that it was
// written for, until TTL + 5 s after its receipt as an answer, and until ResumeWindow later as
// the base of a session, which the agent then updates. They can read everything: the frames are
// not encrypted. They cannot forge.
//
// A reader deletes and changes nothing. An entry that it refuses is a miss of that cluster,
// counted by cause, and the next save of its process replaces it. The save script replaces keys
// of a wrong type, a last term that a master did not write, a log to which no entry can be added, and a head that seems newer but fails
// verification or has expired by its receipt.
//
// # Errors
//
// While Redis is unavailable every call fails fast, and masters serve from memory. Redis is
// considered unavailable after errors of connections, a rejected password, too many clients, or
// while the server loads its data or has lost its master. Errors that Redis replies to a command
// (WRONGTYPE, NOSCRIPT, OOM and others) concern only that cluster, and are counted by code. If
// the memory of Redis is full and it does not evict, saves fail this way and loads go on. A
// timeout concerns only that cluster, too, if Redis replies to other calls at the same time.
package rediscache
