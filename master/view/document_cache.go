package view

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"rollcall.dev/rollcall/master/report"
)

// sweepInterval is how often a DocumentCache drops expired reports.
const sweepInterval = 10 * time.Second

// DocumentCache holds the last read Document of each cluster, so that all readers of a report share
// its bytes. Beyond its size limit it evicts the least recently read documents; readers that still
// use one are not affected.
type DocumentCache struct {
	maxBytes   int64
	logs       changeLogs
	compressor compressor

	clock   atomic.Uint64 // number of reads so far
	mu      sync.RWMutex
	entries map[string]*cacheEntry // by cluster
}

// cacheEntry is a Document and when it was last read.
type cacheEntry struct {
	document *Document
	lastRead atomic.Uint64
}

// NewDocumentCache returns a cache for about maxBytes of documents.
func NewDocumentCache(maxBytes int64) *DocumentCache {
	return &DocumentCache{maxBytes: maxBytes, entries: map[string]*cacheEntry{}}
}

// Run drops expired reports periodically, until ctx is done.
func (c *DocumentCache) Run(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.sweep(now)
		}
	}
}

// find returns the cached Document of a report, or nil.
func (c *DocumentCache) find(r *report.Report) *Document {
	c.mu.RLock()
	defer c.mu.RUnlock()
	entry := c.entries[r.Cluster]
	if entry == nil || entry.document.report.Report != r {
		return nil
	}
	entry.lastRead.Store(c.clock.Add(1))
	return entry.document
}

// Document returns the Document of a report. The first reader of a report also records it in the
// cluster's ChangeLog, so that a watch can start from it.
func (c *DocumentCache) Document(r *report.Report) (*Document, error) {
	if d := c.find(r); d != nil {
		return d, nil
	}
	d, isNew := c.getOrCreate(NewReport(r))
	if !isNew {
		return d, nil
	}
	return d, c.Record(&d.report)
}

// Encoded returns an unfiltered part of a Document, or the whole document, in the encoding e. The
// result is shared. Its encoding is Identity if the part is too small to compress.
func (c *DocumentCache) Encoded(d *Document, part Part, e Encoding) (*EncodedBody, error) {
	body, isNew, err := d.encoded(part, e, &c.compressor)
	if isNew {
		c.trim()
	}
	return body, err
}

// Select returns the result of a query, encoded for this caller alone. The error is a
// *ParameterError if the query is at fault.
func (c *DocumentCache) Select(d *Document, q Query, e Encoding) (*EncodedBody, error) {
	body, err := d.Select(q)
	if err != nil {
		return nil, err
	}
	return c.Encode(body, e)
}

// Encode returns a body in the encoding e. The result is not shared.
func (c *DocumentCache) Encode(b Body, e Encoding) (*EncodedBody, error) {
	b, e, err := c.compressor.compress(b, e)
	if err != nil {
		return nil, err
	}
	return newEncodedBody(b, e), nil
}

// EncodeStream calls write with a writer that encodes what it is given, and passes it on to out. It is for
// responses that are too long to hold in memory.
func (c *DocumentCache) EncodeStream(out io.Writer, e Encoding, write func(io.Writer) error) error {
	if e == Identity {
		return write(out)
	}
	w, done, err := c.compressor.writer(out, e)
	if err != nil {
		return err
	}
	defer done()
	if err := write(w); err != nil {
		return err
	}
	return w.Close()
}

// Bytes returns the total size of the cached documents.
func (c *DocumentCache) Bytes() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.bytes()
}

// getOrCreate returns the Document of a report. isNew reports whether the cache did not hold it
// before.
func (c *DocumentCache) getOrCreate(r Report) (d *Document, isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.entries[r.Cluster]
	switch {
	case entry == nil:
		entry, isNew = &cacheEntry{document: NewDocument(r, nil)}, true
		c.entries[r.Cluster] = entry
	case entry.document.report.Report == r.Report:
	case r.ReceivedAt.Before(entry.document.report.ReceivedAt):
		// A slow reader must not replace a newer document.
		return NewDocument(r, entry.document), false
	default:
		entry.document, isNew = NewDocument(r, entry.document), true
	}
	entry.lastRead.Store(c.clock.Add(1))
	return entry.document, isNew
}

// trim evicts the least recently read documents until the rest fits. A document that alone exceeds
// the limit is not kept.
func (c *DocumentCache) trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.bytes() > c.maxBytes {
		delete(c.entries, c.leastRecentlyRead())
	}
}

// leastRecentlyRead returns the cluster whose document was least recently read.
func (c *DocumentCache) leastRecentlyRead() string {
	var oldest string
	var read uint64
	for name, entry := range c.entries {
		if at := entry.lastRead.Load(); read == 0 || at < read {
			oldest, read = name, at
		}
	}
	return oldest
}

// sweep drops expired documents and unused logs.
func (c *DocumentCache) sweep(now time.Time) {
	c.logs.sweep(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, entry := range c.entries {
		if r := &entry.document.report; now.After(r.ReceivedAt.Add(r.TTL)) {
			delete(c.entries, name)
		}
	}
}

func (c *DocumentCache) bytes() int64 {
	var n int64
	for _, entry := range c.entries {
		n += entry.document.size()
	}
	return n
}
