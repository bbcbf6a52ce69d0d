package history

import (
	"encoding/binary"
	"math/bits"
)

const (
	// maxRows is how many readings a chunk has at most.
	maxRows = 16
	// maxFields is how many values a sample has at most: CPU, memory and lag.
	maxFields = 3
	// kibibytes marks a field of which all values are multiples of 1,024, and are kept
	// so divided. It is the highest bit of the byte that has the field's width.
	kibibytes = 0x80
	// Bits of a column's head.
	headGaps = 1
	headSame = 2
)

// column is one series in one chunk, unpacked.
type column struct {
	id uint32
	// present has a bit for each row in which the series has a sample.
	present uint32
	// total is the integral of the first field over time at the first sample, in units
	// of millicores and seconds.
	total int64
	// values are by field and row; they mean nothing where there is no sample.
	values [maxFields][maxRows]int64
}

func (c *column) has(row int) bool { return c.present>>row&1 != 0 }

func (c *column) len() int { return bits.OnesCount32(c.present) }

// frame is how the values of one field of a column are packed.
type frame struct {
	base  int64
	width uint
	kib   bool
}

// same says that all values are the base.
func (f frame) same() bool { return f.width == 0 && !f.kib }

func (f frame) byte() byte {
	if f.kib {
		return byte(f.width) | kibibytes
	}
	return byte(f.width)
}

func (c *column) frame(field, rows int) frame {
	low, high, all := int64(0), int64(0), int64(0)
	first := true
	for row := range rows {
		if !c.has(row) {
			continue
		}
		v := c.values[field][row]
		if first {
			low, high, first = v, v, false
		}
		low, high, all = min(low, v), max(high, v), all|v
	}
	f := frame{base: low, kib: all != 0 && all&1023 == 0}
	if f.kib {
		low, high = low>>10, high>>10
		f.base = low
	}
	f.width = widthOf(uint64(high) - uint64(low))
	return f
}

// appendColumn packs a column of a chunk behind that of the series `before`:
//
//	uvarint   id − before, shifted by two; lowest bit: some rows have no sample; next:
//	          the last field is the same in all rows, and has no width
//	uvarint   present, where some have none
//	uvarint   total, where there are several fields
//	per field varint base, byte width (| kibibytes)
//	bits      per field, per sample: value − base
func appendColumn(out []byte, c *column, before uint32, fields, rows int) []byte {
	var frames [maxFields]frame
	for field := range fields {
		frames[field] = c.frame(field, rows)
	}
	head, last := uint64(c.id-before)<<2, fields-1
	gaps, same := c.present != 1<<rows-1, frames[last].same() //nolint:gosec // a column has one field at least
	if gaps {
		head |= headGaps
	}
	if same {
		head |= headSame
	}
	out = binary.AppendUvarint(out, head)
	if gaps {
		out = binary.AppendUvarint(out, uint64(c.present))
	}
	if fields > 1 {
		out = binary.AppendVarint(out, c.total)
	}
	for field := range fields {
		out = binary.AppendVarint(out, frames[field].base)
		if field != last || !same {
			out = append(out, frames[field].byte())
		}
	}
	w := bitWriter{out: out}
	for field := range fields {
		f := frames[field]
		for row := range rows {
			if !c.has(row) {
				continue
			}
			v := c.values[field][row]
			if f.kib {
				v >>= 10
			}
			w.put(uint64(v)-uint64(f.base), f.width)
		}
	}
	w.flush()
	return w.out
}

// columnReader reads the columns of a chunk one after the other.
type columnReader struct {
	in           []byte
	fields, rows int
	// id is that of the column that was read last.
	id     uint32
	frames [maxFields]frame
}

func (r *columnReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.in)
	r.in = r.in[n:]
	return v
}

func (r *columnReader) varint() int64 {
	v, n := binary.Varint(r.in)
	r.in = r.in[n:]
	return v
}

// head reads a column up to its bits, and gives how many bytes of those there are.
func (r *columnReader) head(c *column) int {
	head := r.uvarint()
	r.id += uint32(head >> 2)
	c.id, c.present, c.total = r.id, 1<<r.rows-1, 0
	if head&headGaps != 0 {
		c.present = uint32(r.uvarint())
	}
	if r.fields > 1 {
		c.total = r.varint()
	}
	width := uint(0)
	for field := range r.fields {
		f := frame{base: r.varint()}
		if field != r.fields-1 || head&headSame == 0 {
			f.width, f.kib = uint(r.in[0]&^kibibytes), r.in[0]&kibibytes != 0
			r.in = r.in[1:]
		}
		r.frames[field] = f
		width += f.width
	}
	return (int(width)*c.len() + 7) / 8
}

// next reads a column; false: there is none left.
func (r *columnReader) next(c *column) bool {
	if len(r.in) == 0 {
		return false
	}
	n := r.head(c)
	r.unpack(c)
	r.in = r.in[n:]
	return true
}

// find passes over columns to that of an id, and says whether it is there.
func (r *columnReader) find(id uint32, c *column) bool {
	for len(r.in) > 0 {
		n := r.head(c)
		if c.id == id {
			r.unpack(c)
			return true
		}
		if c.id > id {
			return false
		}
		r.in = r.in[n:]
	}
	return false
}

func (r *columnReader) unpack(c *column) {
	b := bitReader{in: r.in}
	for field := range r.fields {
		f := r.frames[field]
		for row := range r.rows {
			if !c.has(row) {
				continue
			}
			v := int64(b.get(f.width) + uint64(f.base))
			if f.kib {
				v <<= 10
			}
			c.values[field][row] = v
		}
	}
}
