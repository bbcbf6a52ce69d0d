package session

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/budget"
)

// continuous has the cluster reported always, whether or not anybody asks.
func continuous(c *Cluster) { c.Continuous = true }

// resting says that the objects of a cluster's value are compacted and nobody looked.
func (s *stage) resting(name string) bool {
	s.t.Helper()
	v, ok := s.sessions.LastReport(name)
	if !ok || v.State == nil {
		s.t.Fatalf("there is no value of %s", name)
	}
	return v.State.ObjectsEvicted()
}

func TestClusterThatNobodyReadsIsCompacted(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", continuous)
		s.sessions.Sync("a")
		s.pass(5 * time.Second)
		want(t, "resting", s.resting("a"), true)
		seq := a.change(3).Seq
		s.pass(time.Second)
		v, _ := s.sessions.LastReport("a")
		want(t, "seq", v.State.Seq, seq)
		s.pass(2 * time.Second)
		want(t, "resting when the change is over", s.resting("a"), true)
		if d := state.Diff(a.state(), s.get("a").State); len(d.Upserts)+len(d.Removes) > 0 {
			t.Errorf("what is read differs by %d upserts and %d removes", len(d.Upserts), len(d.Removes))
		}
	})
}

func TestClusterThatIsReadIsHeldReady(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", continuous)
		s.get("a")
		s.pass(10 * time.Second)
		want(t, "resting soon after a GET", s.resting("a"), false)
		s.pass(readyTTL)
		want(t, "resting a while after it", s.resting("a"), true)
		release := s.sessions.Watch("a")
		for range s.get("a").State.Pods() {
		}
		s.pass(2 * readyTTL)
		want(t, "resting while it is watched", s.resting("a"), false)
		release()
		s.pass(2 * time.Second)
		want(t, "resting afterwards", s.resting("a"), true)
		want(t, "sessions", a.sessions() > 0, true)
	})
}

func TestFramesOfASnapshotAreKeptWithinBounds(t *testing.T) {
	l, account := &activeSession{}, budget.New(0, 0).Account("a")
	frame := make([]byte, 1<<20)
	for range maxSnapshotFramesSize>>20 - 1 {
		_ = l.keepSnapshotFrame(frame, account)
	}
	want(t, "kept", len(l.snapshotFrames), maxSnapshotFramesSize>>20-1)
	_ = l.keepSnapshotFrame(frame, account)
	want(t, "kept beyond the bound", len(l.snapshotFrames), 0)
	_ = l.keepSnapshotFrame(nil, account)
	want(t, "kept of what follows", len(l.snapshotFrames), 0)
	l = &activeSession{}
	for range maxSnapshotFramesSize {
		_ = l.keepSnapshotFrame(nil, account)
	}
	want(t, "kept of many that are empty", len(l.snapshotFrames), 0)
	want(t, "a snapshot came", l.snapshotFramesSize > 0, true)
}
