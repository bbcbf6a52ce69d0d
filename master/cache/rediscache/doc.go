// Package rediscache is the cache.Store in Redis: a master that starts answers from
// what the one before it left there.
//
// Three keys a cluster, and a fourth for its terms, with one hash tag, so that they
// share a slot of a Redis Cluster:
//
//	rollcall:{prod-eu}:head  hash: version, whose it is, times, the newest bookmark, a MAC
//	rollcall:{prod-eu}:base  record: the frames of a snapshot at some seq
//	rollcall:{prod-eu}:log   stream: a record for each delta after it
//	rollcall:{prod-eu}:term  the last term given
//
// A record is 32 bytes of MAC; six numbers of 8 bytes, big-endian: term, epoch, the seqs
// that it leads from and to, and TTL and receipt in (Unix) milliseconds; and frames of
// api/wire, each behind its length as a uvarint. They are taken in by wire's Receiver,
// which proves count and hash. Each save is one script: it refuses what is older,
// appends, and sets the expiry of all three. The base is written anew when the log grows
// beyond half of it or has 16,384 entries, or when Redis has lost a part.
//
// # Who else can write to Redis
//
// With a signing key, the MACs are HMAC-SHA256 under a key that HKDF-SHA256 derives from
// the signing key's seed; the head names it by KeyID. A record's MAC covers the kind of
// key (base or log), the cluster, the MAC of the record before it, the numbers and the
// frames. The head's covers the cluster and all of its fields, with the MACs of the base
// and of the last record, and how many entries there are. So no part can be made up,
// changed, dropped, doubled, moved or put into another cluster's or another time's keys.
// All of it is verified before any of it is decoded. Config.OtherKeys verify and sign
// nothing, so that masters can change their key one after another: first all are told
// the next key as another one, then each signs with it and has the one before as another,
// and then that one is taken away. A chain is of one key: who signs with another writes
// the base anew.
//
// A record by itself says where it belongs, so that one that is sent to a follower which
// holds what it goes on from can be verified together with its head.
//
// Without a signing key the MACs are of a key that everybody knows, and find accidents
// only. Who can write to Redis can then make up a cluster's state, again and again. What
// still holds: the bounds of times and terms below, that no reader goes back, that no
// key stops other clusters, and the bounds of what is read. A master with a signing key
// takes nothing of one without.
//
// # Times
//
// An entry's age is what Redis says of it, by the time that its head has left; but never
// less than the reader's wall clock says of its receipt, which its writer's wall clock
// told, by more than 5 s. It is served for the reader's TTL or the writer's, whichever is
// shorter, and can be the base of the next session for up to ResumeTime after that. What
// is older is refused. So is what was received more than 5 s ahead of the reader's clock,
// and what has a term more than a day ahead.
//
// Masters whose clocks are up to 5 s apart do not notice. Of two that are further apart,
// the one that is behind refuses what the other has just written and logs it; the one
// that is ahead serves it for less time.
//
// A reader also refuses an entry of an older version than its process has read or
// written. Once that one has expired, an older version is read if its receipt is later:
// its master still reports.
//
// # What is left to who can write to Redis
//
// They can delete, and so have every master begin anew: an entry that is not taken is a
// miss, and the agent is dialed. They can put back what a master wrote before: for the
// cluster that it was written for, to a reader that has not seen newer (one that
// starts), as an answer until TTL + 5 s after its receipt, and as the base of a session
// until ResumeTime later, which the agent then brings up to date. They can read it all:
// the frames are not encrypted. They cannot forge.
//
// A reader deletes nothing and changes nothing: what it refuses is a miss of that
// cluster, counted by cause, and the next save of its process replaces it. The save
// script replaces keys of a wrong type, a log that takes no entry, and a head that seems
// newer but does not verify or has expired by its receipt.
//
// # Errors
//
// When Redis is away every call fails soon, and masters serve from memory. Away it is by
// errors of connections, and by refused passwords, too many clients, and a server that
// loads its data or has lost its master. Errors that it replies to a command (WRONGTYPE,
// NOSCRIPT, OOM and others) are that cluster's, and counted by code. With a memory that
// is full and not evicted, saves fail so and loads go on. A timeout is that cluster's
// too, while others are answered.
package rediscache
