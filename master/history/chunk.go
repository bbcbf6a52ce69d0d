package history

import (
	"sort"
	"time"
	"unsafe"
)

const (
	// chunkSpan is how long a chunk takes readings. What is dropped is dropped by chunks.
	chunkSpan = 4 * time.Minute
	// blockSize is how many columns are read through at most to find one.
	blockSize = 16
)

// chunk is some readings in a row, packed. It is never mutated.
type chunk struct {
	// times are those of the rows in milliseconds: of the newest sample in each.
	times []int64
	// blocks are where each sixteenth column begins.
	blocks []block
	// data are the columns, by ascending id.
	data    []byte
	fields  int
	columns int
	// samples is how many values there are in it, CPU and memory as one each.
	samples int
	// first and last are the times of its oldest and newest sample in milliseconds.
	first, last int64
}

// block is where a column is and the id of the one before it.
type block struct{ first, before, at uint32 }

// cell is what one series adds to a chunk.
type cell struct {
	id     uint32
	total  int64
	values [maxFields]int64
}

// full says that a reading of an instant needs a new chunk.
func (c *chunk) full(at int64) bool {
	return c == nil || len(c.times) == maxRows || at-c.times[0] >= chunkSpan.Milliseconds()
}

// with is c and a row more; cells are by ascending id, and there is at least one. A nil
// chunk is empty.
func (c *chunk) with(at int64, cells []cell, fields int) *chunk {
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
	return b.done()
}

func (c *chunk) reader() columnReader {
	if c == nil {
		return columnReader{}
	}
	return columnReader{in: c.data, fields: c.fields, rows: len(c.times)}
}

// find unpacks the column of a series, and says whether there is one.
func (c *chunk) find(id uint32, col *column) bool {
	i := sort.Search(len(c.blocks), func(i int) bool { return c.blocks[i].first > id }) - 1
	if i < 0 {
		return false
	}
	b := c.blocks[i]
	r := columnReader{in: c.data[b.at:], fields: c.fields, rows: len(c.times), id: b.before}
	return r.find(id, col)
}

// timeOf is when a sample was taken, in milliseconds.
func (c *chunk) timeOf(col *column, row int) int64 {
	if c.fields <= lagField {
		return c.times[row]
	}
	return c.times[row] - col.values[lagField][row]*1000
}

// size is what the chunk takes of memory, in bytes.
func (c *chunk) size() int64 {
	return int64(unsafe.Sizeof(*c)) + 8*int64(cap(c.times)) + int64(unsafe.Sizeof(block{}))*int64(cap(c.blocks)) + int64(cap(c.data))
}

// builder makes a chunk of an older one and a new row.
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

// put takes a sample into a column.
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

// done is the chunk without room to spare.
func (b *builder) done() *chunk {
	c := b.chunk
	c.data = append(make([]byte, 0, len(b.data)), b.data...)
	c.blocks = append(make([]block, 0, len(b.blocks)), b.blocks...)
	return &c
}
