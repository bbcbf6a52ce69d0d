package report

// maxUnacked is how many flushes may be on their way.
const maxUnacked = 2

// window bounds what the master has not taken in yet. While it is full nothing is
// encoded, and the next delta covers everything since: a slow master costs one
// state, never a queue.
type window struct {
	// flights are the seqs of the flushes without an Ack.
	flights []uint64
	last    uint64
}

func (w *window) open() bool { return len(w.flights) < maxUnacked }

func (w *window) sent(seq uint64) {
	w.flights = append(w.flights, seq)
	w.last = seq
}

// acked takes in an Ack: everything up to seq has arrived.
func (w *window) acked(seq uint64) error {
	if seq > w.last {
		return protocolError("an Ack of %d, sent was %d", seq, w.last)
	}
	for len(w.flights) > 0 && w.flights[0] <= seq {
		w.flights = w.flights[1:]
	}
	return nil
}
