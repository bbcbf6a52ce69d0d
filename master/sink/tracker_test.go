package sink

import (
	"testing"
	"time"
)

func expect(t *testing.T, what string, got []*Batch, want string) {
	t.Helper()
	if text := formatAll(got); text != want {
		t.Errorf("%s: got %q, want %q", what, text, want)
	}
}

func TestCPUTimeIsTheIntegralOfTheRate(t *testing.T) {
	b, m := trackers{}, newMember(t, 1, "web")
	expect(t, "the first reading", b.batchesOf(m.report("c", 1, 100)), "web n1")
	expect(t, "the second reading", b.batchesOf(m.report("c", 16, 200)), "web@15=3s n1@15=3s")
	expect(t, "a reading with the same samples", b.batchesOf(m.again("c", 21, true)), "web n1")
	expect(t, "a report without a reading", b.batchesOf(m.again("c", 26, false)), "web n1")
	expect(t, "the third reading", b.batchesOf(m.report("c", 31, 400)), "web@30=9s n1@30=9s")
	expect(t, "a reading more than lookback later", b.batchesOf(m.report("c", 331, 400)), "web@330=0s n1@330=0s")
}

func TestRemovedSeriesEnd(t *testing.T) {
	b, m := trackers{}, newMember(t, 1, "api", "web")
	b.batchesOf(m.report("c", 1, 100))
	b.batchesOf(m.report("c", 16, 100))
	m.remove("api")
	expect(t, "a pod is removed", b.batchesOf(m.report("c", 31, 100)), "ended: api; web@30=3s n1@30=3s")
	expect(t, "the session ends", b.batchesOf(event{cluster: "c", at: at(35)}), "ended: web n1")
	expect(t, "another session", b.batchesOf(m.report("c", 61, 100)), "web@60=0s n1@60=0s")
	if got := b.batchesOf(event{cluster: "c", removed: true}); got != nil || len(b) != 0 {
		t.Errorf("after the removal of the cluster: got %q and %d trackers, want none", formatAll(got), len(b))
	}
	expect(t, "the end of a session without a report", b.batchesOf(event{cluster: "d", at: at(35)}), "")
}

func TestCPUTimeRestartsWithTheAgent(t *testing.T) {
	b, m := trackers{}, newMember(t, 1, "web")
	b.batchesOf(m.report("c", 1, 100))
	b.batchesOf(m.report("c", 16, 100))
	next := newMember(t, 2, "api")
	expect(t, "the agent restarts", b.batchesOf(next.report("c", 31, 100)), "ended: web; api n1")
	expect(t, "its second reading", b.batchesOf(next.report("c", 46, 100)), "api@45=1.5s n1@45=1.5s")
}

func TestBatchTimesIncrease(t *testing.T) {
	b, m := trackers{}, newMember(t, 1, "web")
	last := time.Time{}
	for _, seconds := range []int{10, 10, 5, 11} {
		for _, batch := range b.batchesOf(m.again("c", seconds, false)) {
			if !batch.At.After(last) {
				t.Errorf("got a batch at %s after one at %s, want ascending times", batch.At, last)
			}
			last = batch.At
		}
	}
}
