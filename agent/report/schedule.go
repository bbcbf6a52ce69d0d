package report

import (
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// schedule says when a session has something to do. It is pure: the clock is
// whoever calls it.
type schedule struct {
	period  time.Duration
	expires time.Time
	// tick is when the next one is due.
	tick time.Time
	// changed says that there is something new; it waits until gathered.
	changed  bool
	gathered time.Time
	// heard is when the master last acknowledged something, later by the agent's own
	// pauses since.
	heard time.Time
	// awoke is when the session last looked at the clock.
	awoke time.Time
}

// maxSleep is how long a session sleeps at most, though nothing is due: one that wakes up
// much later did not run.
const maxSleep = time.Second

// newSchedule begins with a flush at once.
func newSchedule(now time.Time, granted wire.SubscribeResponse) schedule {
	return schedule{period: granted.Period, expires: now.Add(granted.Duration), tick: now, heard: now, awoke: now}
}

// wake notes that the session looks at the clock. Where it should have done so long ago
// the process did not run (it was stopped, or got no processor), and the silence since is
// not the master's: its Acks may be there, unread.
func (s *schedule) wake(now time.Time) {
	if pause := now.Sub(s.awoke) - maxSleep; pause >= maxSleep {
		s.heard = s.heard.Add(pause)
	}
	s.awoke = now
}

// due says whether to flush: a period has passed, or there is a change and the
// gathering since the one before is over.
func (s *schedule) due(now time.Time) bool {
	return !now.Before(s.tick) || s.changed && !now.Before(s.gathered)
}

// flushed notes that everything up to now was sent, which took until done. While
// the agent itself was busy writing, nobody was silent.
func (s *schedule) flushed(now, done time.Time) {
	s.heard = s.heard.Add(done.Sub(now))
	s.awoke = done
	if s.changed {
		s.changed, s.gathered = false, now.Add(wire.FlushDelay)
	}
	if !now.Before(s.tick) {
		s.tick = now.Add(s.period)
	}
}

func (s *schedule) expired(now time.Time) bool { return !now.Before(s.expires) }

func (s *schedule) silent(now time.Time) bool { return !now.Before(s.silence()) }

func (s *schedule) silence() time.Time { return s.heard.Add(wire.SilenceTimeout(s.period)) }

// next is when to look again. While nothing may be sent, only ends count.
func (s *schedule) next(maySend bool) time.Time {
	next := earliest(s.expires, s.silence())
	if maySend {
		next = earliest(next, s.tick)
		if s.changed {
			next = earliest(next, s.gathered)
		}
	}
	return next
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
