package sink

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/series"
)

// clusterTracker holds what the batcher needs to make the batches of one cluster.
type clusterTracker struct {
	// epoch and objects identify the objects that inventory is made from.
	epoch     uint64
	objects   state.ObjectsID
	inventory *samples.Inventory
	cpuTimes  []series.CPUTime // by slot
	usage     *state.Usage
	lastBatch time.Time
}

// report returns the batches of a report: one of the objects that were removed since the
// last report, if any, and one of the objects that exist.
func (t *clusterTracker) report(e *event) ([]*Batch, error) {
	var batches []*Batch
	if t.inventory == nil || t.epoch != e.state.Epoch || t.objects != e.state.ObjectsID() {
		s, err := e.state.State()
		if err != nil {
			return nil, err
		}
		batches = t.updateInventory(e, s)
	}
	var usage *state.Usage
	if e.usage {
		usage = e.state.Usage
		t.usage = usage
	}
	counts := history.CountsOf(&e.counts)
	return append(batches, &Batch{
		Cluster: e.cluster, At: t.nextTimestamp(e.at), Counts: &counts,
		inventory: t.inventory, usage: usage, totals: t.integrate(usage, e.at),
	}), nil
}

// nextTimestamp returns the time of the next batch: at in whole milliseconds, or one
// millisecond after the previous batch if that is later.
func (t *clusterTracker) nextTimestamp(at time.Time) time.Time {
	at = at.Truncate(time.Millisecond)
	if !at.After(t.lastBatch) {
		at = t.lastBatch.Add(time.Millisecond)
	}
	t.lastBatch = at
	return at
}

// updateInventory replaces the inventory. It returns a batch of the objects that were
// removed, if any.
func (t *clusterTracker) updateInventory(e *event, s *state.State) []*Batch {
	old, next := t.inventory, samples.NewInventory(s)
	if old == nil {
		old = &samples.Inventory{}
	}
	var removed []int
	known := series.Reconciler{
		Len: old.NumSeries(), Ended: func(i int) { removed = append(removed, i) },
		Object: func(i int) series.Object {
			object, _ := old.Series(i)
			return object
		},
	}
	restarted := t.inventory != nil && t.epoch != s.Epoch
	var cpuTimes []series.CPUTime
	for i := range next.NumSeries() {
		object, slot := next.Series(i)
		cpuTimes = append(cpuTimes, make([]series.CPUTime, max(0, int(slot)+1-len(cpuTimes)))...)
		n, ok := known.Find(object)
		if !ok || restarted {
			continue
		}
		// An object with another slot has been removed in between, and exists again.
		if _, before := old.Series(n); before == slot && int(slot) < len(t.cpuTimes) {
			cpuTimes[slot] = t.cpuTimes[slot]
		}
	}
	known.Finish()
	var batches []*Batch
	if len(removed) > 0 {
		batches = append(batches, &Batch{Cluster: e.cluster, At: t.nextTimestamp(e.at), Ended: true, inventory: old.Only(removed), usage: t.usage})
	}
	t.inventory, t.cpuTimes, t.epoch, t.objects = next, cpuTimes, s.Epoch, e.state.ObjectsID()
	return batches
}

// integrate adds a reading of usage, and returns the CPU times of the series that have a
// new sample. It leaves out the first sample of a series, since another master may have
// sent the same sample with another total.
func (t *clusterTracker) integrate(u *state.Usage, at time.Time) []int64 {
	if u == nil {
		return nil
	}
	totals := slices.Repeat([]int64{noTotal}, len(u.BySlot))
	for slot := range min(len(u.BySlot), len(t.cpuTimes)) {
		c, used := &t.cpuTimes[slot], &u.BySlot[slot]
		first := c.Last() == 0
		if c.Add(used, series.SampledAt(used, at), series.MaxGap) && !first {
			totals[slot] = c.Total()
		}
	}
	return totals
}

// endSession returns a batch that ends all series. The CPU times restart at 0.
func (t *clusterTracker) endSession(cluster string, at time.Time) *Batch {
	for slot := range t.cpuTimes {
		t.cpuTimes[slot].Stop()
	}
	return &Batch{Cluster: cluster, At: t.nextTimestamp(at), Ended: true, Counts: &history.Counts{}, inventory: t.inventory, usage: t.usage}
}
