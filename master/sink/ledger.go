package sink

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/heapster"
)

// lookback is how long a rate may stand for the time before its sample.
const lookback = 150 * time.Second

// ledger is what the clerk keeps of one cluster.
type ledger struct {
	// held is the last State without its objects, roster what it said.
	held   *state.State
	roster *heapster.Roster
	slots  []uint64 // whose a slot is
	usage  *state.Usage
	sums   []integral // by slot
	last   time.Time  // of the last batch
}

// integral is a series' CPU time.
type integral struct {
	total int64 // millicores and seconds
	at    state.Time
	// runs says that total counts from a sample that is not too long ago.
	runs bool
}

// take makes the batches of one report: what went, and what there is.
func (l *ledger) take(n *news) []*Batch {
	var batches []*Batch
	if l.held == nil || l.held.Epoch != n.state.Epoch || !l.held.SameObjects(n.state) {
		batches = l.follow(n)
	}
	l.held = light(n.state)
	var usage *state.Usage
	if n.usage {
		usage = n.state.Usage
		l.usage = usage
	}
	counts := n.counts
	counts.Problems = nil
	return append(batches, &Batch{
		Cluster: n.cluster, At: l.tick(n.at), Counts: &counts,
		roster: l.roster, usage: usage, totals: l.integrate(usage),
	})
}

// tick is a batch's time: none is like the one before.
func (l *ledger) tick(at time.Time) time.Time {
	at = at.Truncate(time.Millisecond)
	if !at.After(l.last) {
		at = l.last.Add(time.Millisecond)
	}
	l.last = at
	return at
}

// light is s without objects that it could fetch again.
func light(s *state.State) *state.State {
	if stowed := s.Restow(); stowed != nil {
		return stowed
	}
	return s
}

// follow takes in other objects than before, and gives a batch of those that went.
func (l *ledger) follow(n *news) []*Batch {
	next := heapster.NewRoster(n.state)
	var batches []*Batch
	if l.roster != nil {
		if gone := l.roster.Without(next); gone != nil {
			batches = append(batches, &Batch{Cluster: n.cluster, At: l.tick(n.at), Ended: true, roster: gone, usage: l.usage})
		}
	}
	slots := next.Slots()
	if l.held != nil && l.held.Epoch != n.state.Epoch {
		l.sums = nil
	}
	for slot := range l.sums {
		if slot >= len(slots) || slot >= len(l.slots) || slots[slot] != l.slots[slot] {
			l.sums[slot] = integral{}
		}
	}
	l.roster, l.slots = next, slots
	return batches
}

// integrate adds a reading, and gives the totals of series with a new sample. The first
// of a series is not told: another master may have sent it, with another total.
func (l *ledger) integrate(u *state.Usage) []int64 {
	if u == nil {
		return nil
	}
	l.sums = slices.Grow(l.sums, max(0, len(u.BySlot)-len(l.sums)))
	l.sums = l.sums[:max(len(l.sums), len(u.BySlot))]
	totals := make([]int64, len(u.BySlot))
	for slot := range u.BySlot {
		totals[slot] = l.sums[slot].add(&u.BySlot[slot])
	}
	return totals
}

// add takes in a sample, and gives the total to tell.
func (i *integral) add(u *state.Used) int64 {
	since := int64(u.SampledAt) - int64(i.at)
	if since <= 0 {
		return noTotal
	}
	known, runs := i.at != 0, i.runs && since <= int64(lookback.Seconds())
	i.at, i.runs = u.SampledAt, true
	if !runs {
		i.total = 0
	} else {
		i.total += u.CPUMillis * since
	}
	if !known {
		return noTotal
	}
	return i.total
}

// end ends a session: all that was told of is there no more, and CPU time begins anew.
func (l *ledger) end(cluster string, at time.Time) *Batch {
	for slot := range l.sums {
		l.sums[slot].runs = false
	}
	return &Batch{Cluster: cluster, At: l.tick(at), Ended: true, Counts: &state.Summary{}, roster: l.roster, usage: l.usage}
}
