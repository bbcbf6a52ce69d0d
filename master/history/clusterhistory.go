package history

import (
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/series"
)

// ClusterHistory is the kept samples of one cluster at the time of Read. It is immutable.
type ClusterHistory struct{ data *clusterData }

// Read returns the history of a cluster, or nil if there is none. It sets the time at which
// the cluster was last read: eviction starts with the clusters read least recently.
func (h *History) Read(name string, now time.Time) *ClusterHistory {
	c := h.cluster(name)
	if c == nil {
		return nil
	}
	for at := now.UnixMilli(); ; {
		before := c.readAt.Load()
		if before >= at || c.readAt.CompareAndSwap(before, at) {
			return &ClusterHistory{c.current.Load()}
		}
	}
}

// Range returns the times of the oldest and the newest sample. ok is false if there are
// none.
func (h *ClusterHistory) Range() (from, to time.Time, ok bool) {
	if h.data.empty() {
		return time.Time{}, time.Time{}, false
	}
	return time.UnixMilli(h.data.oldest()), time.UnixMilli(h.data.newest()), true
}

// EvictedUntil returns the time of the newest sample that was evicted for lack of memory,
// or the zero time if none was.
func (h *ClusterHistory) EvictedUntil() time.Time {
	if h.data.evictedUntil == 0 {
		return time.Time{}
	}
	return time.UnixMilli(h.data.evictedUntil)
}

// Metric is a metric of a node or container.
type Metric uint8

const (
	// CPU is in millicores.
	CPU Metric = iota
	// Memory is in bytes.
	Memory
	// CPUTotal is the integral of CPU since the session began, in millicore-seconds. The
	// rate of a sample is taken for the whole time since the previous one. The first sample
	// has 0.
	CPUTotal
)

// Sample is a value at an instant, or an end of the series.
type Sample struct {
	// Time is in Unix milliseconds.
	Time  int64
	Value int64
	// Stale is true if the series ended here. Value is then 0. The series may continue later.
	Stale bool
}

// Series is the series of one node or container.
type Series struct {
	series.Labels
	data *clusterData
	id   uint32
}

// Series yields the nodes (state.KindNode) or containers (state.KindContainer) that may
// have samples. No two have the same labels.
func (h *ClusterHistory) Series(kind state.Kind) iter.Seq[Series] {
	return func(yield func(Series) bool) {
		for i := range h.data.labels {
			l := &h.data.labels[i]
			if l.kind != kind {
				continue
			}
			if !yield(Series{Labels: h.data.object(l).Labels, data: h.data, id: l.id}) {
				return
			}
		}
	}
}

// Samples yields the samples and ends of a metric by ascending time, from one instant to
// another, both inclusive and in Unix milliseconds.
func (s Series) Samples(m Metric, from, to int64) iter.Seq[Sample] {
	it := seriesIterator{chunks: s.data.usage, ends: s.data.ends, id: s.id, from: from, to: to}
	return func(yield func(Sample) bool) { it.each(m, yield) }
}

// Count yields the samples of one of the cluster's counts, as Samples does.
func (h *ClusterHistory) Count(c Count, from, to int64) iter.Seq[Sample] {
	it := seriesIterator{chunks: h.data.counts, ends: h.data.ends, id: uint32(c), cluster: true, from: from, to: to}
	return func(yield func(Sample) bool) { it.each(CPU, yield) }
}
