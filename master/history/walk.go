package history

// walk goes along one series.
type walk struct {
	chunks []*chunk
	ends   []end
	id     uint32
	// cluster says that the id is a Count's, which ends with the cluster only.
	cluster  bool
	from, to int64

	// going says that the last that came was a sample, and no end.
	going bool
	total int64
	last  int64 // time of the last sample
}

func (w walk) all(m Metric, yield func(Sample) bool) {
	var col column
	for _, c := range w.chunks {
		if c.first > w.to {
			break
		}
		if c.find(w.id, &col) && !w.column(c, &col, m, yield) {
			return
		}
	}
	w.end(w.to, yield)
}

// column yields the samples of one chunk, and says whether more are wanted.
func (w *walk) column(c *chunk, col *column, m Metric, yield func(Sample) bool) bool {
	first := true
	for row := range c.times {
		if !col.has(row) {
			continue
		}
		at := c.timeOf(col, row)
		if at > w.to {
			return w.end(w.to, yield)
		}
		if !w.end(at-1, yield) {
			return false
		}
		w.integrate(col, row, at, first)
		first = false
		if at >= w.from && !yield(Sample{Time: at, Value: w.value(col, row, m)}) {
			return false
		}
		w.going, w.last = true, at
	}
	return true
}

// integrate keeps the total up. Where a series took up again after an end it is zero.
func (w *walk) integrate(col *column, row int, at int64, first bool) {
	switch {
	case first:
		w.total = col.total
	case !w.going:
		w.total = 0
	default:
		w.total += max(col.values[cpuField][row], 0) * ((at - w.last) / 1000)
	}
}

func (w *walk) value(col *column, row int, m Metric) int64 {
	switch m {
	case Memory:
		return col.values[memoryField][row]
	case CPUTotal:
		return w.total
	}
	return col.values[cpuField][row]
}

// end yields the end of the series if it ended by an instant; false: no more is wanted.
func (w *walk) end(by int64, yield func(Sample) bool) bool {
	for len(w.ends) > 0 && w.ends[0].at <= by {
		e := w.ends[0]
		w.ends = w.ends[1:]
		mine := e.all || !w.cluster && e.id == w.id
		if !mine || !w.going || e.at <= w.last {
			continue
		}
		w.going = false
		if e.at >= w.from && !yield(Sample{Time: e.at, Stale: true}) {
			return false
		}
	}
	return true
}
