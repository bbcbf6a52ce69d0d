package view

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"

	"rollcall.dev/rollcall/api/state"
)

// Body is an answer in pieces, some of which other answers share. It is never
// changed once it is made.
type Body [][]byte

// Len is the answer's length in bytes.
func (b Body) Len() int {
	n := 0
	for _, piece := range b {
		n += len(piece)
	}
	return n
}

// WriteTo writes the pieces one after another.
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
	report Report
	rows   rows
	head   *piece
	parts  [numParts]*piece
	packed [numParts][numEncodings]*piece
	stamps Stamps
	// answers are those that were asked for.
	answers [numParts][numEncodings]atomic.Pointer[Answer]
	// ripened: the summary has become another by time alone, though the version stands.
	ripened bool
}

// piece is bytes that the first reader makes and all share.
type piece struct {
	once sync.Once
	make func() ([]byte, error)
	// size is 0 until the bytes are made; it is read without waiting for them.
	size atomic.Int64

	bytes []byte
	err   error
}

func (p *piece) get() ([]byte, error) { return p.from(func() ([]byte, error) { return p.make() }) }

// from is get for a piece that the readers tell how to make.
func (p *piece) from(source func() ([]byte, error)) ([]byte, error) {
	p.once.Do(func() {
		p.bytes, p.err = source()
		p.make = nil
		p.size.Store(int64(len(p.bytes)))
	})
	return p.bytes, p.err
}

// NewDocument is the document of a report. Where the one before it, which may be nil,
// has the same resourceVersion, all rows are the same: their bytes are taken over.
func NewDocument(r Report, before *Document) *Document {
	d := &Document{report: r, stamps: stampsOf(&r)}
	d.head = &piece{make: func() ([]byte, error) { return encodeHead(headOf(&d.report)) }}
	d.parts[Summary] = &piece{make: func() ([]byte, error) { return encodeSummary(d.report.Summary) }}
	for part := range d.packed {
		for e := range numEncodings {
			d.packed[part][e] = &piece{}
		}
	}
	if before != nil && before.report.Cluster == r.Cluster && before.report.ResourceVersion == r.ResourceVersion {
		d.ripened = before.ripened || !sameSummary(&before.report.Summary, &r.Summary)
		d.rows = before.rows
		for _, p := range lists {
			d.parts[p] = before.parts[p]
		}
		return d
	}
	d.rows = rowsOf(r.State)
	for _, p := range lists {
		d.parts[p] = &piece{make: func() ([]byte, error) { return d.rows.all(p), nil }}
	}
	return d
}

func encodeSummary(sum state.Summary) ([]byte, error) {
	if sum.Problems == nil {
		sum.Problems = []state.Problem{}
	}
	var buf bytes.Buffer
	err := appendJSON(&buf, sum)
	return buf.Bytes(), err
}

// size is how many bytes of the document there are by now.
func (d *Document) size() int64 {
	n := d.head.size.Load()
	for _, p := range d.parts[Summary:] {
		n += p.size.Load()
	}
	for _, part := range d.packed {
		for _, p := range part {
			n += p.size.Load()
		}
	}
	return n
}

// Body is the whole document, or the part of that name behind the same head.
func (d *Document) Body(part Part) (Body, error) {
	shown := part.lists()
	if part == Whole || part == Summary {
		shown = append([]Part{Summary}, shown...)
	}
	d.makeAll(shown)
	begin, err := d.head.get()
	if err != nil {
		return nil, err
	}
	body := Body{begin}
	for _, p := range shown {
		b, err := d.parts[p].get()
		if err != nil {
			return nil, err
		}
		body = append(body, fields[p], b)
	}
	return append(body, end), nil
}

// makeAll makes lists at the same time: the first reader waits for all of them.
func (d *Document) makeAll(parts []Part) {
	var lists sync.WaitGroup
	for _, p := range parts {
		if one := d.parts[p]; one.size.Load() == 0 {
			// Who asks for the list is told of an error.
			lists.Go(func() { _, _ = one.get() })
		}
	}
	lists.Wait()
}

// end closes a document.
var end = []byte("}\n")

// fields begin the parts within a document.
var fields = func() (f [numParts][]byte) {
	for p := range f {
		f[p] = []byte(`,"` + Part(p).String() + `":`)
	}
	return f
}()
