package session

import (
	"context"
	"runtime"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// readyTTL is for how long a cluster that somebody asked for is held ready to be read.
const readyTTL = time.Minute

// compact returns a report's State with a compact form, for a cluster that has no readers
// and whose objects did not change: it then takes some kilobytes instead of some hundreds.
// Decoding 300 containers again takes about a millisecond. A snapshot that has just been
// received is kept as its frames.
func (w *worker) compact(s *state.State) *state.State {
	l := w.live
	if l.snapshot != nil {
		return l.receiver.CompactAs(l.link.codec, l.snapshot)
	}
	if s.Compacted() == nil && !l.isExpensive() {
		defer w.acquireCPU()()
	}
	compacted, err := l.receiver.Compact(l.link.codec)
	if err != nil {
		w.sessions.log.Debug("objects stay as they are", "cluster", w.name, "error", err)
		return s
	}
	return compacted
}

// rests reports whether the cluster's State is to be compacted: it has no readers, and the
// report changed no object or is the session's first. A cluster that changes with every
// report would be compacted and decoded over and over.
func (w *worker) rests(s *state.State, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting > 0 || w.watches > 0 || now.Before(w.asked.Add(readyTTL)) {
		return false
	}
	return w.live.reports == 0 || w.value != nil && w.value.State != nil && w.value.State.SameObjects(s)
}

// isExpensive says that what comes takes milliseconds: a snapshot, or a session's first report,
// which followers look at whole.
func (l *live) isExpensive() bool { return l.reports == 0 || l.snapshotSize > 0 }

// maxKept is how many bytes of a snapshot are kept as they came; one of a hundred
// thousand containers has two million.
const maxKept = 16 << 20

// keepFrame keeps a frame of a snapshot as it came, unless all of them become too many:
// an agent may send any number of frames in which there is next to nothing.
func (l *live) keepFrame(data []byte, b wire.Budget) error {
	const besides = 64 // bytes that a frame takes with nothing in it
	size := len(data) + besides
	if l.snapshotSize += size; l.snapshotSize > maxKept {
		l.snapshot = nil
		return nil
	}
	if err := b.Reserve(int64(size)); err != nil {
		return err
	}
	l.snapshot = append(l.snapshot, slices.Clone(data))
	return nil
}

// toilers are how many processors there are for what takes milliseconds.
func maxCPUSlots() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// acquireCPU waits until there is a processor for what takes milliseconds, and gives what has
// to be called behind it. Some are left for those who read: at a master's start all
// clusters come at once.
func (w *worker) acquireCPU() (done func()) {
	done, _ = w.sessions.cpuSlots.enter(context.Background(), w.awaited)
	return done
}
