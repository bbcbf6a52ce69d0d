package report

import "rollcall.dev/rollcall/api/wire"

// maxUnacked is the maximum number of flushes that are sent but not acknowledged.
const maxUnacked = 2

// ackWindow limits the flushes that the master has not acknowledged. While the window is full nothing is encoded,
// and the next delta has all changes since the last flush. A slow master therefore never needs a queue.
type ackWindow struct {
	// inflight lists the unacknowledged flushes in the order in which they were sent. bytes is their total size.
	inflight []inflightFlush
	bytes    int
	// lastSeq is the seq of the last flush that was sent.
	lastSeq uint64
}

// inflightFlush describes one unacknowledged flush: the seq it leads to and its size in bytes.
type inflightFlush struct {
	seq   uint64
	bytes int
}

// open reports whether another flush may be sent.
func (w *ackWindow) open() bool {
	return len(w.inflight) < maxUnacked && w.bytes < wire.MaxUnackedBytes
}

// add records a flush that was sent.
func (w *ackWindow) add(f inflightFlush) {
	w.inflight = append(w.inflight, f)
	w.bytes += f.bytes
	w.lastSeq = f.seq
}

// ack removes the flushes up to seq. It returns an error if no flush with that seq was sent yet.
func (w *ackWindow) ack(seq uint64) error {
	if seq > w.lastSeq {
		return protocolViolation("got an Ack of seq %d, but the last seq that was sent is %d", seq, w.lastSeq)
	}
	for len(w.inflight) > 0 && w.inflight[0].seq <= seq {
		w.bytes -= w.inflight[0].bytes
		w.inflight = w.inflight[1:]
	}
	return nil
}
