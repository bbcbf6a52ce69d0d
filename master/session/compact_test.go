package session

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/budget"
)

// continuous makes a cluster Continuous.
func continuous(c *Cluster) { c.Continuous = true }

// objectsEvicted reports whether the objects of the cluster's report are compacted and not decoded.
func (m *testMaster) objectsEvicted(name string) bool {
	m.t.Helper()
	r, ok := m.sessions.LastReport(name)
	if !ok || !r.HasState() {
		m.t.Fatalf("%s has no report with a State", name)
	}
	return !r.Decoded()
}

func TestClusterWithoutReadersIsCompacted(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", continuous)
		m.sessions.Sync("a")
		m.advance(5 * time.Second)
		wantEqual(t, "objects evicted", m.objectsEvicted("a"), true)
		seq := a.change(3).Seq
		m.advance(time.Second)
		r, _ := m.sessions.LastReport("a")
		wantEqual(t, "seq", r.Seq, seq)
		m.advance(2 * time.Second)
		wantEqual(t, "objects evicted after the change", m.objectsEvicted("a"), true)
		if d := state.Diff(a.state(), stateOf(t, m.get("a"))); len(d.Upserts)+len(d.Removes) > 0 {
			t.Errorf("the decoded State differs by %d upserts and %d removes", len(d.Upserts), len(d.Removes))
		}
	})
}

func TestClusterWithReadersStaysDecoded(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", continuous)
		// The first report may arrive before the request. Its objects stay compacted until they are read.
		for range stateOf(t, m.get("a")).Pods() {
		}
		m.advance(10 * time.Second)
		wantEqual(t, "objects evicted soon after a request", m.objectsEvicted("a"), false)
		m.advance(decodedTTL)
		wantEqual(t, "objects evicted after decodedTTL", m.objectsEvicted("a"), true)
		release := m.watch(t.Context(), "a")
		for range stateOf(t, m.get("a")).Pods() {
		}
		m.advance(2 * decodedTTL)
		wantEqual(t, "objects evicted while watched", m.objectsEvicted("a"), false)
		release()
		m.advance(2 * time.Second)
		wantEqual(t, "objects evicted after the watch", m.objectsEvicted("a"), true)
		wantEqual(t, "sessions", a.sessionCount() > 0, true)
	})
}

func TestKeptSnapshotFramesAreLimited(t *testing.T) {
	l, account := &snapshotFrames{}, budget.New(0, 0).Account("a")
	frame := make([]byte, 1<<20)
	for range maxSnapshotFramesSize>>20 - 1 {
		_ = l.keep(frame, account)
	}
	wantEqual(t, "frames kept", len(l.frames), maxSnapshotFramesSize>>20-1)
	_ = l.keep(frame, account)
	wantEqual(t, "frames kept beyond the limit", len(l.frames), 0)
	_ = l.keep(nil, account)
	wantEqual(t, "frames kept after that", len(l.frames), 0)
	l = &snapshotFrames{}
	for range maxSnapshotFramesSize {
		_ = l.keep(nil, account)
	}
	wantEqual(t, "frames kept of many empty ones", len(l.frames), 0)
	wantEqual(t, "the size is set", l.size > 0, true)
}
