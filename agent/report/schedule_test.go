package report

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

func TestWritingDoesNotCountAsSilence(t *testing.T) {
	start := time.Unix(1000, 0)
	s := newSchedule(start, wire.SubscribeResponse{Period: time.Second, Duration: time.Hour})
	s.flushed(start, start.Add(4*time.Second))
	if at := start.Add(6 * time.Second); s.silent(at) {
		t.Error("silent 2s after a flush that took 4s to write")
	}
	if at := start.Add(7 * time.Second); !s.silent(at) {
		t.Error("not silent 3s after the flush was written")
	}
}

func TestPauseOfProcessDoesNotCountAsSilence(t *testing.T) {
	start := time.Unix(1000, 0)
	s := newSchedule(start, wire.SubscribeResponse{Period: 5 * time.Second, Duration: time.Hour})
	s.wake(start.Add(900 * time.Millisecond)) // the last time before the pause
	resumed := start.Add(20*time.Second + 900*time.Millisecond)
	s.wake(resumed)
	if s.silent(resumed) {
		t.Error("silent after the agent itself did not run for 20s")
	}
	end := resumed
	for ; !s.silent(end) && end.Before(resumed.Add(time.Minute)); end = end.Add(maxSleep) {
		s.wake(end)
	}
	if silence := end.Sub(resumed); silence < 13*time.Second || silence > 15*time.Second {
		t.Errorf("silent %s after the pause, want about 15s minus the time without an Ack before the pause", silence)
	}
}

func TestNextWake(t *testing.T) {
	start := time.Unix(1000, 0)
	for name, tc := range map[string]struct {
		edit    func(*schedule)
		maySend bool
		want    time.Duration
	}{
		"a tick":               {func(*schedule) {}, true, 5 * time.Second},
		"the end of gathering": {func(s *schedule) { s.changed, s.gatherUntil = true, start.Add(wire.FlushDelay) }, true, wire.FlushDelay},
		"a change that is due": {func(s *schedule) { s.changed = true }, true, -time.Second},
		"the silence timeout while the window is full": {func(s *schedule) { s.changed = true }, false, 15 * time.Second},
		"the session's end while the window is full":   {func(s *schedule) { s.expires = start.Add(7 * time.Second) }, false, 7 * time.Second},
		"the session's end before the tick":            {func(s *schedule) { s.expires = start.Add(2 * time.Second) }, true, 2 * time.Second},
		"the silence timeout before the tick":          {func(s *schedule) { s.lastAck = start.Add(-12 * time.Second) }, true, 3 * time.Second},
		"a tick while gathering without changes":       {func(s *schedule) { s.gatherUntil = start.Add(wire.FlushDelay) }, true, 5 * time.Second},
	} {
		s := newSchedule(start, wire.SubscribeResponse{Period: 5 * time.Second, Duration: time.Hour})
		s.flushed(start, start)
		s.gatherUntil = start.Add(-time.Second)
		tc.edit(&s)
		if got := s.nextWake(tc.maySend).Sub(start); got != tc.want {
			t.Errorf("%s: got the next wake-up after %s, want %s", name, got, tc.want)
		}
	}
}
