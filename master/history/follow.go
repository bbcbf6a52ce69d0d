package history

import (
	"slices"
	"sort"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// follow ends the series whose node or container went, and with a fresh reading of
// usage begins those that have a first sample. It looks at objects only where some are
// not as before, or samples came that belong to none that is known.
func (c *cluster) follow(d *draft, s *state.State, at time.Time, fresh bool) {
	moved := c.held == nil || c.held.Epoch != s.Epoch || !c.held.SameObjects(s)
	c.held = light(s)
	if fresh && (c.anew || c.strangersOf(s.Usage) != c.strangers) {
		moved = true
	}
	if !moved {
		return
	}
	c.anew = true
	r := roll{cluster: c, first: c.next + 1, draft: d, at: at.UnixMilli(), old: c.live, next: make([]live, 0, len(c.live))}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range s.Entries(kind) {
			begins := fresh && s.Usage.Of(e.Slot) != nil
			r.call(identify(e.Object), e.Slot, begins)
		}
	}
	r.done()
	if fresh {
		c.anew, c.strangers = false, c.strangersOf(s.Usage)
	}
}

// light is s without objects that it could fetch again.
func light(s *state.State) *state.State {
	if stowed := s.Restow(); stowed != nil {
		return stowed
	}
	return s
}

// strangersOf is a checksum of the slots that have a sample in a reading and no series;
// 0: there are none. Such samples may be of a container that went.
func (c *cluster) strangersOf(u *state.Usage) uint64 {
	sum := uint64(0)
	for slot := range u.BySlot {
		if u.BySlot[slot].SampledAt != 0 {
			sum += mixed(slot)
		}
	}
	for i := range c.live {
		if u.Of(c.live[i].slot) != nil {
			sum -= mixed(int(c.live[i].slot))
		}
	}
	return sum
}

// mixed spreads small numbers, so that sums of different ones differ.
func mixed(slot int) uint64 {
	z := (uint64(slot) + 1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	return z ^ z>>27
}

// roll goes through a State's nodes and containers and the live series at once, both in
// key order.
type roll struct {
	cluster *cluster
	draft   *draft
	at      int64
	old     []live
	next    []live
	// fresh are the series that begin, numbered from first.
	fresh []identity
	first uint32
	gone  []end
	// ended are the series that are kept and not live, made when it is first needed.
	ended map[identity]uint32
}

// call says that an object is there.
func (r *roll) call(of identity, slot uint32, begins bool) {
	for len(r.old) > 0 {
		l := r.old[0]
		known := r.draft.identity(r.draft.label(l.id))
		order := known.compareKey(of)
		if order > 0 {
			break
		}
		r.old = r.old[1:]
		if order == 0 && known.node == of.node {
			l.slot = slot
			r.next = append(r.next, l)
			return
		}
		r.end(l)
	}
	if begins && of.fits() {
		r.begin(of, slot)
	}
}

func (r *roll) end(l live) {
	if l.begun() {
		r.gone = append(r.gone, end{at: max(r.at, int64(l.last)*1000+1, r.draft.lastEnd()), id: l.id})
	}
}

// begin makes a series, or takes one up again that ended and is still kept.
func (r *roll) begin(of identity, slot uint32) {
	r.remember()
	id, known := r.ended[of]
	if !known {
		r.cluster.next++
		id = r.cluster.next
		r.fresh = append(r.fresh, of)
	}
	r.next = append(r.next, live{id: id, slot: slot, total: notBegun, last: uint32(r.draft.endOf(id, r.cluster.ended) / 1000)})
}

func (r *roll) remember() {
	if r.ended != nil {
		return
	}
	r.ended = map[identity]uint32{}
	alive := idsOf(r.cluster.live)
	for i := range r.draft.labels {
		if l := &r.draft.labels[i]; !alive[l.id] {
			r.ended[r.draft.identity(l)] = l.id
		}
	}
}

func (r *roll) done() {
	for _, l := range r.old {
		r.end(l)
	}
	r.cluster.live = slices.Clip(r.next)
	if len(r.fresh) > 0 {
		r.draft.relabel(func(uint32) bool { return true }, r.fresh, r.first)
	}
	if len(r.gone) > 0 {
		slices.SortStableFunc(r.gone, func(a, b end) int { return int(a.at - b.at) })
		r.draft.ends = slices.Concat(r.draft.ends, r.gone)
		r.draft.changed = true
	}
}

func idsOf(all []live) map[uint32]bool {
	ids := make(map[uint32]bool, len(all))
	for i := range all {
		ids[all[i].id] = true
	}
	return ids
}

// label is that of an id, which is there.
func (p *past) label(id uint32) *label {
	return &p.labels[sort.Search(len(p.labels), func(i int) bool { return p.labels[i].id >= id })]
}

// lastEnd is when something ended last, in milliseconds.
func (p *past) lastEnd() int64 {
	if len(p.ends) == 0 {
		return 0
	}
	return p.ends[len(p.ends)-1].at
}

// endOf is when a series ended last, or `all`, when all did, if that was later.
func (p *past) endOf(id uint32, all int64) int64 {
	for _, e := range slices.Backward(p.ends) {
		if e.id == id && !e.all {
			return max(e.at, all)
		}
	}
	return all
}
