package view

import (
	"bytes"
	"reflect"
	"sync"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// changeSet is the change from one ClusterView to the next. It is immutable. Its rows are computed
// by the first reader, and encoded once for each scope.
type changeSet struct {
	before, after *ClusterView
	scopedEvents
	rows func() (changedRows, error)
}

func newChangeSet(before, after *ClusterView) *changeSet {
	cs := &changeSet{before: before, after: after}
	cs.scopedEvents = scopedEvents{cluster: after.Cluster, from: before.ResourceVersion, to: after.ResourceVersion, encode: cs.encode}
	cs.rows = sync.OnceValues(func() (changedRows, error) {
		sides, err := cs.sides()
		if err != nil {
			return changedRows{}, err
		}
		return diffRows(sides[0], sides[1]), nil
	})
	return cs
}

// Estimates of the memory that a changeSet keeps alive. A State shares all unchanged chunks with the
// next State, so only changed chunks count.
const (
	estimatedChunkBytes  = 8 << 10
	estimatedObjectBytes = 512
	estimatedUsageBytes  = 24
)

// size estimates how many bytes are kept for the change alone.
func (cs *changeSet) size() int64 {
	n := cs.bytes.Load()
	before, after := cs.before, cs.after
	if before.Usage != nil && before.Usage != after.Usage {
		n += int64(len(before.Usage.BySlot)) * estimatedUsageBytes
	}
	all := int64(before.Count()) * estimatedObjectBytes
	if before.Epoch != after.Epoch || after.Seq < before.Seq {
		return n + all
	}
	// A report may claim any seq, so the estimate is capped by the size of the whole state.
	return n + min(all, int64(min(after.Seq-before.Seq, uint64(all)))*estimatedChunkBytes) //nolint:gosec // all is a size of what is in memory, so both are far below MaxInt64
}

// encode returns the events of the change in a scope, as lines.
func (cs *changeSet) encode(s Scope) ([]byte, error) {
	changed, err := cs.rows()
	if err != nil {
		return nil, err
	}
	sides, err := cs.sides()
	if err != nil {
		return nil, err
	}
	scoped := [2]rowEncoder{s.rows(sides[0]), s.rows(sides[1])}
	var events []event
	for _, c := range changed.inScope(&s, sides[0], sides[1]) {
		if e := c.event(&s, scoped); e.eventType != "" {
			events = append(events, e)
		}
	}
	more, err := cs.clusterEvents(&s)
	if err != nil {
		return nil, err
	}
	return encodeEvents(append(events, more...), cs.from, cs.to), nil
}

// sides returns the row encoders before and after the change.
func (cs *changeSet) sides() (sides [2]rowEncoder, err error) {
	if sides[0], err = cs.before.rows(); err != nil {
		return sides, err
	}
	sides[1], err = cs.after.rows()
	return sides, err
}

// clusterEvents returns the events about the cluster as a whole: Usage, Summary and Session.
func (cs *changeSet) clusterEvents(s *Scope) ([]event, error) {
	var events []event
	usage, err := encodeUsage(s, cs.before, cs.after)
	if err != nil {
		return nil, err
	}
	if usage != nil {
		events = append(events, event{httpv1.Modified, httpv1.KindUsage, usage})
	}
	if s.hasSummary() && !equalSummaries(&cs.before.Summary, &cs.after.Summary) {
		summary, err := cs.after.encodedSummary()
		if err != nil {
			return nil, err
		}
		events = append(events, event{httpv1.Modified, httpv1.KindSummary, summary})
	}
	if !bytes.Equal(cs.before.session, cs.after.session) {
		events = append(events, event{httpv1.Modified, httpv1.KindSession, cs.after.session})
	}
	return events, nil
}

// rowChange is a row that may have changed, before and after.
type rowChange struct {
	before, after state.Entry
	row           *rowBytes
}

// rowBytes caches the encoded row before and after a change, each with and without usage.
type rowBytes [2][2]lazyBytes

// event returns the event of the change in a scope. Its kind is empty if the row does not change in
// that scope: a row may be listed only because its neighbors changed.
func (c *rowChange) event(s *Scope, sides [2]rowEncoder) event {
	was := c.before.Object != nil && sides[0].match(&s.Filter, c.before)
	is := c.after.Object != nil && sides[1].match(&s.Filter, c.after)
	e := event{}
	switch {
	case was && is:
		e.eventType = httpv1.Modified
	case was:
		e.eventType = httpv1.Deleted
	case is:
		e.eventType = httpv1.Added
	default:
		return e
	}
	e.object = c.encode(s, sides, is)
	if was && is && bytes.Equal(c.encode(s, sides, false), e.object) {
		return event{}
	}
	if is {
		e.objectKind = eventKinds[c.after.Object.Key().Kind]
	} else {
		e.objectKind = eventKinds[c.before.Object.Key().Kind]
	}
	return e
}

// encode returns the row after the change, or before it. The bytes are the same in all scopes,
// except for usage and for ports as seen from one node.
func (c *rowChange) encode(s *Scope, sides [2]rowEncoder, after bool) []byte {
	side, e := 0, c.before
	if after {
		side, e = 1, c.after
	}
	if p, ok := e.Object.(*state.Port); ok && s.Filter.Node != "" && p.ExternalTrafficPolicy == state.TrafficPolicyLocal {
		return sides[side].appendRow(nil, e, s.Filter.Node)
	}
	usage := 0
	if s.Usage == UsageNone {
		usage = 1
	}
	row, _ := c.row[side][usage].get(func() ([]byte, error) { return sides[side].appendRow(nil, e, ""), nil })
	return row
}

func equalSummaries(a, b *state.Summary) bool { return a == b || reflect.DeepEqual(a, b) }
