package view

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// sweepPeriod is how often a DocumentCache looks for reports that are no answer any more.
const sweepPeriod = 10 * time.Second

// DocumentCache keeps the last read Document of each cluster, so that all readers of one
// report share its bytes. Documents that were read longest ago go when there are more
// bytes than it may keep; whoever reads them goes on undisturbed.
type DocumentCache struct {
	maxBytes int64
	logs     logs
	packer   packer

	clock atomic.Uint64 // counts reads
	mu    sync.RWMutex
	books map[string]*book // by cluster
}

// book is a Document with when it was last read.
type book struct {
	document *Document
	read     atomic.Uint64
}

// NewDocumentCache is a DocumentCache for about maxBytes of documents.
func NewDocumentCache(maxBytes int64) *DocumentCache {
	return &DocumentCache{maxBytes: maxBytes, books: map[string]*book{}}
}

// Run drops reports that have expired, until ctx ends.
func (s *DocumentCache) Run(ctx context.Context) {
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

// Find is the Document of a cluster that is on the documents, if it is that of a report
// made of source; else nil.
func (s *DocumentCache) Find(cluster string, source any) *Document {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b := s.books[cluster]
	if b == nil || b.document.report.Source != source {
		return nil
	}
	b.read.Store(s.clock.Add(1))
	return b.document
}

// Document is that of a report. The first who reads a report leaves it in the cluster's
// Log, so that it can be watched what changes after it.
func (s *DocumentCache) Document(r *Report) (*Document, error) {
	d, isNew := s.lookUp(r)
	if !isNew {
		return d, nil
	}
	return d, s.Note(r)
}

// Answer is a part of a Document, or the whole of it, unfiltered and shared. It is packed
// as e says, unless that is not worth it.
func (s *DocumentCache) Answer(d *Document, part Part, e Encoding) (*Answer, error) {
	a, isNew, err := d.answer(part, e, &s.packer)
	if isNew {
		s.trim()
	}
	return a, err
}

// Select is what a query picks from a Document, packed for this reader alone. Errors are
// *ParameterError where the query is to blame.
func (s *DocumentCache) Select(d *Document, q Query, e Encoding) (*Answer, error) {
	body, err := d.Select(q)
	if err != nil {
		return nil, err
	}
	return s.Pack(body, e)
}

// Pack is an answer that nobody shares.
func (s *DocumentCache) Pack(b Body, e Encoding) (*Answer, error) {
	b, e, err := s.packer.pack(b, e)
	if err != nil {
		return nil, err
	}
	return answerOf(b, e), nil
}

// Stream packs what write writes, as it is written, for an answer that is too long to be held.
func (s *DocumentCache) Stream(to io.Writer, e Encoding, write func(io.Writer) error) error {
	if e == Identity {
		return write(to)
	}
	w, done, err := s.packer.writer(to, e)
	if err != nil {
		return err
	}
	defer done()
	if err := write(w); err != nil {
		return err
	}
	return w.Close()
}

// Bytes is how many bytes the Documents on the documents have.
func (s *DocumentCache) Bytes() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bytes()
}

func (s *DocumentCache) lookUp(r *Report) (d *Document, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.books[r.Cluster]
	switch {
	case b == nil:
		b, isNew = &book{document: NewDocument(*r, nil)}, true
		s.books[r.Cluster] = b
	case b.document.report.same(r):
	case r.ReceivedAt.Before(b.document.report.ReceivedAt):
		// A reader that was overtaken must not throw away what is newer.
		return NewDocument(*r, b.document), false
	default:
		b.document, isNew = NewDocument(*r, b.document), true
	}
	b.read.Store(s.clock.Add(1))
	return b.document, isNew
}

// trim drops what was read longest ago until the rest fits; a Document that does not
// fit by itself is not kept at all.
func (s *DocumentCache) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes() > s.maxBytes {
		delete(s.books, s.longestUnread())
	}
}

func (s *DocumentCache) longestUnread() string {
	var oldest string
	var read uint64
	for name, b := range s.books {
		if at := b.read.Load(); read == 0 || at < read {
			oldest, read = name, at
		}
	}
	return oldest
}

func (s *DocumentCache) sweep(now time.Time) {
	s.logs.sweep(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, b := range s.books {
		if r := &b.document.report; now.After(r.ReceivedAt.Add(r.TTL)) {
			delete(s.books, name)
		}
	}
}

func (s *DocumentCache) bytes() int64 {
	var n int64
	for _, b := range s.books {
		n += b.document.size()
	}
	return n
}
