package history

import (
	"encoding/binary"
	"math/bits"
)

const (
	// maxRows is the maximum number of readings in a chunk.
	maxRows = 16
	// maxFields is the maximum number of values of a sample: CPU, memory and lag.
	maxFields = 3
	// kibibytes marks a field whose values are all multiples of 1,024, and are stored divided
	// by it. It is the highest bit of the byte with the field's width.
	kibibytes = 0x80
	// Bits of a column's header.
	headerGaps = 1
	headerSame = 2
)

// column is the decoded data of one series in one chunk.
type column struct {
	id uint32
	// present has a bit for each row in which the series has a sample.
	present uint32
	// total is the integral of the first field at the first sample, in millicore-seconds.
	total int64
	// values are indexed by field and row. They are undefined where there is no sample.
	values [maxFields][maxRows]int64
}

func (c *column) has(row int) bool { return c.present>>row&1 != 0 }

func (c *column) len() int { return bits.OnesCount32(c.present) }

// encoding describes how the values of one field of a column are encoded.
type encoding struct {
	base  int64
	width uint
	kib   bool
}

// same reports whether all values equal the base.
func (f encoding) same() bool { return f.width == 0 && !f.kib }

func (f encoding) byte() byte {
	if f.kib {
		return byte(f.width) | kibibytes
	}
	return byte(f.width)
}

func (c *column) encoding(field, rows int) encoding {
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
	f := encoding{base: low, kib: all != 0 && all&1023 == 0}
	if f.kib {
		low, high = low>>10, high>>10
		f.base = low
	}
	f.width = bitWidth(uint64(high) - uint64(low))
	return f
}

// appendColumn appends the encoding of a column. before is the id of the previous column
// in the chunk:
//
//	uvarint   id − before, shifted by two. The lowest bit is set if some rows have no
//	          sample; the next one if all values of the last field are the same, so that
//	          the field has no width
//	uvarint   present, if some rows have no sample
//	uvarint   total, if there are several fields
//	per field varint base, byte width (| kibibytes)
//	bits      per field, per sample: value − base
func appendColumn(out []byte, c *column, before uint32, fields, rows int) []byte {
	var encodings [maxFields]encoding
	for field := range fields {
		encodings[field] = c.encoding(field, rows)
	}
	head, last := uint64(c.id-before)<<2, fields-1
	gaps, same := c.present != 1<<rows-1, encodings[last].same() //nolint:gosec // a column has one field at least
	if gaps {
		head |= headerGaps
	}
	if same {
		head |= headerSame
	}
	out = binary.AppendUvarint(out, head)
	if gaps {
		out = binary.AppendUvarint(out, uint64(c.present))
	}
	if fields > 1 {
		out = binary.AppendVarint(out, c.total)
	}
	for field := range fields {
		out = binary.AppendVarint(out, encodings[field].base)
		if field != last || !same {
			out = append(out, encodings[field].byte())
		}
	}
	w := bitWriter{out: out}
	for field := range fields {
		f := encodings[field]
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

// columnReader decodes the columns of a chunk in order.
type columnReader struct {
	in           []byte
	fields, rows int
	// id is the id of the last decoded column.
	id        uint32
	encodings [maxFields]encoding
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

// head decodes a column up to its bits, and returns the number of bytes that follow.
func (r *columnReader) head(c *column) int {
	head := r.uvarint()
	r.id += uint32(head >> 2)
	c.id, c.present, c.total = r.id, 1<<r.rows-1, 0
	if head&headerGaps != 0 {
		c.present = uint32(r.uvarint())
	}
	if r.fields > 1 {
		c.total = r.varint()
	}
	width := uint(0)
	for field := range r.fields {
		f := encoding{base: r.varint()}
		if field != r.fields-1 || head&headerSame == 0 {
			f.width, f.kib = uint(r.in[0]&^kibibytes), r.in[0]&kibibytes != 0
			r.in = r.in[1:]
		}
		r.encodings[field] = f
		width += f.width
	}
	return (int(width)*c.len() + 7) / 8
}

// next decodes a column. It returns false if there are no more.
func (r *columnReader) next(c *column) bool {
	if len(r.in) == 0 {
		return false
	}
	n := r.head(c)
	r.decodeValues(c)
	r.in = r.in[n:]
	return true
}

// find skips to the column of a series and decodes it. It returns false if there is none.
func (r *columnReader) find(id uint32, c *column) bool {
	for len(r.in) > 0 {
		n := r.head(c)
		if c.id == id {
			r.decodeValues(c)
			return true
		}
		if c.id > id {
			return false
		}
		r.in = r.in[n:]
	}
	return false
}

func (r *columnReader) decodeValues(c *column) {
	b := bitReader{in: r.in}
	for field := range r.fields {
		f := r.encodings[field]
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
