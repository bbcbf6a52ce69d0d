package samples

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/value"

	"rollcall.dev/rollcall/master/history"
)

// gridStep is the interval between the samples of a constant value, in milliseconds. It is short
// enough for rates and counts over one minute.
const gridStep = 30_000

// Sample is a value at a time in Unix milliseconds.
type Sample struct {
	Time int64
	// Value is StaleNaN where the series ends.
	Value float64
}

// StaleNaN is the value of a sample that ends a series, as in Prometheus.
var StaleNaN = math.Float64frombits(value.StaleNaN)

// Func yields the samples of a series from one time to another, both included, in Unix milliseconds.
type Func func(from, to int64, yield func(Sample) bool)

// interval is a time in which a value did not change, in Unix milliseconds.
type interval struct {
	since, until int64
	// staleAt is when the value became stale, 0 if it has not.
	staleAt int64
}

// constant returns the samples of a value over the interval: at both ends, and every gridStep between.
func (s interval) constant(v float64) Func {
	return s.sampled(func(int64) float64 { return v })
}

// sampled returns the samples of a function of time over the interval.
func (s interval) sampled(v func(at int64) float64) Func {
	return func(from, to int64, yield func(Sample) bool) {
		first, last := max(from, s.since), min(to, s.until)
		for t := first; t <= last; {
			if !yield(Sample{t, v(t)}) {
				return
			}
			if t == last {
				break
			}
			t = min((t/gridStep+1)*gridStep, last)
		}
		if s.staleAt != 0 && s.staleAt >= from && s.staleAt <= to {
			yield(Sample{s.staleAt, StaleNaN})
		}
	}
}

// scaled returns the samples of the history, divided by divisor.
func scaled(samples func(from, to int64) iter.Seq[history.Sample], divisor float64) Func {
	return func(from, to int64, yield func(Sample) bool) {
		for s := range samples(from, to) {
			p := Sample{s.Time, float64(s.Value) / divisor}
			if s.Stale {
				p.Value = StaleNaN
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
func summed(parts []history.Series, m history.Metric, divisor float64) Func {
	return func(from, to int64, yield func(Sample) bool) {
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
			p := Sample{at, StaleNaN}
			if slices.Contains(known, true) {
				p.Value = 0
				for i, v := range values {
					if known[i] {
						p.Value += v
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
