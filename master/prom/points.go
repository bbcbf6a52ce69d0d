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

// grid is how far apart the points of what stays the same are, in milliseconds: near
// enough for rates and counts over a minute.
const grid = 30_000

// point is a sample, in Unix milliseconds.
type point struct {
	t int64
	v float64
}

var stale = math.Float64frombits(value.StaleNaN)

// points yields the samples from one instant to another, both in Unix milliseconds and
// included.
type points func(from, to int64, yield func(point) bool)

// stretch is a time in which something stayed the same.
type stretch struct {
	since, until int64
	// ended is when it was no longer known, 0: it is still.
	ended int64
}

// holds are the points of a value over a stretch: at both ends, and on the grid between.
func (s stretch) holds(v float64) points {
	return s.follows(func(int64) float64 { return v })
}

// follows are the points of what can be told for each instant of a stretch.
func (s stretch) follows(v func(at int64) float64) points {
	return func(from, to int64, yield func(point) bool) {
		first, last := max(from, s.since), min(to, s.until)
		for t := first; t <= last; {
			if !yield(point{t, v(t)}) {
				return
			}
			if t == last {
				break
			}
			t = min((t/grid+1)*grid, last)
		}
		if s.ended != 0 && s.ended >= from && s.ended <= to {
			yield(point{s.ended, stale})
		}
	}
}

// scaled are the history's samples, each divided.
func scaled(samples func(from, to int64) iter.Seq[history.Sample], by float64) points {
	return func(from, to int64, yield func(point) bool) {
		for s := range samples(from, to) {
			p := point{s.Time, float64(s.Value) / by}
			if s.Stale {
				p.v = stale
			}
			if !yield(p) {
				return
			}
		}
	}
}

// summed are the sums of some series' samples, each divided. A counter of which there is
// no sample at an instant has the value of the one before, as far as the history goes
// back: a sum of counters must not fall while one of them pauses.
func summed(parts []history.Series, m history.Metric, by float64) points {
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
				values[s.part], known[s.part] = float64(s.Value)/by, !s.Stale
			}
			if at < from {
				continue
			}
			p := point{at, stale}
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

// partSample is a sample of one of some series.
type partSample struct {
	history.Sample
	part int
}

// byTime yields the samples of some series by ascending time, those of one time together.
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

// series is a storage.Series, whose points are made when it is read.
type series struct {
	labels   labels.Labels
	points   points
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

// newest is the last point, false where there is none or the series has ended.
func (s *series) newest() (last point, ok bool) {
	s.points(s.from, s.to, func(p point) bool {
		last, ok = p, true
		return true
	})
	return last, ok && !value.IsStaleNaN(last.v)
}

// any says that there is a point.
func (s *series) any() (found bool) {
	s.points(s.from, s.to, func(point) bool {
		found = true
		return false
	})
	return found
}

// samples are storage.Samples.
type samples []point

// Get implements storage.Samples.
func (s samples) Get(i int) chunks.Sample { return &s[i] }

// Len implements storage.Samples.
func (s samples) Len() int { return len(s) }

// T implements chunks.Sample, as all below.
func (p *point) T() int64 { return p.t }

// ST is when a counter began: it is not known.
func (p *point) ST() int64 { return 0 }

// F is the value.
func (p *point) F() float64 { return p.v }

// H is none: there are no histograms.
func (p *point) H() *histogram.Histogram { return nil }

// FH is none either.
func (p *point) FH() *histogram.FloatHistogram { return nil }

// Type is that of a number.
func (p *point) Type() chunkenc.ValueType { return chunkenc.ValFloat }

// Copy is another of the same.
func (p *point) Copy() chunks.Sample {
	other := *p
	return &other
}
