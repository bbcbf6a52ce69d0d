package samples

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
)

func TestRevisionTimesByReport(t *testing.T) {
	revisionTimes, start := NewRevisionTimes(time.Minute), time.UnixMilli(1_000_000)
	report := func(after time.Duration, epoch, seq uint64) Changes {
		v := &session.Report{Cluster: "a", LazyState: wire.NewLazyState(&state.State{Epoch: epoch, Seq: seq}), ReceivedAt: start.Add(after)}
		revisionTimes.EventHandler().OnReport(v, false)
		return revisionTimes.Changes(v)
	}
	report(0, 1, 10)
	report(5*time.Second, 1, 10)
	steps := report(10*time.Second, 1, 15)
	for seq, want := range map[uint64]int64{1: 1_000_000, 10: 1_000_000, 11: 1_010_000, 15: 1_010_000, 16: 7} {
		if got := changedAt(steps, seq, max(7, want)); got != max(7, want) {
			t.Errorf("seq %d: got time %d, want %d", seq, got, max(7, want))
		}
	}
	if n := len(report(2*time.Minute, 1, 16)); n != 2 {
		t.Errorf("what is kept: got %d revisions, want 2", n)
	}
	if n := len(report(2*time.Minute, 2, 16)); n != 1 {
		t.Errorf("after a change of epoch: got %d revisions, want 1", n)
	}
	revisionTimes.EventHandler().OnSessionEnd("a", start)
	if n := len(report(3*time.Minute, 2, 17)); n != 1 {
		t.Errorf("of the next session: got %d revisions, want 1", n)
	}
	revisionTimes.EventHandler().OnClusterRemoved("a")
	if got := revisionTimes.Changes(&session.Report{Cluster: "a", LazyState: wire.NewLazyState(&state.State{Epoch: 2})}); got != nil {
		t.Errorf("after the cluster was removed: got %v, want none", got)
	}
}

func TestRevisionTimesAreBounded(t *testing.T) {
	revisionTimes := NewRevisionTimes(time.Hour)
	for i := range 3 * maxRevisions {
		revisionTimes.EventHandler().OnReport(&session.Report{Cluster: "a", LazyState: wire.NewLazyState(&state.State{Seq: uint64(i)}), ReceivedAt: time.Unix(int64(i), 0)}, false)
	}
	if n := len(revisionTimes.clusters["a"].revisions); n > maxRevisions {
		t.Errorf("got %d revisions, want at most %d", n, maxRevisions)
	}
}
