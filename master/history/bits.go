package history

import "math/bits"

// bitWriter appends numbers of any width to a byte slice, lowest bits first.
type bitWriter struct {
	out []byte
	// pending has the lowest pendingBits bits, which do not fill a byte yet.
	pending     uint64
	pendingBits uint
}

// put appends the lowest width bits of v, 0 to 64.
func (w *bitWriter) put(v uint64, width uint) {
	if width > 32 {
		w.put(v&(1<<32-1), 32)
		v, width = v>>32, width-32
	}
	w.pending |= v << w.pendingBits
	w.pendingBits += width
	for w.pendingBits >= 8 {
		w.out = append(w.out, byte(w.pending))
		w.pending >>= 8
		w.pendingBits -= 8
	}
}

// flush pads the last byte with zeros.
func (w *bitWriter) flush() {
	if w.pendingBits > 0 {
		w.out = append(w.out, byte(w.pending))
	}
	w.pending, w.pendingBits = 0, 0
}

// bitReader reads numbers that a bitWriter wrote.
type bitReader struct {
	in []byte
	// pending has the lowest pendingBits bits, which were read from in but not returned yet.
	pending     uint64
	pendingBits uint
}

func (r *bitReader) get(width uint) uint64 {
	if width > 32 {
		low := r.get(32)
		return low | r.get(width-32)<<32
	}
	for r.pendingBits < width {
		r.pending |= uint64(r.in[0]) << r.pendingBits
		r.in = r.in[1:]
		r.pendingBits += 8
	}
	v := r.pending & (1<<width - 1)
	r.pending >>= width
	r.pendingBits -= width
	return v
}

func bitWidth(v uint64) uint { return uint(bits.Len64(v)) }
