package view

import (
	"context"
	"sync"
	"time"
)

// sweepPeriod is how often a Shelf looks for reports that are no answer any more.
const sweepPeriod = 10 * time.Second

// Shelf keeps the last read Document of each cluster, so that all readers of one
// report share its bytes. Documents that were read longest ago go when there are more
// bytes than it may keep; whoever reads them goes on undisturbed.
type Shelf struct {
	maxBytes int64

	mu    sync.Mutex
	books map[string]*book // by cluster
	clock uint64           // counts reads
}

// book is a Document with when it was last read.
type book struct {
	document *Document
	read     uint64
}

// NewShelf is a Shelf for about maxBytes of documents.
func NewShelf(maxBytes int64) *Shelf {
	return &Shelf{maxBytes: maxBytes, books: map[string]*book{}}
}

// Run drops reports that have expired, until ctx ends.
func (s *Shelf) Run(ctx context.Context) {
	tick := time.NewTicker(sweepPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.sweep(now)
		}
	}
}

// Body is a part of a report, or the whole of it, unfiltered and shared.
func (s *Shelf) Body(r Report, part Part) (Body, error) {
	body, err := s.of(r).Body(part)
	s.trim()
	return body, err
}

// Select is what a query picks from a report. Errors are *ParameterError where the
// query is to blame.
func (s *Shelf) Select(r Report, q Query) (Body, error) { return s.of(r).Select(q) }

// Bytes is how many bytes the Documents on the shelf have.
func (s *Shelf) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes()
}

func (s *Shelf) of(r Report) *Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	b := s.books[r.Cluster]
	switch {
	case b == nil:
		b = &book{document: NewDocument(r, nil)}
		s.books[r.Cluster] = b
	case b.document.report.same(&r):
	case r.ReceivedAt.Before(b.document.report.ReceivedAt):
		// A reader that was overtaken must not throw away what is newer.
		return NewDocument(r, b.document)
	default:
		b.document = NewDocument(r, b.document)
	}
	b.read = s.clock
	return b.document
}

// trim drops what was read longest ago until the rest fits; a Document that does not
// fit by itself is not kept at all.
func (s *Shelf) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes() > s.maxBytes {
		delete(s.books, s.longestUnread())
	}
}

func (s *Shelf) longestUnread() string {
	var oldest string
	var read uint64
	for name, b := range s.books {
		if read == 0 || b.read < read {
			oldest, read = name, b.read
		}
	}
	return oldest
}

func (s *Shelf) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, b := range s.books {
		if r := &b.document.report; now.After(r.ReceivedAt.Add(r.TTL)) {
			delete(s.books, name)
		}
	}
}

func (s *Shelf) bytes() int64 {
	var n int64
	for _, b := range s.books {
		n += b.document.size()
	}
	return n
}
