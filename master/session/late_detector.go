package session

import "time"

// driftWindow is for how long a connection's smallest delay counts, so that two
// clocks that do not run quite alike do not make every frame late after some days.
const driftWindow = 10 * time.Minute

// lateDetector tells which frames of a connection came late: were on their way for much
// longer than the quickest. The sender's clock counts from its Hello, which itself
// came with a delay of zero by that measure.
type lateDetector struct {
	helloAt time.Time // when the Hello came
	// least and before are the smallest delays of this window and the one before it.
	minDelay, prevMinDelay time.Duration
	windowStart            time.Time // when this window began
}

func newLateDetector(hello time.Time) lateDetector {
	return lateDetector{helloAt: hello, windowStart: hello}
}

// isLate reports whether a frame that arrived at now, sent at the given time after the Hello, was
// delayed by more than a period beyond the connection's smallest delay.
func (d *lateDetector) isLate(now time.Time, sentAt, period time.Duration) bool {
	delay := now.Sub(d.helloAt) - sentAt
	if now.Sub(d.windowStart) >= driftWindow {
		d.prevMinDelay, d.minDelay, d.windowStart = d.minDelay, delay, now
	}
	d.minDelay = min(d.minDelay, delay)
	return delay-min(d.minDelay, d.prevMinDelay) > period
}
