package rediscache

import (
	"crypto/hmac"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/cache"
)

// clockTolerance is how far the clocks of two masters may be apart.
const clockTolerance = 5 * time.Second

const (
	// termLead is how far a term may be ahead of the time in Unix milliseconds: those that
	// go on growing from a clock that is set back.
	termLead = 24 * time.Hour
	// minNumber and maxNumber bound the numbers of a head, all of which are counts or
	// milliseconds. As times they are in the years 1 and 6429, so that they can be shown.
	minNumber, maxNumber = -62_135_596_800_000, 1 << 47
	// maxText bounds the texts of a head, in bytes.
	maxText = 4 << 10
)

// head is a cluster's hash in Redis, as field → value.
type head map[string]string

// macField has the MAC of the signedFields.
const macField = "mac"

// signedFields are all the others of a head, in the order in which the MAC covers them.
var signedFields = []string{
	"key", "term", "epoch", "seq", // which key signed it, and the version
	"base", "baseBytes", "chain", "entries", // MACs of the base and the last record; how long the base is, and how many records follow it
	"received", "ttl", "keep", "demand", // see lifetime
	"uid", "kubernetes", "agent", "session", "started", "ends",
	"bookmark",
}

// headFields are all fields of a head.
var headFields = append([]string{macField}, signedFields...)

// lifetime is what is told of an Entry's times.
type lifetime struct {
	// received is when the writer got it, by its wall clock.
	received time.Time
	// ttl is from then to expiry, life from the save to expiry, and keep from then on until
	// Redis lets go of it.
	ttl, life, keep time.Duration
	// demand is from receipt to the end of demand; negative: there is none.
	demand time.Duration
}

func lifetimeOf(e cache.Entry, now time.Time) lifetime {
	return lifetime{
		received: e.ReceivedAt, ttl: e.ExpiresAt.Sub(e.ReceivedAt), life: e.ExpiresAt.Sub(now), keep: e.RetainUntil().Sub(e.ExpiresAt),
		demand: max(e.DemandUntil.Sub(e.ReceivedAt), -time.Millisecond),
	}
}

// expires is when the writer's Entry expires, in Unix milliseconds of its clock.
func (t lifetime) expires() int64 { return t.received.UnixMilli() + t.ttl.Milliseconds() }

// headOf returns the head of an Entry that is stored like that, without its MAC.
func headOf(e cache.Entry, t lifetime, s stored, bookmark []byte) head {
	n := func(i int64) string { return strconv.FormatInt(i, 10) }
	v := e.Version()
	return head{
		"term": strconv.FormatUint(v.Term, 10), "epoch": strconv.FormatUint(v.Epoch, 16), "seq": strconv.FormatUint(v.Seq, 10),
		"base": string(s.base), "baseBytes": n(s.baseLen), "chain": string(s.chain), "entries": n(s.entries),
		"received": n(t.received.UnixMilli()), "ttl": n(t.ttl.Milliseconds()), "keep": n(t.keep.Milliseconds()), "demand": n(t.demand.Milliseconds()),
		"uid": e.UID, "kubernetes": e.KubernetesVersion, "agent": e.AgentVersion,
		"session": e.SessionID, "started": n(e.StartedAt.UnixMilli()), "ends": n(e.SessionExpiresAt.UnixMilli()),
		"bookmark": string(bookmark),
	}
}

// sign adds the key's ID and the MAC.
func (h head) sign(k macKey, cluster string) {
	h["key"] = k.id
	h[macField] = string(h.mac(k, cluster))
}

func (h head) mac(k macKey, cluster string) []byte {
	parts := make([][]byte, 0, 2+len(signedFields))
	parts = append(parts, []byte(kindHead), []byte(cluster))
	for _, f := range signedFields {
		parts = append(parts, []byte(h[f]))
	}
	return k.mac(parts...)
}

