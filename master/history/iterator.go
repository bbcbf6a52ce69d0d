package history

// seriesIterator iterates over the samples and ends of one series.
type seriesIterator struct {
	chunks []*chunk
	ends   []end
	id     uint32
	// cluster is true if id is a Count. Such a series ends only with the cluster's session.
	cluster  bool
	from, to int64

	// active is true after a sample, and false at the start and after an end.
	active bool
	total  int64
	last   int64 // time of the last sample
}

func (it seriesIterator) each(m Metric, yield func(Sample) bool) {
	var col column
	for _, c := range it.chunks {
		if c.first > it.to {
			break
		}
		if c.find(it.id, &col) && !it.column(c, &col, m, yield) {
			return
		}
	}
	it.yieldEnd(it.to, yield)
}

// column yields the samples of one chunk. It returns false if the iteration is over.
func (it *seriesIterator) column(c *chunk, col *column, m Metric, yield func(Sample) bool) bool {
	first := true
	for row := range c.times {
		if !col.has(row) {
			continue
		}
		at := c.timeOf(col, row)
		if at > it.to {
			return it.yieldEnd(it.to, yield)
		}
		if !it.yieldEnd(at-1, yield) {
			return false
		}
		it.integrate(col, row, at, first)
		first = false
		if at >= it.from && !yield(Sample{Time: at, Value: it.value(col, row, m)}) {
			return false
		}
		it.active, it.last = true, at
	}
	return true
}

// integrate updates the total. It is 0 at the first sample after an end.
func (it *seriesIterator) integrate(col *column, row int, at int64, first bool) {
	switch {
	case first:
		it.total = col.total
	case !it.active:
		it.total = 0
	default:
		it.total += max(col.values[cpuField][row], 0) * ((at - it.last) / 1000)
	}
}

func (it *seriesIterator) value(col *column, row int, m Metric) int64 {
	switch m {
	case Memory:
		return col.values[memoryField][row]
	case CPUTotal:
		return it.total
	}
	return col.values[cpuField][row]
}

// yieldEnd yields the end of the series if it has ended at or before an instant. It
// returns false if the iteration is over.
func (it *seriesIterator) yieldEnd(until int64, yield func(Sample) bool) bool {
	for len(it.ends) > 0 && it.ends[0].at <= until {
		e := it.ends[0]
		it.ends = it.ends[1:]
		matches := e.all || !it.cluster && e.id == it.id
		if !matches || !it.active || e.at <= it.last {
			continue
		}
		it.active = false
		if e.at >= it.from && !yield(Sample{Time: e.at, Stale: true}) {
			return false
		}
	}
	return true
}
