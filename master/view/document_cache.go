package view

import (
	"context"
	"io"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"rollcall.dev/rollcall/master/report"
)

// sweepInterval is how often a DocumentCache drops expired reports.
const sweepInterval = 10 * time.Second

// DocumentCache holds the last read Document of each cluster, so that all readers of a report share
// its bytes. Beyond its size limit it evicts documents that were not read for long; readers that still
// use one are not affected.
type DocumentCache struct {
	maxBytes   int64
	logs       changeLogs
	compressor compressor

	mu sync.RWMutex
	// documents has the Documents by cluster, in the order in which they were added or last spared by evict.
	documents *simplelru.LRU[string, *Document]
	bytes     int64 // the sum of Document.counted
}

// NewDocumentCache returns a cache for about maxBytes of documents.
func NewDocumentCache(maxBytes int64) *DocumentCache {
	c := &DocumentCache{maxBytes: maxBytes}
	// The cache is limited by bytes instead of documents. NewLRU fails only for a size below 1.
	c.documents, _ = simplelru.NewLRU(math.MaxInt, func(_ string, d *Document) { c.bytes -= d.counted })
	return c
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

// find returns the cached Document of a report, or nil. It only marks the Document as read, instead of moving it to the
// front, which would need the exclusive lock: BenchmarkSharedRead.
func (c *DocumentCache) find(r *report.Report) *Document {
	c.mu.RLock()
	defer c.mu.RUnlock()
	d, ok := c.documents.Peek(r.Cluster)
	if !ok || d.report.Report != r {
		return nil
	}
	if !d.read.Load() {
		d.read.Store(true)
	}
	return d
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
		c.account(d)
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
	return c.bytes
}

// getOrCreate returns the Document of a report. isNew reports whether the cache did not hold it
// before.
func (c *DocumentCache) getOrCreate(r Report) (d *Document, isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	prev, ok := c.documents.Peek(r.Cluster)
	switch {
	case ok && prev.report.Report == r.Report:
		return prev, false
	case ok && r.ReceivedAt.Before(prev.report.ReceivedAt):
		// A slow reader must not replace a newer document.
		return NewDocument(r, prev), false
	case ok:
		c.bytes -= prev.counted
	}
	d = NewDocument(r, prev)
	d.counted = d.size()
	c.bytes += d.counted
	c.documents.Add(r.Cluster, d)
	return d, true
}

// account counts by how much a Document has grown, and evicts documents until the rest fits. A document that alone
// exceeds the limit is not kept.
func (c *DocumentCache) account(d *Document) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, ok := c.documents.Peek(d.report.Cluster); !ok || held != d {
		return
	}
	size := d.size()
	c.bytes += size - d.counted
	d.counted = size
	c.evict()
}

// evict removes the oldest documents until the rest fits. It spares a document once if it was read after it was last
// considered ("second chance"). c.mu must be held exclusively.
func (c *DocumentCache) evict() {
	for c.bytes > c.maxBytes {
		cluster, d, _ := c.documents.GetOldest()
		if d.read.Swap(false) {
			c.documents.Get(cluster) // moves it to the front
			continue
		}
		c.documents.Remove(cluster)
	}
}

// sweep drops expired documents and unused logs.
func (c *DocumentCache) sweep(now time.Time) {
	c.logs.sweep(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.documents.Values() {
		if r := &d.report; now.After(r.ReceivedAt.Add(r.TTL)) {
			c.documents.Remove(r.Cluster)
		}
	}
}
