package view

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"

	"rollcall.dev/rollcall/api/state"
)

// Body is a response in several slices, some of which are shared with other responses. It is
// immutable.
type Body [][]byte

// Len returns the total length in bytes.
func (b Body) Len() int {
	n := 0
	for _, piece := range b {
		n += len(piece)
	}
	return n
}

// WriteTo implements io.WriterTo.
func (b Body) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for _, piece := range b {
		n, err := w.Write(piece)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Document is one report of one cluster as clients see it.
type Document struct {
	report     Report
	rows       lazyRows
	head       lazyBytes
	parts      [numParts]*lazyBytes
	compressed [numParts][numEncodings]lazyBytes
	headers    HeaderValues
	// encodings holds the parts that were requested, by encoding.
	encodings [numParts][numEncodings]atomic.Pointer[EncodedBody]
	// summaryAged is set if the summary has changed with time alone, while the resourceVersion has
	// not.
	summaryAged bool
	// counted is the size of the Document that its DocumentCache has counted, and read is set when it is read.
	counted int64
	read    atomic.Bool
}

// NewDocument returns the document of a report. If the previous document, which may be nil, has the
// same resourceVersion, the encoded rows are reused.
func NewDocument(r Report, prev *Document) *Document {
	d := &Document{report: r, headers: headerValuesOf(&r)}
	d.parts[Summary] = &lazyBytes{}
	if prev != nil && prev.report.Cluster == r.Cluster && prev.report.ResourceVersion == r.ResourceVersion {
		d.summaryAged = prev.summaryAged || !equalSummaries(&prev.report.Summary, &r.Summary)
		d.rows = prev.rows
		for _, p := range lists {
			d.parts[p] = prev.parts[p]
		}
		return d
	}
	d.rows = newLazyRows(r.Report)
	for _, p := range lists {
		d.parts[p] = &lazyBytes{}
	}
	return d
}

// part returns the encoded summary or list.
func (d *Document) part(p Part) ([]byte, error) {
	return d.parts[p].get(func() ([]byte, error) {
		if p == Summary {
			return encodeSummary(d.report.Summary)
		}
		rows, err := d.rows()
		if err != nil {
			return nil, err
		}
		return rows.encodeList(p), nil
	})
}

func encodeSummary(sum state.Summary) ([]byte, error) {
	if sum.Problems == nil {
		sum.Problems = []state.Problem{}
	}
	var buf bytes.Buffer
	err := appendJSON(&buf, sum)
	return buf.Bytes(), err
}

// size returns how many bytes of the document exist so far.
func (d *Document) size() int64 {
	n := d.head.size.Load()
	for _, p := range d.parts[Summary:] {
		n += p.size.Load()
	}
	for part := range d.compressed {
		for e := range numEncodings {
			n += d.compressed[part][e].size.Load()
		}
	}
	return n
}

// Body returns the whole document, or the head followed by one part.
func (d *Document) Body(part Part) (Body, error) {
	parts := part.lists()
	if part == Whole || part == Summary {
		parts = append([]Part{Summary}, parts...)
	}
	d.encodeAll(parts)
	head, err := d.head.get(func() ([]byte, error) { return encodeHead(headOf(&d.report)) })
	if err != nil {
		return nil, err
	}
	body := Body{head}
	for _, p := range parts {
		b, err := d.part(p)
		if err != nil {
			return nil, err
		}
		body = append(body, fields[p], b)
	}
	return append(body, end), nil
}

// encodeAll encodes several parts in parallel.
func (d *Document) encodeAll(parts []Part) {
	var lists sync.WaitGroup
	for _, p := range parts {
		if d.parts[p].size.Load() == 0 {
			// The error is returned by the next call of part.
			lists.Go(func() { _, _ = d.part(p) })
		}
	}
	lists.Wait()
}

// end closes a document.
var end = []byte("}\n")

// fields holds the name of each part as a JSON field.
var fields = func() (f [numParts][]byte) {
	for p := range f {
		f[p] = []byte(`,"` + Part(p).String() + `":`)
	}
	return f
}()
