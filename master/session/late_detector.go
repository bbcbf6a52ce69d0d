package session

import "time"

// driftWindow is how long the smallest delay of a connection counts. The two clocks drift apart, so an
// unlimited minimum would make every message late after some days.
const driftWindow = 10 * time.Minute

// lateDetector detects messages of a connection that were delayed much longer than the fastest one. Delays
// are relative to that of Hello, from which the sender counts its times.
type lateDetector struct {
	helloAt time.Time // when Hello was received
	// minDelay is the smallest delay in this window, prevMinDelay in the one before it.
	minDelay, prevMinDelay time.Duration
	windowStart            time.Time // the start of this window
}

func newLateDetector(hello time.Time) lateDetector {
	return lateDetector{helloAt: hello, windowStart: hello}
}

// isLate reports whether a message that was received now, and sent at sentAt after Hello, was delayed by more
// than a period longer than the fastest message.
func (d *lateDetector) isLate(now time.Time, sentAt, period time.Duration) bool {
	delay := now.Sub(d.helloAt) - sentAt
	if now.Sub(d.windowStart) >= driftWindow {
		d.prevMinDelay, d.minDelay, d.windowStart = d.minDelay, delay, now
	}
	d.minDelay = min(d.minDelay, delay)
	return delay-min(d.minDelay, d.prevMinDelay) > period
}
