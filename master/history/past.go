package history

import (
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Past is what is known of a cluster's last minutes. It does not change: who wants what
// came since reads anew.
type Past struct{ past *past }

// Read is the past of a cluster, nil where there is none. It counts as read now: when
// memory is short, those that were not go first.
func (h *History) Read(name string, now time.Time) *Past {
	c := h.cluster(name)
	if c == nil {
		return nil
	}
	for at := now.UnixMilli(); ; {
		before := c.readAt.Load()
		if before >= at || c.readAt.CompareAndSwap(before, at) {
			return &Past{c.present.Load()}
		}
	}
}

// Range is from the oldest sample to the newest; ok is false where there is none.
func (p *Past) Range() (from, to time.Time, ok bool) {
	if p.past.empty() {
		return time.Time{}, time.Time{}, false
	}
	return time.UnixMilli(p.past.oldest()), time.UnixMilli(p.past.newest()), true
}

// Lost is until when samples were let go of for want of memory; zero: none were.
func (p *Past) Lost() time.Time {
	if p.past.lost == 0 {
		return time.Time{}
	}
	return time.UnixMilli(p.past.lost)
}

// Labels say what a series is of. Of a node only Node is set.
type Labels struct{ Namespace, Pod, Container, Node string }

// Metric is a number of a node or container.
type Metric uint8

const (
	// CPU is in millicores.
	CPU Metric = iota
	// Memory is in bytes.
	Memory
	// CPUTotal is the integral of CPU since the session began, in millicores and
	// seconds: each sample's rate is taken for the time since the one before. The first
	// sample has 0.
	CPUTotal
)

// Sample is a value at an instant, or the end of the series.
type Sample struct {
	// Time is in Unix milliseconds.
	Time  int64
	Value int64
	// Stale says that the series ended here; it has no value then, and may go on later.
	Stale bool
}

// Series is one node or container.
type Series struct {
	Labels
	past *past
	id   uint32
}

// Series yields the nodes (state.KindNode) or containers (state.KindContainer) of which
// there may be samples, no two with the same labels.
func (p *Past) Series(kind state.Kind) iter.Seq[Series] {
	return func(yield func(Series) bool) {
		for i := range p.past.labels {
			l := &p.past.labels[i]
			if l.kind != kind {
				continue
			}
			of := p.past.identity(l)
			labels := Labels{Namespace: of.namespace, Pod: of.pod, Container: of.container, Node: of.node}
			if !yield(Series{Labels: labels, past: p.past, id: l.id}) {
				return
			}
		}
	}
}

// Samples yields a metric's samples and ends from one instant to another, both in Unix
// milliseconds and both included, by ascending time.
func (s Series) Samples(m Metric, from, to int64) iter.Seq[Sample] {
	w := walk{chunks: s.past.usage, ends: s.past.ends, id: s.id, from: from, to: to}
	return func(yield func(Sample) bool) { w.all(m, yield) }
}

// Count yields the samples of one of the cluster's numbers, as Samples does.
func (p *Past) Count(c Count, from, to int64) iter.Seq[Sample] {
	w := walk{chunks: p.past.counts, ends: p.past.ends, id: uint32(c), cluster: true, from: from, to: to}
	return func(yield func(Sample) bool) { w.all(CPU, yield) }
}