// verify returns the key that signed the head.
func (ring keyring) verify(cluster string, h head) (macKey, error) {
	if h[macField] == "" {
		return macKey{}, refused(causeFormat, "it has no MAC: an earlier version wrote it, or no master did")
	}
	k, ok := ring.accepted[h["key"]]
	if !ok {
		return macKey{}, refused(causeKey, "it is signed with key %.40q, and this master has %s: while masters change keys, each must be told the other key by --rotation-signing-key-file; if none change, somebody else writes to this Redis", h["key"], ring)
	}
	if !hmac.Equal([]byte(h[macField]), h.mac(k, cluster)) {
		return macKey{}, refused(causeMAC, "the MAC of its head does not fit: somebody else writes to this Redis")
	}
	return k, nil
}

// String returns the IDs of the keys, for logs.
func (ring keyring) String() string {
	ids := ring.signing.id
	for id := range ring.accepted {
		if id != ring.signing.id {
			ids += ", " + id
		}
	}
	return ids
}

// claim is what a head says.
type claim struct {
	// entry has no State.
	entry cache.Entry
	// version is what its State will have.
	version cache.Version
	// received is by the writer's clock.
	received time.Time
	entries  int64
}

// claim reads a head that Redis keeps for so long from now on. What it gives lives no
// longer than ttl and than the head says, whatever Redis says, and is no fresher than
// its receipt allows by this clock and the tolerance. It is refused where it is from a
// time ahead, or has been of no use, as an answer or a base, for too long.
func (h head) claim(now time.Time, left, ttl time.Duration) (claim, error) {
	r := numbers{head: h}
	received, said, keep, demand := time.UnixMilli(r.number("received")), r.millis("ttl"), min(max(r.millis("keep"), 0), cache.ResumeWindow), r.millis("demand")
	c := claim{
		received: received, entries: r.number("entries"),
		version: cache.Version{Term: uint64(r.number("term")), Epoch: r.hex("epoch"), Seq: uint64(max(r.number("seq"), 0))},
		entry: cache.Entry{
			UID: r.text("uid"), KubernetesVersion: r.text("kubernetes"), AgentVersion: r.text("agent"), SessionID: r.text("session"),
			StartedAt: time.UnixMilli(r.number("started")), SessionExpiresAt: time.UnixMilli(r.number("ends")),
		},
	}
	if r.err != nil {
		return c, r.err
	}
	byClock := now.Sub(received)
	age := max(byClock-clockTolerance, said-(left-keep), 0)
	ttl = min(ttl, said)
	switch {
	case byClock < -clockTolerance:
		return c, refused(causeTime, "it was received %s ahead of this master's clock: set the clocks of the masters", (-byClock).Round(time.Millisecond))
	case c.version.Term > uint64(now.Add(termLead).UnixMilli()):
		return c, refused(causeTime, "its term %d is ahead of this master's clock", c.version.Term)
	case age >= ttl+keep:
		return c, refused(causeTime, "it was received %s ago by this master's clock, and may be kept for %s", byClock.Round(time.Millisecond), ttl+keep)
	}
	c.entry.Term = c.version.Term
	c.entry.ReceivedAt = now.Add(-age)
	c.entry.ExpiresAt = c.entry.ReceivedAt.Add(ttl)
	c.entry.DemandUntil = c.entry.ReceivedAt.Add(demand)
	return c, nil
}

// numbers reads fields and remembers the first that cannot be read.
type numbers struct {
	head head
	err  error
}

func (r *numbers) number(field string) int64 {
	n, err := strconv.ParseInt(r.head[field], 10, 64)
	if err != nil || n < minNumber || n > maxNumber {
		r.fail("field %s of the head is no number, or out of bounds", field)
		return 0
	}
	return n
}

func (r *numbers) millis(field string) time.Duration {
	return time.Duration(r.number(field)) * time.Millisecond
}

func (r *numbers) hex(field string) uint64 {
	n, err := strconv.ParseUint(r.head[field], 16, 64)
	if err != nil {
		r.fail("field %s of the head is not a number in hex", field)
	}
	return n
}

func (r *numbers) text(field string) string {
	if len(r.head[field]) > maxText {
		r.fail("field %s of the head is longer than %d bytes", field, maxText)
		return ""
	}
	return state.CleanText(r.head[field])
}

func (r *numbers) fail(format string, args ...any) {
	if r.err == nil {
		r.err = refused(causeFormat, format, args...)
	}
}
