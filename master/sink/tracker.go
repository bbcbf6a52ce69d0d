package sink

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/heapster"
)

// lookback is the longest time between two samples for which a rate is integrated.
const lookback = 150 * time.Second

// clusterTracker holds what the batcher needs to make the batches of one cluster.
type clusterTracker struct {
	// last is the last State, without its objects. inventory is made from it.
	last      *state.State
	inventory *heapster.Inventory
	owners    []uint64 // by slot; see heapster.Inventory.SlotOwners
	usage     *state.Usage
	cpuTimes  []cpuTime // by slot
	lastBatch time.Time
}

// cpuTime is the CPU time of one node or container: the integral of its sampled rates.
type cpuTime struct {
	total int64      // millicore-seconds
	at    state.Time // of the last sample; 0 if there is none
	// valid is false if the next sample restarts the total at 0.
	valid bool
}

// report returns the batches of a report: one of the objects that were removed since the
// last report, if any, and one of the objects that exist.
func (t *clusterTracker) report(e *event) []*Batch {
	var batches []*Batch
	if t.last == nil || t.last.Epoch != e.state.Epoch || !t.last.SameObjects(e.state) {
		batches = t.updateInventory(e)
	}
	t.last = e.state.WithoutObjects()
	var usage *state.Usage
	if e.usage {
		usage = e.state.Usage
		t.usage = usage
	}
	counts := e.counts
	counts.Problems = nil
	return append(batches, &Batch{
		Cluster: e.cluster, At: t.nextTimestamp(e.at), Counts: &counts,
		inventory: t.inventory, usage: usage, totals: t.integrate(usage),
	})
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
func (t *clusterTracker) updateInventory(e *event) []*Batch {
	next := heapster.NewInventory(e.state)
	var batches []*Batch
	if t.inventory != nil {
		if removed := t.inventory.Removed(next); removed != nil {
			batches = append(batches, &Batch{Cluster: e.cluster, At: t.nextTimestamp(e.at), Ended: true, inventory: removed, usage: t.usage})
		}
	}
	owners := next.SlotOwners()
	if t.last != nil && t.last.Epoch != e.state.Epoch {
		t.cpuTimes = nil
	}
	for slot := range t.cpuTimes {
		if slot >= len(owners) || slot >= len(t.owners) || owners[slot] != t.owners[slot] {
			t.cpuTimes[slot] = cpuTime{}
		}
	}
	t.inventory, t.owners = next, owners
	return batches
}

// integrate adds a reading of usage, and returns the CPU times of the series that have a
// new sample. It leaves out the first sample of a series, since another master may have
// sent the same sample with another total.
func (t *clusterTracker) integrate(u *state.Usage) []int64 {
	if u == nil {
		return nil
	}
	t.cpuTimes = slices.Grow(t.cpuTimes, max(0, len(u.BySlot)-len(t.cpuTimes)))
	t.cpuTimes = t.cpuTimes[:max(len(t.cpuTimes), len(u.BySlot))]
	totals := make([]int64, len(u.BySlot))
	for slot := range u.BySlot {
		totals[slot] = t.cpuTimes[slot].add(&u.BySlot[slot])
	}
	return totals
}

// add adds a sample, and returns the total, or noTotal if it is not to be sent.
func (c *cpuTime) add(u *state.Used) int64 {
	since := int64(u.SampledAt) - int64(c.at)
	if since <= 0 {
		return noTotal
	}
	first, valid := c.at == 0, c.valid && since <= int64(lookback.Seconds())
	c.at, c.valid = u.SampledAt, true
	if !valid {
		c.total = 0
	} else {
		c.total += u.CPUMillis * since
	}
	if first {
		return noTotal
	}
	return c.total
}

// endSession returns a batch that ends all series. The CPU times restart at 0.
func (t *clusterTracker) endSession(cluster string, at time.Time) *Batch {
	for slot := range t.cpuTimes {
		t.cpuTimes[slot].valid = false
	}
	return &Batch{Cluster: cluster, At: t.nextTimestamp(at), Ended: true, Counts: &state.Summary{}, inventory: t.inventory, usage: t.usage}
}
