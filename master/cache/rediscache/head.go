package rediscache

import (
	"crypto/hmac"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

const (
	// minNumber and maxNumber limit the numbers in a head, which are counts or milliseconds. As
	// Unix times they are in the years 1 and 6429, which can be formatted.
	minNumber, maxNumber = -62_135_596_800_000, 1 << 47
	// maxTextLen limits the texts in a head, in bytes.
	maxTextLen = 4 << 10
)

// head has the fields of a cluster's hash in Redis.
type head map[string]string

// macField is the field with the MAC of the signedFields.
const macField = "mac"

// signedFields are all other fields of a head, in the order in which the MAC covers them.
var signedFields = []string{
	"key", "term", "epoch", "seq", // ID of the signing key, and version
	"base", "baseBytes", "chain", "entries", // MAC and length of the base, MAC of the last record, number of records after the base
	"received", "ttl", "keep", "demand", // see lifetime
	"uid", "kubernetes", "agent", "session", "started", "ends",
	"bookmark",
}

// headFields are all fields of a head.
var headFields = append([]string{macField}, signedFields...)

// newHead returns the head of a report, without its MAC.
func newHead(r *report.Report, c recordChain, bookmark []byte) head {
	n := func(i int64) string { return strconv.FormatInt(i, 10) }
	v, t := r.Version(), lifetimeOf(r)
	return head{
		"term": strconv.FormatUint(v.Term, 10), "epoch": strconv.FormatUint(v.Epoch, 16), "seq": strconv.FormatUint(v.Seq, 10),
		"base": string(c.baseMAC), "baseBytes": n(c.baseLen), "chain": string(c.lastMAC), "entries": n(c.entries),
		"received": n(t.received.UnixMilli()), "ttl": n(t.ttl.Milliseconds()), "keep": n(t.keep.Milliseconds()), "demand": n(t.demand.Milliseconds()),
		"uid": r.UID, "kubernetes": r.KubernetesVersion, "agent": r.AgentVersion,
		"session": r.Session.ID, "started": n(r.Session.StartedAt.UnixMilli()), "ends": n(r.Session.ExpiresAt.UnixMilli()),
		"bookmark": string(bookmark),
	}
}

// sign sets the fields with the ID of the key and the MAC.
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

// verify returns the key with which the head is signed. The error is a refusal.
func (ring keyring) verify(cluster string, h head) (macKey, error) {
	if h[macField] == "" {
		return macKey{}, refused(causeFormat, "the entry has no MAC: it was written by an old version of Rollcall, or not by a master")
	}
	k, ok := ring.accepted[h["key"]]
	if !ok {
		return macKey{}, refused(causeKey, "the entry is signed with key %.40q, and this master accepts %s: during a rotation of keys set --rotation-signing-key-file to the other key; otherwise something else writes to this Redis", h["key"], ring)
	}
	if !hmac.Equal([]byte(h[macField]), h.mac(k, cluster)) {
		return macKey{}, refused(causeMAC, "the MAC of the head is wrong: something else writes to this Redis")
	}
	return k, nil
}

// String returns the IDs of the accepted keys.
func (ring keyring) String() string {
	ids := ring.signing.id
	for id := range ring.accepted {
		if id != ring.signing.id {
			ids += ", " + id
		}
	}
	return ids
}

// parsedHead is the content of a head.
type parsedHead struct {
	// report has no State.
	report report.Report
	// version is the version of the report.
	version report.Version
	// received is the time of receipt by the writer's clock.
	received time.Time
	// entries is the number of records in the log.
	entries int64
}

// parse parses a head that Redis will remove after left. The report that it returns lives no
// longer than ttl and the TTL in the head, whatever Redis says. A report from the future, and one
// that can no longer be the base of a session, are refused.
func (h head) parse(now time.Time, left, ttl time.Duration) (parsedHead, error) {
	r := fieldParser{head: h}
	t := lifetime{received: time.UnixMilli(r.number("received")), ttl: r.millis("ttl"), keep: min(max(r.millis("keep"), 0), cache.ResumeWindow), demand: r.millis("demand")}
	p := parsedHead{
		received: t.received, entries: r.number("entries"),
		version: report.Version{Term: uint64(r.number("term")), Epoch: r.hex("epoch"), Seq: uint64(max(r.number("seq"), 0))},
		report: report.Report{
			UID: r.text("uid"), KubernetesVersion: r.text("kubernetes"), AgentVersion: r.text("agent"),
			Session: report.Session{ID: r.text("session"), StartedAt: time.UnixMilli(r.number("started")), ExpiresAt: time.UnixMilli(r.number("ends"))},
		},
	}
	if r.err != nil {
		return p, r.err
	}
	clockAge, age := now.Sub(t.received), t.age(now, left)
	ttl = min(ttl, t.ttl)
	switch {
	case clockAge < -clockTolerance:
		return p, refused(causeTime, "the entry was received %s ahead of this master's clock: synchronize the clocks of the masters", (-clockAge).Round(time.Millisecond))
	case p.version.Term > cache.MaxTerm(now):
		return p, refused(causeTime, "the term %d is ahead of this master's clock", p.version.Term)
	case age >= ttl+t.keep:
		return p, refused(causeTime, "the entry was received %s ago by this master's clock, and is valid for %s", clockAge.Round(time.Millisecond), ttl+t.keep)
	}
	p.report.Term, p.report.TTL = p.version.Term, ttl
	p.report.ReceivedAt = now.Add(-age)
	p.report.ExpiresAt = p.report.ReceivedAt.Add(ttl)
	p.report.DemandUntil = p.report.ReceivedAt.Add(t.demand)
	return p, nil
}

// fieldParser parses the fields of a head and keeps the first error.
type fieldParser struct {
	head head
	err  error
}

func (r *fieldParser) number(field string) int64 {
	n, err := strconv.ParseInt(r.head[field], 10, 64)
	if err != nil || n < minNumber || n > maxNumber {
		r.fail("field %s of the head is not a number, or out of range", field)
		return 0
	}
	return n
}

func (r *fieldParser) millis(field string) time.Duration {
	return time.Duration(r.number(field)) * time.Millisecond
}

func (r *fieldParser) hex(field string) uint64 {
	n, err := strconv.ParseUint(r.head[field], 16, 64)
	if err != nil {
		r.fail("field %s of the head is not a hexadecimal number", field)
	}
	return n
}

func (r *fieldParser) text(field string) string {
	if len(r.head[field]) > maxTextLen {
		r.fail("field %s of the head is longer than %d bytes", field, maxTextLen)
		return ""
	}
	return state.CleanText(r.head[field])
}

func (r *fieldParser) fail(format string, args ...any) {
	if r.err == nil {
		r.err = refused(causeFormat, format, args...)
	}
}
