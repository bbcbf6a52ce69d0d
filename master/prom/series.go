package prom

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"rollcall.dev/rollcall/master/samples"
)

// series implements storage.Series. Its samples are computed when it is read.
type series struct {
	labels   labels.Labels
	samples  samples.Func
	from, to int64
}

// Labels implements storage.Series.
func (s *series) Labels() labels.Labels { return s.labels }

// Iterator implements storage.Series.
func (s *series) Iterator(chunkenc.Iterator) chunkenc.Iterator {
	var list sampleList
	s.samples(s.from, s.to, func(p samples.Sample) bool {
		list = append(list, sample(p))
		return true
	})
	return storage.NewListSeriesIterator(list)
}

// newest returns the last sample. It returns false if there is none, or if the series is stale.
func (s *series) newest() (last samples.Sample, ok bool) {
	s.samples(s.from, s.to, func(p samples.Sample) bool {
		last, ok = p, true
		return true
	})
	return last, ok && !value.IsStaleNaN(last.Value)
}

// any reports whether the series has a sample.
func (s *series) any() (found bool) {
	s.samples(s.from, s.to, func(samples.Sample) bool {
		found = true
		return false
	})
	return found
}

// sampleList implements storage.Samples.
type sampleList []sample

// sample implements chunks.Sample.
type sample samples.Sample

// Get implements storage.Samples.
func (s sampleList) Get(i int) chunks.Sample { return &s[i] }

// Len implements storage.Samples.
func (s sampleList) Len() int { return len(s) }

// T returns the time.
func (p *sample) T() int64 { return p.Time }

// ST returns 0, as it is not known when a counter started.
func (p *sample) ST() int64 { return 0 }

// F returns the value.
func (p *sample) F() float64 { return p.Value }

// H returns nil, as there are no histograms.
func (p *sample) H() *histogram.Histogram { return nil }

// FH returns nil, as there are no histograms.
func (p *sample) FH() *histogram.FloatHistogram { return nil }

// Type returns the type of a float sample.
func (p *sample) Type() chunkenc.ValueType { return chunkenc.ValFloat }

// Copy returns a copy.
func (p *sample) Copy() chunks.Sample {
	other := *p
	return &other
}
