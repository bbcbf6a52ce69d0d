package prom

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
)

func TestTrailKnowsWhichReportBroughtASeq(t *testing.T) {
	trail, start := NewTrail(time.Minute), time.UnixMilli(1_000_000)
	report := func(after time.Duration, epoch, seq uint64) []step {
		v := &session.Value{Cluster: "a", State: &state.State{Epoch: epoch, Seq: seq}, ReceivedAt: start.Add(after)}
		trail.Follower().Reported(v, false)
		return trail.of(v)
	}
	report(0, 1, 10)
	report(5*time.Second, 1, 10)
	steps := report(10*time.Second, 1, 15)
	for seq, want := range map[uint64]int64{1: 1_000_000, 10: 1_000_000, 11: 1_010_000, 15: 1_010_000, 16: 7} {
		same(t, "since", since(steps, seq, max(7, want)), max(7, want))
	}
	same(t, "what is kept", len(report(2*time.Minute, 1, 16)), 2)
	same(t, "of another process", len(report(2*time.Minute, 2, 16)), 1)
	trail.Follower().Ended("a", start)
	same(t, "of the next session", len(report(3*time.Minute, 2, 17)), 1)
	trail.Follower().Forgotten("a")
	same(t, "after it went", trail.of(&session.Value{Cluster: "a", State: &state.State{Epoch: 2}}), nil)
}

func TestTrailIsBounded(t *testing.T) {
	trail := NewTrail(time.Hour)
	for i := range 3 * maxSteps {
		trail.Follower().Reported(&session.Value{Cluster: "a", State: &state.State{Seq: uint64(i)}, ReceivedAt: time.Unix(int64(i), 0)}, false)
	}
	if n := len(trail.clusters["a"].list); n > maxSteps {
		t.Errorf("%d steps, want %d at most", n, maxSteps)
	}
}
