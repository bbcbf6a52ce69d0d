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
	active := w.active
	if active.snapshotFrames != nil {
		return active.receiver.CompactAs(active.conn.codec, active.snapshotFrames)
	}
	if s.Compacted() == nil && !active.isExpensive() {
		defer w.acquireCPU()()
	}
	compacted, err := active.receiver.Compact(active.conn.codec)
	if err != nil {
		w.sessions.log.Debug("objects stay as they are", "cluster", w.name, "error", err)
		return s
	}
	return compacted
}

// shouldCompact reports whether the cluster's State is to be compacted: it has no readers, and the
// report changed no object or is the session's first. A cluster that changes with every
// report would be compacted and decoded over and over.
func (w *worker) shouldCompact(s *state.State, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiters > 0 || w.watchers > 0 || now.Before(w.lastRequest.Add(readyTTL)) {
		return false
	}
	return w.active.reports == 0 || w.report != nil && w.report.State != nil && w.report.State.SameObjects(s)
}

// isExpensive says that what comes takes milliseconds: a snapshot, or a session's first report,
// which followers look at whole.
func (a *activeSession) isExpensive() bool { return a.reports == 0 || a.snapshotFramesSize > 0 }

// maxKept is how many bytes of a snapshot are kept as they came; one of a hundred
// thousand containers has two million.
const maxSnapshotFramesSize = 16 << 20

// keepSnapshotFrame keeps a frame of a snapshot as it came, unless all of them become too many:
// an agent may send any number of frames in which there is next to nothing.
func (a *activeSession) keepSnapshotFrame(data []byte, b wire.Budget) error {
	const overhead = 64 // bytes that a frame takes with nothing in it
	size := len(data) + overhead
	if a.snapshotFramesSize += size; a.snapshotFramesSize > maxSnapshotFramesSize {
		a.snapshotFrames = nil
		return nil
	}
	if err := b.Reserve(int64(size)); err != nil {
		return err
	}
	a.snapshotFrames = append(a.snapshotFrames, slices.Clone(data))
	return nil
}

// toilers are how many processors there are for what takes milliseconds.
func maxCPUSlots() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// acquireCPU waits until there is a processor for what takes milliseconds, and gives what has
// to be called behind it. Some are left for those who read: at a master's start all
// clusters come at once.
func (w *worker) acquireCPU() (release func()) {
	release, _ = w.sessions.cpuSlots.acquire(context.Background(), w.hasWaiters)
	return release
}
