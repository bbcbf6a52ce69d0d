package history

import (
	"math"
	"slices"
	"unsafe"
)

// trim drops the chunks that are older than the cutoff, and unused ends and labels.
func (c *cluster) trim(d *draft) {
	usage, counts := expired(d.usage, d.cutoff), expired(d.counts, d.cutoff)
	if usage+counts == 0 {
		return
	}
	d.usage, d.counts = slices.Clone(d.usage[usage:]), slices.Clone(d.counts[counts:])
	d.changed = true
	c.dropUnused(d)
}

// expired returns how many chunks have only samples from before the cutoff.
func expired(chunks []*chunk, cutoff int64) int {
	n := 0
	for n < len(chunks) && chunks[n].last < cutoff {
		n++
	}
	return n
}

// dropUnused drops the ends before the oldest sample, and labels without samples.
func (c *cluster) dropUnused(d *draft) {
	oldest := d.oldest()
	first := slices.IndexFunc(d.ends, func(e end) bool { return e.at >= oldest })
	if first < 0 {
		first = len(d.ends)
	}
	d.ends = slices.Clone(d.ends[first:])
	keep := idsOf(c.active)
	for _, e := range d.ends {
		if e.all {
			return
		}
		keep[e.id] = true
	}
	if len(keep) < len(d.labels) {
		d.rebuildLabels(func(id uint32) bool { return keep[id] }, nil, 0)
	}
}

// oldest returns the time of the oldest sample in milliseconds, or math.MaxInt64 if there
// is none.
func (d *clusterData) oldest() int64 {
	t := int64(math.MaxInt64)
	for _, c := range slices.Concat(d.usage, d.counts) {
		t = min(t, c.first)
	}
	return t
}

// newest returns the time of the newest sample in milliseconds, or 0 if there is none.
func (d *clusterData) newest() int64 {
	t := int64(0)
	for _, c := range slices.Concat(d.usage, d.counts) {
		t = max(t, c.last)
	}
	return t
}

func (d *clusterData) empty() bool { return len(d.usage)+len(d.counts) == 0 }

// size returns the memory of the data in bytes.
func (d *clusterData) size() int64 {
	n := int64(unsafe.Sizeof(*d)) + int64(unsafe.Sizeof(cluster{})) + int64(cap(d.ends))*int64(unsafe.Sizeof(end{}))
	n += int64(cap(d.labels))*labelSize + int64(len(d.text))
	for _, chunks := range [][]*chunk{d.usage, d.counts} {
		n += int64(cap(chunks)) * int64(unsafe.Sizeof((*chunk)(nil)))
		for _, c := range chunks {
			n += c.size()
		}
	}
	return n
}

func (d *clusterData) samples() int {
	n := 0
	for _, chunks := range [][]*chunk{d.usage, d.counts} {
		for _, c := range chunks {
			n += c.samples
		}
	}
	return n
}

// sweep drops samples from before the cutoff, and returns by how many bytes the cluster
// has grown. If nothing is left and the cluster does not report, it is removed.
func (c *cluster) sweep(cutoff int64) (grown int64, removed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.draft(cutoff)
	c.trim(d)
	grown = c.publish(d)
	if d.empty() && !c.reporting && !c.removed {
		c.removed = true
		grown -= c.size
	}
	return grown, c.removed
}

// forget marks the cluster as removed, and returns its size in bytes.
func (c *cluster) forget() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return 0
	}
	c.removed = true
	return c.size
}

// evict drops the oldest chunk. It returns the number of its samples, and by how many bytes
// the cluster has grown. A cluster without chunks starts from scratch with its next report.
func (c *cluster) evict() (samples int, grown int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.draft(0)
	if c.removed || d.empty() {
		return 0, 0
	}
	chunks := &d.usage
	if len(d.usage) == 0 || len(d.counts) > 0 && d.counts[0].last < d.usage[0].last {
		chunks = &d.counts
	}
	dropped := (*chunks)[0]
	*chunks = slices.Clone((*chunks)[1:])
	d.evictedUntil, d.changed = max(d.evictedUntil, dropped.last), true
	if d.empty() {
		c.ended = max(c.ended, d.evictedUntil)
		c.release()
		d.labels, d.text, d.ends = nil, "", nil
	}
	c.dropUnused(d)
	return dropped.samples, c.publish(d)
}
