package heapster

import (
	"cmp"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/series"
)

// The member's metrics API samples each node and container at a second of its own, so
// sums are computed per bucket of time.
const (
	// bucketMillis is the width of a bucket. It is the usual interval between readings.
	bucketMillis = 15_000
	// lookback is how long a sample is valid, in milliseconds.
	lookback = int64(series.MaxGap / time.Millisecond)
)

// sampleList is the samples of one node or container, by ascending time.
type sampleList []history.Sample

// seriesOf returns the samples of the nodes or containers that make up an entity, from
// the history and from the current State. CPU time comes from the history only.
func (s *Source) seriesOf(e Entity, m history.Metric) []sampleList {
	kind := state.KindContainer
	if e.Kind == samples.KindNode || e.Kind == samples.KindCluster {
		kind = state.KindNode
	}
	found := map[series.Labels]sampleList{}
	if s.History != nil {
		for h := range s.History.Series(kind) {
			if e.contains(h.Labels) {
				found[h.Labels] = slices.Collect(h.Samples(m, 0, s.ReceivedAt.UnixMilli()))
			}
		}
	}
	if m != history.CPUTotal {
		s.addCurrent(e, kind, m, found)
	}
	all := make([]sampleList, 0, len(found))
	for _, one := range found {
		all = append(all, one)
	}
	return all
}

// addCurrent appends the samples of the current State that are newer than those of the
// history.
func (s *Source) addCurrent(e Entity, kind state.Kind, m history.Metric, found map[series.Labels]sampleList) {
	for entry := range s.State.From(e.firstKey(kind)) {
		labels := series.ObjectOf(entry.Object).Labels
		if !e.contains(labels) {
			return // the keys of an entity's parts are adjacent
		}
		u := s.State.Usage.Of(entry.Slot)
		if u == nil {
			continue
		}
		at := min(int64(u.SampledAt)*1000, s.ReceivedAt.UnixMilli())
		known := found[labels]
		if len(known) > 0 && known[len(known)-1].Time >= at {
			continue
		}
		value := u.CPUMillis
		if m == history.Memory {
			value = u.MemoryBytes
		}
		found[labels] = append(known, history.Sample{Time: at, Value: value})
	}
}

// merge returns the samples of several series as one, without stale markers. A container
// has several series if its pod has run on several nodes.
func merge(all []sampleList) []history.Sample {
	merged := slices.Concat(all...)
	merged = slices.DeleteFunc(merged, func(s history.Sample) bool { return s.Stale })
	slices.SortStableFunc(merged, func(a, b history.Sample) int { return cmp.Compare(a.Time, b.Time) })
	return merged
}

// timeBuckets holds one sum for each bucket of time.
type timeBuckets struct {
	first   int64 // number of the first bucket since the epoch
	buckets []bucket
}

type bucket struct {
	sum int64
	// at is the time of the newest sample in this bucket; 0 if it has none.
	at int64
	// started counts the series whose first sample, or first sample after a gap, is in
	// this bucket. active counts all series that have a value here.
	started, active int
}

// sumOf returns the sum of all series: one sample for each bucket that has a sample. It
// leaves out a first bucket in which only some of the series have started.
func sumOf(all []sampleList) []history.Sample {
	h := newTimeBuckets(all)
	for _, s := range all {
		h.add(s)
	}
	var sums []history.Sample
	for i, b := range h.buckets {
		allStarted := b.started == b.active
		partial := allStarted && i+1 < len(h.buckets) && h.buckets[i+1].started > 0
		if b.at != 0 && !partial {
			sums = append(sums, history.Sample{Time: b.at, Value: b.sum})
		}
	}
	return sums
}

// newTimeBuckets returns empty buckets that cover the time of all samples.
func newTimeBuckets(all []sampleList) timeBuckets {
	first, last := int64(1<<62), int64(-1)
	for _, s := range all {
		if len(s) > 0 {
			first, last = min(first, s[0].Time/bucketMillis), max(last, s[len(s)-1].Time/bucketMillis)
		}
	}
	if last < 0 {
		return timeBuckets{}
	}
	return timeBuckets{first: first, buckets: make([]bucket, last-first+1)}
}

// add adds each sample to the buckets from its own to that of the next sample, for at
// most lookback. Of several samples in one bucket the latest counts.
func (h *timeBuckets) add(all sampleList) {
	const none = -2
	until := int64(none) // last bucket in which the previous sample is valid
	for i, s := range all {
		at := s.Time/bucketMillis - h.first
		if s.Stale {
			until = none
			continue
		}
		own := &h.buckets[at]
		own.at = max(own.at, s.Time)
		if i+1 < len(all) && !all[i+1].Stale && all[i+1].Time/bucketMillis-h.first == at {
			continue
		}
		if until < at-1 {
			own.started++
		}
		until = min(at+lookback/bucketMillis, int64(len(h.buckets))-1)
		if i+1 < len(all) {
			until = min(until, all[i+1].Time/bucketMillis-h.first-1)
		}
		until = max(until, at)
		for c := at; c <= until; c++ {
			h.buckets[c].sum += s.Value
			h.buckets[c].active++
		}
	}
}
