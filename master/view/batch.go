package view

import (
	"bytes"
	"reflect"
	"sync"

	"rollcall.dev/rollcall/api/state"
)

// batch is what leads from one moment to the next. It is never changed; what it tells
// is found when it is read first, and encoded once for each scope.
type batch struct {
	before, after *Moment
	shared
	find func() touched
}

func newBatch(before, after *Moment) *batch {
	b := &batch{before: before, after: after}
	b.shared = shared{cluster: after.Cluster, from: before.ResourceVersion, to: after.ResourceVersion, make: b.encode}
	b.find = sync.OnceValue(func() touched { return touch(before.rows, after.rows) })
	return b
}

// What a batch keeps from being let go, as far as it can be told without a look: a
// State shares with the next all chunks that did not change.
const (
	chunkBytes  = 8 << 10
	objectBytes = 512
	usedBytes   = 24
)

// size is about how many bytes are kept for the batch alone.
func (b *batch) size() int64 {
	n := b.bytes.Load()
	before, after := b.before.State, b.after.State
	if before.Usage != nil && before.Usage != after.Usage {
		n += int64(len(before.Usage.BySlot)) * usedBytes
	}
	all := int64(before.Count()) * objectBytes
	if before.Epoch != after.Epoch || after.Seq < before.Seq {
		return n + all
	}
	// A report may claim any seq.
	return n + min(all, int64(min(after.Seq-before.Seq, uint64(all)))*chunkBytes) //nolint:gosec // all is a size of what is in memory, so both are far below MaxInt64
}

// encode writes what a scope sees.
func (b *batch) encode(s Scope) ([]byte, error) {
	sides := [2]rows{s.rows(b.before.rows), s.rows(b.after.rows)}
	var events []event
	for _, c := range b.find().of(&s, b.before.rows, b.after.rows) {
		if e := c.event(&s, sides); e.kind != "" {
			events = append(events, e)
		}
	}
	more, err := b.about(&s)
	if err != nil {
		return nil, err
	}
	return encodeEvents(append(events, more...), b.from, b.to), nil
}

// about are the events that tell of the cluster as a whole.
func (b *batch) about(s *Scope) ([]event, error) {
	var events []event
	if usage := encodeUsage(s, b.before, b.after); usage != nil {
		events = append(events, event{modified, "Usage", usage})
	}
	if s.summary() && !sameSummary(&b.before.Summary, &b.after.Summary) {
		summary, err := b.after.summary.get()
		if err != nil {
			return nil, err
		}
		events = append(events, event{modified, "Summary", summary})
	}
	if !bytes.Equal(b.before.session, b.after.session) {
		events = append(events, event{modified, "Session", b.after.session})
	}
	return events, nil
}

// change is a row that was touched: before it, and after it.
type change struct {
	before, after state.Entry
	row           *encoded
}

// encoded are the bytes of a row before and after, each with and without usage.
type encoded struct {
	mu    sync.Mutex
	bytes [2][2][]byte
}

// event is what a scope sees of a change; its kind is empty where that is nothing. A
// row that only its neighbours touched may be the same as before.
func (c *change) event(s *Scope, sides [2]rows) event {
	was := c.before.Object != nil && sides[0].match(&s.Filter, c.before)
	is := c.after.Object != nil && sides[1].match(&s.Filter, c.after)
	e := event{}
	switch {
	case was && is:
		e.kind = modified
	case was:
		e.kind = deleted
	case is:
		e.kind = added
	default:
		return e
	}
	e.object = c.encode(s, sides, is)
	if was && is && bytes.Equal(c.encode(s, sides, false), e.object) {
		return event{}
	}
	if is {
		e.is = eventKinds[c.after.Object.Key().Kind]
	} else {
		e.is = eventKinds[c.before.Object.Key().Kind]
	}
	return e
}

// encode is the row after the change, or before it. Rows are the same for all scopes
// but for usage, and for those of ports that are looked at from one node.
func (c *change) encode(s *Scope, sides [2]rows, after bool) []byte {
	side, e := 0, c.before
	if after {
		side, e = 1, c.after
	}
	if p, ok := e.Object.(*state.Port); ok && s.Filter.Node != "" && p.ExternalTrafficPolicy == state.TrafficPolicyLocal {
		return sides[side].append(nil, e, s.Filter.Node)
	}
	usage := 0
	if s.Usage == UsageNone {
		usage = 1
	}
	c.row.mu.Lock()
	defer c.row.mu.Unlock()
	held := &c.row.bytes[side][usage]
	if *held == nil {
		*held = sides[side].append(nil, e, "")
	}
	return *held
}

func sameSummary(a, b *state.Summary) bool { return a == b || reflect.DeepEqual(a, b) }
