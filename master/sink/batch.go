package sink

import (
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
)

// Batch is a report of one cluster. It is immutable.
type Batch struct {
	Cluster string
	// At is when the master received the report, by the master's clock. It is later than that
	// of the cluster's previous batch.
	At time.Time
	// Ended is true if the objects of the batch no longer exist. They have the values and the
	// times of their last report.
	Ended bool
	// Counts is nil if Ended is true and the rest of the cluster still exists.
	Counts *history.Counts

	inventory *samples.Inventory
	usage     *state.Usage
	totals    []int64 // CPU time by slot, in millicore-seconds; noTotal if it is not sent
}

// noTotal marks a slot without a new sample, or with the first sample of its series.
const noTotal = -1

// Len returns the number of metric sets.
func (b *Batch) Len() int { return b.inventory.Len() }

// Sets yields the metric sets. Only those of a node or container with a new sample
// have the metric cpu/usage.
func (b *Batch) Sets() iter.Seq[samples.Set] {
	return b.inventory.Sets(samples.Reading{Usage: b.usage, At: b.At, Total: func(_ *samples.Set, slot uint32) (int64, bool) {
		if int(slot) >= len(b.totals) || b.totals[slot] == noTotal {
			return 0, false
		}
		return b.totals[slot], true
	}})
}
