package report

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

func TestTimeSpentWritingIsNoSilence(t *testing.T) {
	start := time.Unix(1000, 0)
	s := newSchedule(start, wire.SubscribeResponse{Period: time.Second, Duration: time.Hour})
	s.flushed(start, start.Add(4*time.Second))
	if at := start.Add(6 * time.Second); s.silent(at) {
		t.Error("silent 2s after a report that took 4s to write")
	}
	if at := start.Add(7 * time.Second); !s.silent(at) {
		t.Error("not silent 3s after it")
	}
}

func TestTheAgentsOwnPauseIsNotTheMastersSilence(t *testing.T) {
	start := time.Unix(1000, 0)
	s := newSchedule(start, wire.SubscribeResponse{Period: 5 * time.Second, Duration: time.Hour})
	s.wake(start.Add(900 * time.Millisecond)) // as it does while it runs
	thawed := start.Add(20*time.Second + 900*time.Millisecond)
	s.wake(thawed)
	if s.silent(thawed) {
		t.Error("the master is taken for silent, though the agent itself did not run for 20s")
	}
	end := thawed
	for ; !s.silent(end) && end.Before(thawed.Add(time.Minute)); end = end.Add(maxSleep) {
		s.wake(end)
	}
	if silence := end.Sub(thawed); silence < 13*time.Second || silence > 15*time.Second {
		t.Errorf("a master that says nothing after the pause either is left after %s, want some 15s less what it was silent before", silence)
	}
}

func TestScheduleSleepsUntilTheNextThingToDo(t *testing.T) {
	start := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		edit    func(*schedule)
		maySend bool
		want    time.Duration
	}{
		"a tick":                    {func(*schedule) {}, true, 5 * time.Second},
		"gathered changes":          {func(s *schedule) { s.changed, s.gathered = true, start.Add(wire.FlushDelay) }, true, wire.FlushDelay},
		"a change that may go now":  {func(s *schedule) { s.changed = true }, true, -time.Second},
		"silence, the window full":  {func(s *schedule) { s.changed = true }, false, 15 * time.Second},
		"the end, the window full":  {func(s *schedule) { s.expires = start.Add(7 * time.Second) }, false, 7 * time.Second},
		"the end before the tick":   {func(s *schedule) { s.expires = start.Add(2 * time.Second) }, true, 2 * time.Second},
		"silence and not the tick":  {func(s *schedule) { s.heard = start.Add(-12 * time.Second) }, true, 3 * time.Second},
		"the tick, nothing changed": {func(s *schedule) { s.gathered = start.Add(wire.FlushDelay) }, true, 5 * time.Second},
	} {
		s := newSchedule(start, wire.SubscribeResponse{Period: 5 * time.Second, Duration: time.Hour})
		s.flushed(start, start)
		s.gathered = start.Add(-time.Second)
		tc.edit(&s)
		if got := s.next(tc.maySend).Sub(start); got != tc.want {
			t.Errorf("%s: next after %s, want %s", name, got, tc.want)
		}
	}
}

func TestAckFreesTheWindowUpToItsSeq(t *testing.T) {
	w := window{}
	w.sent(flight{seq: 5})
	w.sent(flight{seq: 5})
	if w.open() {
		t.Fatal("open with two flushes on their way")
	}
	if err := w.acked(4); err != nil || w.open() {
		t.Errorf("an old Ack: %v, open: %v; want nothing to happen", err, w.open())
	}
	for range 2 {
		if err := w.acked(5); err != nil || !w.open() || len(w.flights) != 0 {
			t.Errorf("Ack: %v, open: %v", err, w.open())
		}
	}
	if w.acked(6) == nil {
		t.Error("an Ack of what was never sent is taken")
	}
}

func TestOneLargeFlushFillsTheWindow(t *testing.T) {
	w := window{}
	w.sent(flight{seq: 5, bytes: wire.MaxUnackedBytes})
	if w.open() {
		t.Fatal("open with all of MaxUnacked on its way")
	}
	if err := w.acked(5); err != nil || !w.open() || w.bytes != 0 {
		t.Errorf("Ack: %v, open: %v, %d bytes on their way", err, w.open(), w.bytes)
	}
}
