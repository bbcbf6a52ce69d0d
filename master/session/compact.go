package session

import (
	"context"
	"runtime"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// readyTTL is how long the objects of a cluster stay decoded after a request.
const readyTTL = time.Minute

// compact returns a copy of s that also has its objects in compact form, some kilobytes instead of some
// hundred. Decoding 300 containers again takes about a millisecond. A snapshot that was just received is kept
// as its encoded messages. On an error compact returns s.
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
		w.sessions.log.Debug("cannot compact the objects", "cluster", w.name, "error", err)
		return s
	}
	return compacted
}

// shouldCompact reports whether the objects of s are to be compacted: the cluster has no readers, and the
// report changed no object or is the first of the session. A cluster that changes with every report would
// otherwise be compacted and decoded each time.
func (w *worker) shouldCompact(s *state.State, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiters > 0 || w.watchers > 0 || now.Before(w.lastRequest.Add(readyTTL)) {
		return false
	}
	return w.active.reports == 0 || w.report != nil && w.report.State != nil && w.report.State.SameObjects(s)
}

// isExpensive reports whether the next message may take milliseconds: it is part of a snapshot or of the
// session's first report, in which event handlers read all objects.
func (a *activeSession) isExpensive() bool { return a.reports == 0 || a.snapshotFramesSize > 0 }

// maxSnapshotFramesSize is the maximum size of a snapshot that is kept encoded, in bytes. A cluster with
// 100,000 containers has two million.
const maxSnapshotFramesSize = 16 << 20

// keepSnapshotFrame keeps an encoded message of a snapshot. It drops all of them when they become too large:
// an agent may send any number of messages that are almost empty.
func (a *activeSession) keepSnapshotFrame(data []byte, b wire.Budget) error {
	const overhead = 64 // memory of an empty message in bytes
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

// maxCPUSlots returns how many processors may do expensive work at a time. The others are reserved for
// readers.
func maxCPUSlots() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// acquireCPU waits for a slot of Sessions.cpuSlots, and returns a function that releases it. Clusters with
// waiting readers come first.
func (w *worker) acquireCPU() (release func()) {
	release, _ = w.sessions.cpuSlots.acquire(context.Background(), w.hasWaiters)
	return release
}
