package history

import (
	"slices"
	"sort"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/series"
)

// reconcile makes the active series match the nodes and containers of a State. It ends
// the series of those that are gone. If the State has a new reading of usage, it starts a
// series for each object that has a first sample. It iterates over the objects only if
// they have changed, or if the reading has samples of unknown slots that the previous one
// did not have.
func (c *cluster) reconcile(d *draft, l *wire.LazyState, at time.Time, newReading bool) error {
	changed := c.lastEpoch != l.Epoch || c.lastObjects != l.ObjectsID()
	if newReading && (c.startPending || c.unknownSlots(l.Usage) != c.unknown) {
		changed = true
	}
	if !changed {
		return nil
	}
	s, err := l.State()
	if err != nil {
		return err
	}
	c.lastEpoch, c.lastObjects, c.startPending = l.Epoch, l.ObjectsID(), true
	r := reconciler{cluster: c, firstID: c.lastID + 1, draft: d, at: at.UnixMilli(), next: make([]activeSeries, 0, len(c.active))}
	known := series.Reconciler{
		Len: len(c.active), Object: func(i int) series.Object { return d.object(d.label(c.active[i].id)) },
		Ended: func(i int) { r.end(&c.active[i]) },
	}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range s.Entries(kind) {
			object := series.ObjectOf(e.Object)
			if i, ok := known.Find(object); ok {
				a := c.active[i]
				a.slot = e.Slot
				r.next = append(r.next, a)
			} else if newReading && s.Usage.Of(e.Slot) != nil && fits(object) {
				r.start(object, e.Slot)
			}
		}
	}
	known.Finish()
	r.finish()
	if newReading {
		c.startPending, c.unknown = false, c.unknownSlots(s.Usage)
	}
	return nil
}

// unknownSlots returns a checksum of the slots that have a sample but no active series; 0
// if there are none. Such a sample may belong to a container that has been removed.
func (c *cluster) unknownSlots(u *state.Usage) uint64 {
	sum := uint64(0)
	for slot := range u.BySlot {
		if u.BySlot[slot].SampledAt != 0 {
			sum += mix(slot)
		}
	}
	for i := range c.active {
		if u.Of(c.active[i].slot) != nil {
			sum -= mix(int(c.active[i].slot))
		}
	}
	return sum
}

// mix returns a hash of a slot (the finalizer of SplitMix64, without its last step).
func mix(slot int) uint64 {
	z := (uint64(slot) + 1) * 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	return z ^ z>>27
}

// reconciler collects what changes the active series.
type reconciler struct {
	cluster *cluster
	draft   *draft
	at      int64
	next    []activeSeries
	// started are new series. Their ids count up from firstID.
	started []series.Object
	firstID uint32
	ends    []end
	// inactive maps the kept series that are not active to their ids. It is nil until it is
	// needed.
	inactive map[series.Object]uint32
}

func (r *reconciler) end(a *activeSeries) {
	if a.Running() {
		r.ends = append(r.ends, end{at: max(r.at, a.Last()*1000+1, r.draft.lastEnd()), id: a.id})
	}
}

// start adds a new series, or reactivates a kept one with the same labels.
func (r *reconciler) start(object series.Object, slot uint32) {
	r.indexInactive()
	id, known := r.inactive[object]
	if !known {
		r.cluster.lastID++
		id = r.cluster.lastID
		r.started = append(r.started, object)
	}
	r.next = append(r.next, activeSeries{id: id, slot: slot, CPUTime: series.StartAfter(r.draft.endOf(id, r.cluster.ended) / 1000)})
}

func (r *reconciler) indexInactive() {
	if r.inactive != nil {
		return
	}
	r.inactive = map[series.Object]uint32{}
	active := idsOf(r.cluster.active)
	for i := range r.draft.labels {
		if l := &r.draft.labels[i]; !active[l.id] {
			r.inactive[r.draft.object(l)] = l.id
		}
	}
}

// finish updates the cluster and the draft.
func (r *reconciler) finish() {
	r.cluster.active = slices.Clip(r.next)
	if len(r.started) > 0 {
		r.draft.rebuildLabels(func(uint32) bool { return true }, r.started, r.firstID)
	}
	if len(r.ends) > 0 {
		slices.SortStableFunc(r.ends, func(a, b end) int { return int(a.at - b.at) })
		r.draft.ends = slices.Concat(r.draft.ends, r.ends)
		r.draft.changed = true
	}
}

func idsOf(all []activeSeries) map[uint32]bool {
	ids := make(map[uint32]bool, len(all))
	for i := range all {
		ids[all[i].id] = true
	}
	return ids
}

// label returns the label of a series, which must exist.
func (d *clusterData) label(id uint32) *label {
	return &d.labels[sort.Search(len(d.labels), func(i int) bool { return d.labels[i].id >= id })]
}

// lastEnd returns the time of the last end in milliseconds, or 0 if there is none.
func (d *clusterData) lastEnd() int64 {
	if len(d.ends) == 0 {
		return 0
	}
	return d.ends[len(d.ends)-1].at
}

// endOf returns when a series ended last, or sessionEnd if that is later.
func (d *clusterData) endOf(id uint32, sessionEnd int64) int64 {
	for _, e := range slices.Backward(d.ends) {
		if e.id == id && !e.all {
			return max(e.at, sessionEnd)
		}
	}
	return sessionEnd
}
