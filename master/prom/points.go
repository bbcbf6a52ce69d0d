package prom

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"rollcall.dev/rollcall/master/history"
)

// gridStep is the interval between the points of a constant value, in milliseconds. It is short
// enough for rates and counts over one minute.
const gridStep = 30_000

// point is a sample at a time in Unix milliseconds.
type point struct {
	t int64
	v float64
}

var staleNaN = math.Float64frombits(value.StaleNaN)

// pointsFunc yields the samples from one time to another, both included, in Unix milliseconds.
type pointsFunc func(from, to int64, yield func(point) bool)

// interval is a time in which a value did not change, in Unix milliseconds.
type interval struct {
	since, until int64
	// staleAt is when the value became stale, 0 if it has not.
	staleAt int64
}

// constant returns the points of a value over the interval: at both ends, and every gridStep between.
func (s interval) constant(v float64) pointsFunc {
	return s.sampled(func(int64) float64 { return v })
}

// sampled returns the points of a function of time over the interval.
func (s interval) sampled(v func(at int64) float64) pointsFunc {
	return func(from, to int64, yield func(point) bool) {
		first, last := max(from, s.since), min(to, s.until)
		for t := first; t <= last; {
			if !yield(point{t, v(t)}) {
				return
			}
			if t == last {
				break
			}
			t = min((t/gridStep+1)*gridStep, last)
		}
		if s.staleAt != 0 && s.staleAt >= from && s.staleAt <= to {
			yield(point{s.staleAt, staleNaN})
		}
	}
}

// scaled returns the samples of the history, divided by divisor.
func scaled(samples func(from, to int64) iter.Seq[history.Sample], divisor float64) pointsFunc {
	return func(from, to int64, yield func(point) bool) {
		for s := range samples(from, to) {
			p := point{s.Time, float64(s.Value) / divisor}
			if s.Stale {
				p.v = staleNaN
			}
			if !yield(p) {
				return
			}
		}
	}
}

// summed returns the sums of the samples of several series, divided by divisor. For a counter, a
// series without a sample at some time counts with its previous sample: a sum of counters must
// not fall while one of them pauses.
func summed(parts []history.Series, m history.Metric, divisor float64) pointsFunc {
	return func(from, to int64, yield func(point) bool) {
		behind := from
		if m == history.CPUTotal {
			behind = 0
		}
		values := make([]float64, len(parts))
		known := make([]bool, len(parts))
		for at, samples := range byTime(parts, m, behind, to) {
			if m != history.CPUTotal {
				clear(known)
			}
			for _, s := range samples {
				values[s.part], known[s.part] = float64(s.Value)/divisor, !s.Stale
			}
			if at < from {
				continue
			}
			p := point{at, staleNaN}
			if slices.Contains(known, true) {
				p.v = 0
				for i, v := range values {
					if known[i] {
						p.v += v
					}
				}
			}
			if !yield(p) {
				return
			}
		}
	}
}

// partSample is a sample of one of several series.
type partSample struct {
	history.Sample
	part int
}

// byTime yields the samples of several series in ascending order of time, grouped by time.
func byTime(parts []history.Series, m history.Metric, from, to int64) iter.Seq2[int64, []partSample] {
	var all []partSample
	for i, part := range parts {
		for s := range part.Samples(m, from, to) {
			all = append(all, partSample{s, i})
		}
	}
	slices.SortStableFunc(all, func(a, b partSample) int { return cmp.Compare(a.Time, b.Time) })
	return func(yield func(int64, []partSample) bool) {
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].Time == all[0].Time {
				n++
			}
			if !yield(all[0].Time, all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// series implements storage.Series. Its points are computed when it is read.
type series struct {
	labels   labels.Labels
	points   pointsFunc
	from, to int64
}

// Labels implements storage.Series.
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *series) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	var list samples
	s.points(s.from, s.to, func(p point) bool {
		list = append(list, p)
		return true
	})
	return storage.NewListSeriesIterator(list)
}

// newest returns the last point. It returns false if there is none, or if the series is stale.
func (s *series) newest() (last point, ok bool) {
	s.points(s.from, s.to, func(p point) bool {
		last, ok = p, true
		return true
	})
	return last, ok && !value.IsStaleNaN(last.v)
}

// any reports whether the series has a point.
func (s *series) any() (found bool) {
	s.points(s.from, s.to, func(point) bool {
		found = true
		return false
	})
	return found
}

// samples implements storage.Samples.
type samples []point

// Get implements storage.Samples.
func (s samples) Get(i int) chunks.Sample { return &s[i] }

// Len implements storage.Samples.
func (s samples) Len() int { return len(s) }

// T implements chunks.Sample, as do the methods below.
func (p *point) T() int64 { return p.t }

// ST returns 0, as it is not known when a counter started.
func (p *point) ST() int64 { return 0 }

// F returns the value.
func (p *point) F() float64 { return p.v }

// H returns nil, as there are no histograms.
func (p *point) H() *histogram.Histogram { return nil }

// FH returns nil, as there are no histograms.
func (p *point) FH() *histogram.FloatHistogram { return nil }

// Type returns the type of a float sample.
func (p *point) Type() chunkenc.ValueType { return chunkenc.ValFloat }

// Copy returns a copy.
func (p *point) Copy() chunks.Sample {
	other := *p
	return &other
}
