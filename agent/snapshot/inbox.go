package snapshot

import (
	"sync"

	"rollcall.dev/rollcall/api/state"
)

// inbox gathers what comes in until Run takes it. It never blocks who fills it, and
// holds each key once, so it is never larger than the cluster.
type inbox struct {
	// filled has a value while there may be something to take.
	filled chan struct{}

	mu    sync.Mutex
	batch batch
}

// batch is what came in since the last time, the latest of each.
type batch struct {
	// changes are objects by key; nil: removed.
	changes map[state.Key]state.Object
	// sample is nil where no reading came.
	sample   state.Sample
	sections map[state.SectionName]state.SectionReport
}

// Update takes in facts as they became. Objects equal to those held are dropped.
// The objects belong to the snapshot from then on.
func (s *Snapshot) Update(c state.Changes) {
	if len(c.Upserts)+len(c.Removes) == 0 {
		return
	}
	s.inbox.put(func(b *batch) {
		if b.changes == nil {
			b.changes = make(map[state.Key]state.Object, len(c.Upserts)+len(c.Removes))
		}
		for _, k := range c.Removes {
			b.changes[k] = nil
		}
		for _, o := range c.Upserts {
			b.changes[o.Key()] = o
		}
	})
}

// SetUsage takes in a reading of metrics.k8s.io. What is not in it is unknown.
func (s *Snapshot) SetUsage(sample state.Sample) {
	s.inbox.put(func(b *batch) {
		if b.sample = sample; sample == nil {
			b.sample = state.Sample{}
		}
	})
}

// SetSection takes in what the source of a section says of it, after the facts
// that it says it of.
func (s *Snapshot) SetSection(name state.SectionName, r state.SectionReport) {
	s.inbox.put(func(b *batch) {
		if b.sections == nil {
			b.sections = map[state.SectionName]state.SectionReport{}
		}
		b.sections[name] = r
	})
}

func (i *inbox) put(edit func(*batch)) {
	i.mu.Lock()
	edit(&i.batch)
	i.mu.Unlock()
	select {
	case i.filled <- struct{}{}:
	default:
	}
}

// Waiting is how much has come in and is in no Version yet: objects by key, sections,
// and a reading of usage as one.
func (s *Snapshot) Waiting() int {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	b := &s.inbox.batch
	n := len(b.changes) + len(b.sections)
	if b.sample != nil {
		n++
	}
	return n
}

func (i *inbox) empty() batch {
	i.mu.Lock()
	defer i.mu.Unlock()
	b := i.batch
	i.batch = batch{}
	return b
}
