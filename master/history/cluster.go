package history

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"rollcall.dev/rollcall/api/state"
)

const (
	// countsStep is the least time between two samples of the counts, countsEvery the
	// most, where there are reports.
	countsStep  = 4 * time.Second
	countsEvery = 15 * time.Second
)

// Fields of a sample of usage. Lag is by how many seconds a sample is older than its
// row.
const (
	cpuField = iota
	memoryField
	lagField
	usageFields
)

// past is what is kept of a cluster. It is never mutated.
type past struct {
	// labels are by ascending id; text has the names of all.
	labels []label
	text   string
	// ends are by time.
	ends          []end
	usage, counts []*chunk
	// lost is until when samples were let go of for want of memory, in Unix
	// milliseconds; 0: none were.
	lost int64
}

// end is when a series ended, or all of a cluster.
type end struct {
	at  int64
	id  uint32
	all bool
}

// live is a series that may get samples.
type live struct {
	// total is the integral at the last sample; notBegun: there was none since the
	// series began, or began again.
	total int64
	// last is when the last sample was taken, in Unix seconds: a next one must be later.
	// given is what the member said of it.
	last, given uint32
	id, slot    uint32
}

const notBegun = -1

func (l *live) begun() bool { return l.total != notBegun }

// cluster keeps the past of one cluster.
type cluster struct {
	// Read by anyone.
	present atomic.Pointer[past]
	// readAt is when it was last read, in Unix milliseconds.
	readAt atomic.Int64

	// Owned by who holds mu: the one that adds, or makes room.
	mu   sync.Mutex
	gone bool
	size int64
	next uint32 // id
	// open says that a session reports, ended when the last one ended (milliseconds).
	open  bool
	ended int64
	// held is what was reported last, without a sample's age.
	held           *state.State
	epoch, reading uint64
	// live are in key order.
	live []live
	// strangers are the slots in the last reading that have no series; see strangersOf.
	// anew says that objects moved since, and the next reading may begin some.
	strangers uint64
	anew      bool
	counted   counts
	countedAt int64
}

func newCluster() *cluster {
	c := &cluster{}
	c.present.Store(&past{})
	c.size = c.present.Load().size()
	return c
}

// draft is a past that is being made.
type draft struct {
	past
	changed bool
	// cutoff is before when nothing is kept, in milliseconds.
	cutoff int64
}

func (c *cluster) draft(cutoff int64) *draft { return &draft{past: *c.present.Load(), cutoff: cutoff} }

// publish says by how much the cluster grew, in bytes.
func (c *cluster) publish(d *draft) int64 {
	if !d.changed {
		return 0
	}
	p := d.past
	c.present.Store(&p)
	before := c.size
	c.size = p.size() + int64(cap(c.live))*int64(unsafe.Sizeof(live{}))
	return c.size - before
}

// add takes in what was reported, and says by how much the cluster grew.
func (c *cluster) add(s *state.State, sum *state.Summary, at time.Time, window time.Duration) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || at.UnixMilli() <= c.ended {
		return 0
	}
	c.open = true
	d := c.draft(at.Add(-window).UnixMilli())
	fresh := s.Usage != nil && (s.Epoch != c.epoch || s.Usage.N != c.reading)
	c.follow(d, s, at, fresh)
	if fresh {
		c.epoch, c.reading = s.Epoch, s.Usage.N
		c.sample(d, s.Usage, at)
	}
	c.count(d, sum, at.UnixMilli())
	c.trim(d)
	return c.publish(d)
}

// sample takes in a reading of usage.
func (c *cluster) sample(d *draft, u *state.Usage, at time.Time) {
	row := int64(0)
	for i := range c.live {
		if used := u.Of(c.live[i].slot); used != nil {
			row = max(row, sampledAt(used, at))
		}
	}
	cells := make([]cell, 0, len(c.live))
	for i := range c.live {
		l := &c.live[i]
		used := u.Of(l.slot)
		if used == nil {
			continue
		}
		if t := sampledAt(used, at); t*1000 >= d.cutoff && l.take(used, t) {
			cells = append(cells, cell{id: l.id, total: l.total, values: [maxFields]int64{used.CPUMillis, used.MemoryBytes, row - t}})
		}
	}
	if len(cells) == 0 {
		return
	}
	slices.SortFunc(cells, func(a, b cell) int { return int(int64(a.id) - int64(b.id)) })
	d.usage = grow(d.usage, row*1000, cells, usageFields)
	d.changed = true
}

// sampledAt is when a sample was taken, in Unix seconds: by the member's clock, and
// where that is ahead, when it arrived.
func sampledAt(used *state.Used, at time.Time) int64 { return min(int64(used.SampledAt), at.Unix()) }

// take counts a sample in, and says that it is a new one. The integral takes the rate to
// have been the same since the sample before.
func (l *live) take(used *state.Used, at int64) bool {
	if at <= int64(l.last) || uint32(used.SampledAt) == l.given {
		return false
	}
	if l.begun() {
		l.total += max(used.CPUMillis, 0) * (at - int64(l.last))
	} else {
		l.total = 0
	}
	l.last, l.given = uint32(at), uint32(used.SampledAt)
	return true
}

// count takes in the counts where they moved, or were not for some time.
func (c *cluster) count(d *draft, sum *state.Summary, at int64) {
	since := at - c.countedAt
	if since < countsStep.Milliseconds() {
		return
	}
	n := countsOf(sum)
	if n == c.counted && since < countsEvery.Milliseconds() {
		return
	}
	c.counted, c.countedAt = n, at
	d.counts = grow(d.counts, at, n.cells(), 1)
	d.changed = true
}

// grow is a row of chunks with a reading more; chunks stays as it was.
func grow(chunks []*chunk, at int64, cells []cell, fields int) []*chunk {
	var newest *chunk
	if len(chunks) > 0 {
		newest = chunks[len(chunks)-1]
	}
	if newest.full(at) {
		return append(slices.Clip(chunks), (*chunk)(nil).with(at, cells, fields))
	}
	return append(slices.Clip(chunks[:len(chunks)-1]), newest.with(at, cells, fields))
}

// finish ends all series, as a session's end does.
func (c *cluster) finish(at time.Time, window time.Duration) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone || !c.open {
		return 0
	}
	d := c.draft(at.Add(-window).UnixMilli())
	ended := max(at.UnixMilli(), d.newest()+1, d.lastEnd())
	d.ends = append(slices.Clip(d.ends), end{at: ended, all: true})
	d.changed = true
	c.open, c.ended = false, ended
	c.rest()
	c.trim(d)
	return c.publish(d)
}

// rest lets go of all that is only needed to add.
func (c *cluster) rest() {
	c.held, c.live, c.epoch, c.reading = nil, nil, 0, 0
	c.counted, c.countedAt = counts{}, 0
}
