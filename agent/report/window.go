package report

import "rollcall.dev/rollcall/api/wire"

// maxUnacked is the maximum number of flushes that are sent but not acknowledged.
const maxUnacked = 2

// window bounds what the master has not taken in yet. While it is full nothing is
// encoded, and the next delta covers everything since: a slow master costs one
// state, never a queue.
type window struct {
	// flights are the flushes without an Ack, of bytes together.
	flights []flight
	bytes   int
	last    uint64
}

// flight describes one unacknowledged flush: the seq it leads to and its size in bytes.
type flight struct {
	seq   uint64
	bytes int
}

func (w *window) open() bool { return len(w.flights) < maxUnacked && w.bytes < wire.MaxUnackedBytes }

func (w *window) sent(f flight) {
	w.flights = append(w.flights, f)
	w.bytes += f.bytes
	w.last = f.seq
}

// acked takes in an Ack: everything up to seq has arrived.
func (w *window) acked(seq uint64) error {
	if seq > w.last {
		return protocolError("an Ack of %d, sent was %d", seq, w.last)
	}
	for len(w.flights) > 0 && w.flights[0].seq <= seq {
		w.bytes -= w.flights[0].bytes
		w.flights = w.flights[1:]
	}
	return nil
}
