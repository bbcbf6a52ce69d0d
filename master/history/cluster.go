package history

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/series"
)

const (
	// countsMinInterval and countsMaxInterval bound the time between two samples of the
	// counts while the cluster reports.
	countsMinInterval = 4 * time.Second
	countsMaxInterval = 15 * time.Second
)

// The fields of a sample of usage. Lag is how much older the sample is than its row, in
// seconds.
const (
	cpuField = iota
	memoryField
	lagField
	usageFields
)

// clusterData is the kept data of a cluster. It is immutable.
type clusterData struct {
	// labels are sorted by id. text has the names of all labels.
	labels []label
	text   string
	// ends are sorted by time.
	ends          []end
	usage, counts []*chunk
	// evictedUntil is the time of the newest sample that was evicted for lack of memory, in
	// Unix milliseconds; 0 if none was.
	evictedUntil int64
}

// end is the end of a series or, if all is true, of all series of the cluster.
type end struct {
	at  int64
	id  uint32
	all bool
}

// activeSeries is a series whose node or container exists.
type activeSeries struct {
	series.CPUTime
	id, slot uint32
}

// cluster keeps the data of one cluster.
type cluster struct {
	// Read by any goroutine.
	current atomic.Pointer[clusterData]
	// readAt is the time of the last Read, in Unix milliseconds.
	readAt atomic.Int64

	// Guarded by mu.
	mu      sync.Mutex
	removed bool
	size    int64 // bytes
	lastID  uint32
	// reporting is true while there is a session. ended is the end of the last session, in
	// milliseconds.
	reporting bool
	ended     int64
	// lastEpoch and lastObjects identify the last reported objects. epoch and reading identify
	// the last reading of usage.
	lastEpoch      uint64
	lastObjects    state.ObjectsID
	epoch, reading uint64
	// active are the active series, in key order.
	active []activeSeries
	// unknown is the value of unknownSlots for the last reading.
	unknown uint64
	// startPending is true if objects have changed since the last reading, so that the next
	// one may start series.
	startPending bool
	lastCounts   Counts
	lastCountsAt int64
}

func newCluster() *cluster {
	c := &cluster{}
	c.current.Store(&clusterData{})
	c.size = c.current.Load().size()
	return c
}

// draft is a clusterData that is being changed.
type draft struct {
	clusterData
	changed bool
	// cutoff is the time before which samples are dropped, in milliseconds.
	cutoff int64
}

func (c *cluster) draft(cutoff int64) *draft {
	return &draft{clusterData: *c.current.Load(), cutoff: cutoff}
}

// publish publishes a draft, and returns by how many bytes the cluster has grown.
func (c *cluster) publish(d *draft) int64 {
	if !d.changed {
		return 0
	}
	data := d.clusterData
	c.current.Store(&data)
	before := c.size
	c.size = data.size() + int64(cap(c.active))*int64(unsafe.Sizeof(activeSeries{}))
	return c.size - before
}

// add adds a report, and returns by how many bytes the cluster has grown.
func (c *cluster) add(s *wire.LazyState, sum *state.Summary, at time.Time, window time.Duration) (grown int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed || at.UnixMilli() <= c.ended {
		return 0, nil
	}
	c.reporting = true
	d := c.draft(at.Add(-window).UnixMilli())
	newReading := s.Usage != nil && (s.Epoch != c.epoch || s.Usage.N != c.reading)
	err = c.reconcile(d, s, at, newReading)
	if newReading {
		c.epoch, c.reading = s.Epoch, s.Usage.N
		c.addUsage(d, s.Usage, at)
	}
	c.addCounts(d, sum, at.UnixMilli())
	c.trim(d)
	return c.publish(d), err
}

// addUsage adds a row with the new samples of a reading.
func (c *cluster) addUsage(d *draft, u *state.Usage, at time.Time) {
	row := int64(0)
	for i := range c.active {
		if used := u.Of(c.active[i].slot); used != nil {
			row = max(row, series.SampledAt(used, at))
		}
	}
	cells := make([]cell, 0, len(c.active))
	for i := range c.active {
		a := &c.active[i]
		used := u.Of(a.slot)
		if used == nil {
			continue
		}
		if t := series.SampledAt(used, at); t*1000 >= d.cutoff && a.Add(used, t, 0) {
			cells = append(cells, cell{id: a.id, total: a.Total(), values: [maxFields]int64{used.CPUMillis, used.MemoryBytes, row - t}})
		}
	}
	if len(cells) == 0 {
		return
	}
	slices.SortFunc(cells, func(a, b cell) int { return int(int64(a.id) - int64(b.id)) })
	d.usage = appendRow(d.usage, row*1000, cells, usageFields)
	d.changed = true
}

// addCounts adds the counts if they have changed, or after countsMaxInterval.
func (c *cluster) addCounts(d *draft, sum *state.Summary, at int64) {
	since := at - c.lastCountsAt
	if since < countsMinInterval.Milliseconds() {
		return
	}
	n := CountsOf(sum)
	if n == c.lastCounts && since < countsMaxInterval.Milliseconds() {
		return
	}
	c.lastCounts, c.lastCountsAt = n, at
	d.counts = appendRow(d.counts, at, n.cells(), 1)
	d.changed = true
}

// appendRow returns chunks with one more row. It does not modify chunks.
func appendRow(chunks []*chunk, at int64, cells []cell, fields int) []*chunk {
	var newest *chunk
	if len(chunks) > 0 {
		newest = chunks[len(chunks)-1]
	}
	if newest.full(at) {
		return append(slices.Clip(chunks), (*chunk)(nil).withRow(at, cells, fields))
	}
	return append(slices.Clip(chunks[:len(chunks)-1]), newest.withRow(at, cells, fields))
}

// endSession ends all series.
func (c *cluster) endSession(at time.Time, window time.Duration) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed || !c.reporting {
		return 0
	}
	d := c.draft(at.Add(-window).UnixMilli())
	ended := max(at.UnixMilli(), d.newest()+1, d.lastEnd())
	d.ends = append(slices.Clip(d.ends), end{at: ended, all: true})
	d.changed = true
	c.reporting, c.ended = false, ended
	c.release()
	c.trim(d)
	return c.publish(d)
}

// release drops the data that only add needs.
func (c *cluster) release() {
	c.lastEpoch, c.lastObjects, c.active, c.epoch, c.reading = 0, state.ObjectsID{}, nil, 0, 0
	c.lastCounts, c.lastCountsAt = Counts{}, 0
}
