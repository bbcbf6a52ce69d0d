package sink

import (
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/heapster"
)

// Batch is what one cluster reported at one time. It is never changed.
type Batch struct {
	Cluster string
	// At is when it came, on the master's clock; each batch of a cluster is later than
	// the one before.
	At time.Time
	// Ended says that it is no report: what is in it is there no more, and has the values
	// and times that it had last.
	Ended bool
	// Counts are nil in one that has Ended and is not of the whole cluster.
	Counts *state.Summary

	roster *heapster.Roster
	usage  *state.Usage
	totals []int64 // by slot; noTotal where there is none
}

// noTotal is the CPU time of a series of which there is no sample that was not there
// before.
const noTotal = -1

// Len is how many Sets there are.
func (b *Batch) Len() int { return b.roster.Len() }

// Sets are all metrics. One has cpu/usage where there is a sample of it that no batch
// before had.
func (b *Batch) Sets() iter.Seq[heapster.Set] {
	return b.roster.Sets(heapster.Reading{Usage: b.usage, At: b.At, Total: func(_ *heapster.Set, slot uint32) (int64, bool) {
		if int(slot) >= len(b.totals) || b.totals[slot] == noTotal {
			return 0, false
		}
		return b.totals[slot], true
	}})
}
