package history

import (
	"math"
	"slices"
	"unsafe"
)

// trim drops the chunks that are older than the cutoff, and what nothing is left of.
func (c *cluster) trim(d *draft) {
	usage, counts := old(d.usage, d.cutoff), old(d.counts, d.cutoff)
	if usage+counts == 0 {
		return
	}
	d.usage, d.counts = slices.Clone(d.usage[usage:]), slices.Clone(d.counts[counts:])
	d.changed = true
	c.retire(d)
}

// old is how many chunks have nothing that is as new as the cutoff.
func old(chunks []*chunk, cutoff int64) int {
	n := 0
	for n < len(chunks) && chunks[n].last < cutoff {
		n++
	}
	return n
}

// retire lets go of the ends before the oldest sample, and of labels without samples.
func (c *cluster) retire(d *draft) {
	oldest := d.oldest()
	first := slices.IndexFunc(d.ends, func(e end) bool { return e.at >= oldest })
	if first < 0 {
		first = len(d.ends)
	}
	d.ends = slices.Clone(d.ends[first:])
	keep := idsOf(c.live)
	for _, e := range d.ends {
		if e.all {
			return
		}
		keep[e.id] = true
	}
	if len(keep) < len(d.labels) {
		d.relabel(func(id uint32) bool { return keep[id] }, nil, 0)
	}
}

// oldest is the time of the oldest sample in milliseconds, far in the future where
// there is none.
func (p *past) oldest() int64 {
	t := int64(math.MaxInt64)
	for _, c := range slices.Concat(p.usage, p.counts) {
		t = min(t, c.first)
	}
	return t
}

// newest is the time of the newest sample in milliseconds, 0 where there is none.
func (p *past) newest() int64 {
	t := int64(0)
	for _, c := range slices.Concat(p.usage, p.counts) {
		t = max(t, c.last)
	}
	return t
}

func (p *past) empty() bool { return len(p.usage)+len(p.counts) == 0 }

// size is what it takes of memory, in bytes.
func (p *past) size() int64 {
	n := int64(unsafe.Sizeof(*p)) + int64(unsafe.Sizeof(cluster{})) + int64(cap(p.ends))*int64(unsafe.Sizeof(end{}))
	n += int64(cap(p.labels))*labelSize + int64(len(p.text))
	for _, chunks := range [][]*chunk{p.usage, p.counts} {
		n += int64(cap(chunks)) * int64(unsafe.Sizeof((*chunk)(nil)))
		for _, c := range chunks {
			n += c.size()
		}
	}
	return n
}

func (p *past) samples() int {
	n := 0
	for _, chunks := range [][]*chunk{p.usage, p.counts} {
		for _, c := range chunks {
			n += c.samples
		}
	}
	return n
}

// sweep drops what is older than the cutoff. The cluster is gone where nothing is left
// of one that does not report.
func (c *cluster) sweep(cutoff int64) (grown int64, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.draft(cutoff)
	c.trim(d)
	grown = c.publish(d)
	if d.empty() && !c.open && !c.gone {
		c.gone = true
		grown -= c.size
	}
	return grown, c.gone
}

// forget makes the cluster gone, and says how many bytes it had.
func (c *cluster) forget() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0
	}
	c.gone = true
	return c.size
}

// evict drops the oldest chunk, and says how many samples that were and by how much the
// cluster grew. A cluster whose last chunk went begins anew with its next report.
func (c *cluster) evict() (samples int, grown int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.draft(0)
	if c.gone || d.empty() {
		return 0, 0
	}
	chunks := &d.usage
	if len(d.usage) == 0 || len(d.counts) > 0 && d.counts[0].last < d.usage[0].last {
		chunks = &d.counts
	}
	dropped := (*chunks)[0]
	*chunks = slices.Clone((*chunks)[1:])
	d.lost, d.changed = max(d.lost, dropped.last), true
	if d.empty() {
		c.ended = max(c.ended, d.lost)
		c.rest()
		d.labels, d.text, d.ends = nil, "", nil
	}
	c.retire(d)
	return dropped.samples, c.publish(d)
}
