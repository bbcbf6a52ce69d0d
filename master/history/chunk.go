package history

import (
	"sort"
	"time"
	"unsafe"
)

const (
	// chunkSpan is the maximum time between the first and the last reading of a chunk.
	// Samples are dropped by whole chunks.
	chunkSpan = 4 * time.Minute
	// blockSize is the number of columns in a block: the most that a lookup decodes.
	blockSize = 16
)

// chunk is several consecutive readings in encoded form. It is immutable.
type chunk struct {
	// times are the times of the rows in milliseconds, each that of its newest sample.
	times []int64
	// blocks index every sixteenth column.
	blocks []block
	// data has the columns, by ascending id.
	data    []byte
	fields  int
	columns int
	// samples is the number of values; CPU and memory count as one each.
	samples int
	// first and last are the times of its oldest and newest sample in milliseconds.
	first, last int64
}

// block is the id of a column, the id of the previous column, and its offset in data.
type block struct{ first, before, at uint32 }

// cell is a sample of one series in a new row.
type cell struct {
	id     uint32
	total  int64
	values [maxFields]int64
}

// full reports whether a reading at an instant needs a new chunk.
func (c *chunk) full(at int64) bool {
	return c == nil || len(c.times) == maxRows || at-c.times[0] >= chunkSpan.Milliseconds()
}

// withRow returns a copy of c with one more row. cells must be sorted by id, and not empty.
// A nil chunk counts as empty.
func (c *chunk) withRow(at int64, cells []cell, fields int) *chunk {
	b := newBuilder(c, at, fields)
	var col column
	old := c.reader()
	more := old.next(&col)
	for _, add := range cells {
		for more && col.id < add.id {
			b.add(&col)
			more = old.next(&col)
		}
		if more && col.id == add.id {
			b.put(&col, add)
			b.add(&col)
			more = old.next(&col)
			continue
		}
		fresh := column{id: add.id, total: add.total}
		b.put(&fresh, add)
		b.add(&fresh)
	}
	for more {
		b.add(&col)
		more = old.next(&col)
	}
	return b.build()
}

func (c *chunk) reader() columnReader {
	if c == nil {
		return columnReader{}
	}
	return columnReader{in: c.data, fields: c.fields, rows: len(c.times)}
}

// find decodes the column of a series. It returns false if there is none.
func (c *chunk) find(id uint32, col *column) bool {
	i := sort.Search(len(c.blocks), func(i int) bool { return c.blocks[i].first > id }) - 1
	if i < 0 {
		return false
	}
	b := c.blocks[i]
	r := columnReader{in: c.data[b.at:], fields: c.fields, rows: len(c.times), id: b.before}
	return r.find(id, col)
}

// timeOf returns the time of a sample, in milliseconds.
func (c *chunk) timeOf(col *column, row int) int64 {
	if c.fields <= lagField {
		return c.times[row]
	}
	return c.times[row] - col.values[lagField][row]*1000
}

// size returns the memory of the chunk in bytes.
func (c *chunk) size() int64 {
	return int64(unsafe.Sizeof(*c)) + 8*int64(cap(c.times)) + int64(unsafe.Sizeof(block{}))*int64(cap(c.blocks)) + int64(cap(c.data))
}

// builder builds a chunk from an older one and a new row.
type builder struct {
	chunk
	row    int
	before uint32
}

func newBuilder(c *chunk, at int64, fields int) *builder {
	b := &builder{chunk: chunk{fields: fields, first: at, last: at}}
	if c != nil {
		b.row = len(c.times)
		b.first, b.last, b.samples = c.first, max(c.last, at), c.samples
		b.data = make([]byte, 0, len(c.data)+len(c.data)/8)
		b.blocks = make([]block, 0, len(c.blocks))
		b.times = append(make([]int64, 0, b.row+1), c.times...)
	}
	b.times = append(b.times, at)
	return b
}

// put adds a sample to a column.
func (b *builder) put(col *column, add cell) {
	col.present |= 1 << b.row
	for field := range b.fields {
		col.values[field][b.row] = add.values[field]
	}
	b.first = min(b.first, b.timeOf(col, b.row))
	b.samples += min(b.fields, lagField)
}

func (b *builder) add(col *column) {
	if b.columns%blockSize == 0 {
		b.blocks = append(b.blocks, block{first: col.id, before: b.before, at: uint32(len(b.data))})
	}
	b.columns++
	b.data = appendColumn(b.data, col, b.before, b.fields, len(b.times))
	b.before = col.id
}

// build returns the chunk, without spare capacity.
func (b *builder) build() *chunk {
	c := b.chunk
	c.data = append(make([]byte, 0, len(b.data)), b.data...)
	c.blocks = append(make([]block, 0, len(b.blocks)), b.blocks...)
	return &c
}
