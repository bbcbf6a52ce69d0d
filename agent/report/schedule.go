package report

import (
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// schedule decides when a session sends a flush and when it ends. The caller passes the current time.
type schedule struct {
	period  time.Duration
	expires time.Time
	// nextTick is when the next flush is due even if nothing has changed.
	nextTick time.Time
	// changed is true while there are changes that were not sent. They are sent at gatherUntil or later.
	changed     bool
	gatherUntil time.Time
	// lastAck is when the master last acknowledged a flush. It is moved forward by the time in which the agent
	// itself did not run or was busy writing.
	lastAck time.Time
	// lastWake is when wake was last called.
	lastWake time.Time
}

// maxSleep limits for how long a session sleeps. If it wakes up much later, then the process did not run.
const maxSleep = time.Second

// newSchedule returns a schedule with a tick that is due immediately.
func newSchedule(now time.Time, granted wire.SubscribeResponse) schedule {
	return schedule{period: granted.Period, expires: now.Add(granted.Duration), nextTick: now, lastAck: now, lastWake: now}
}

// wake must be called each time the session wakes up. If that is much later than maxSleep after the last call, the
// process was stopped or got no CPU time. That pause does not count as silence of the master, because its Acks may
// have arrived without having been read.
func (s *schedule) wake(now time.Time) {
	if pause := now.Sub(s.lastWake) - maxSleep; pause >= maxSleep {
		s.lastAck = s.lastAck.Add(pause)
	}
	s.lastWake = now
}

// due reports whether to send a flush: at a tick, or if there is a change and gatherUntil has passed.
func (s *schedule) due(now time.Time) bool {
	return !now.Before(s.nextTick) || s.changed && !now.Before(s.gatherUntil)
}

// flushed records a flush of all changes up to start. done is when it was written. The time that writing took does
// not count as silence of the master.
func (s *schedule) flushed(start, done time.Time) {
	s.lastAck = s.lastAck.Add(done.Sub(start))
	s.lastWake = done
	if s.changed {
		s.changed, s.gatherUntil = false, start.Add(wire.FlushDelay)
	}
	if !start.Before(s.nextTick) {
		s.nextTick = start.Add(s.period)
	}
}

// expired reports whether the granted duration has passed.
func (s *schedule) expired(now time.Time) bool { return !now.Before(s.expires) }

// silent reports whether the master has acknowledged nothing for wire.SilenceTimeout.
func (s *schedule) silent(now time.Time) bool { return !now.Before(s.silentAt()) }

// silentAt returns when the master counts as silent if it acknowledges nothing before.
func (s *schedule) silentAt() time.Time { return s.lastAck.Add(wire.SilenceTimeout(s.period)) }

// nextWake returns when the session has to wake up next. If canSend is false, ticks and changes are left out, because
// no flush may be sent.
func (s *schedule) nextWake(canSend bool) time.Time {
	next := earliest(s.expires, s.silentAt())
	if canSend {
		next = earliest(next, s.nextTick)
		if s.changed {
			next = earliest(next, s.gatherUntil)
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
