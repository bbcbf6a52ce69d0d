package history

import "math/bits"

// bitWriter appends numbers of any width to a byte slice, lowest bits first.
type bitWriter struct {
	out       []byte
	lastState uint64
	n         uint
}

// put appends the lowest width bits of v, 0 to 64.
func (w *bitWriter) put(v uint64, width uint) {
	if width > 32 {
		w.put(v&(1<<32-1), 32)
		v, width = v>>32, width-32
	}
	w.lastState |= v << w.n
	w.n += width
	for w.n >= 8 {
		w.out = append(w.out, byte(w.lastState))
		w.lastState >>= 8
		w.n -= 8
	}
}

// flush pads the last byte with zeros.
func (w *bitWriter) flush() {
	if w.n > 0 {
		w.out = append(w.out, byte(w.lastState))
	}
	w.lastState, w.n = 0, 0
}

// bitReader reads numbers that a bitWriter wrote.
type bitReader struct {
	in        []byte
	lastState uint64
	n         uint
}

func (r *bitReader) get(width uint) uint64 {
	if width > 32 {
		low := r.get(32)
		return low | r.get(width-32)<<32
	}
	for r.n < width {
		r.lastState |= uint64(r.in[0]) << r.n
		r.in = r.in[1:]
		r.n += 8
	}
	v := r.lastState & (1<<width - 1)
	r.lastState >>= width
	r.n -= width
	return v
}

func bitWidth(v uint64) uint { return uint(bits.Len64(v)) }
