package rediscache

import (
	"fmt"
	"strconv"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// head is a cluster's hash in Redis, as field → value.
type head map[string]string

// lifetime is what is told of an Entry's times without telling the time.
type lifetime struct {
	// ttl is from receipt to expiry, life from the save to expiry, and keep from then on
	// until Redis lets go of it.
	ttl, life, keep time.Duration
	// demand is from the save to the end of demand; negative: there is none.
	demand time.Duration
}

func lifetimeOf(e cache.Entry, now time.Time) lifetime {
	return lifetime{ttl: e.ExpiresAt.Sub(e.ReceivedAt), life: e.ExpiresAt.Sub(now), keep: e.KeptUntil().Sub(e.ExpiresAt), demand: e.DemandUntil.Sub(now)}
}

// fields are those of the head that the save script does not itself set.
func fields(e cache.Entry, t lifetime, bookmark []byte) []any {
	return []any{
		"bookmark", bookmark,
		"ttl", t.ttl.Milliseconds(),
		"demand", t.demand.Milliseconds(),
		"uid", e.UID,
		"kubernetes", e.KubernetesVersion,
		"agent", e.AgentVersion,
		"session", e.SessionID,
		"started", e.StartedAt.UnixMilli(),
		"ends", e.SessionEnds.UnixMilli(),
	}
}

// entry is the Entry of a head that Redis keeps for so long from now on, without its State.
func (h head) entry(now time.Time, left time.Duration) (cache.Entry, error) {
	r := numbers{head: h}
	ttl, life, demand := r.millis("ttl"), r.millis("life"), r.millis("demand")
	left -= r.millis("keep")
	e := cache.Entry{
		Term: uint64(r.number("term")),
		UID:  h["uid"], KubernetesVersion: h["kubernetes"], AgentVersion: h["agent"],
		SessionID: h["session"], StartedAt: time.UnixMilli(r.number("started")), SessionEnds: time.UnixMilli(r.number("ends")),
		ExpiresAt: now.Add(left), ReceivedAt: now.Add(left - ttl), DemandUntil: now.Add(left - life + demand),
	}
	return e, r.err
}

// numbers reads fields as numbers and remembers the first that is none.
type numbers struct {
	head head
	err  error
}

func (r *numbers) number(field string) int64 {
	n, err := strconv.ParseInt(r.head[field], 10, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("field %s of the head is not a number", field)
	}
	return n
}

func (r *numbers) millis(field string) time.Duration {
	return time.Duration(r.number(field)) * time.Millisecond
}

func (r *numbers) hex(field string) uint64 {
	n, err := strconv.ParseUint(r.head[field], 16, 64)
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("field %s of the head is not a number in hex", field)
	}
	return n
}
