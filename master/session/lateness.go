package session

import "time"

// driftWindow is for how long a connection's smallest delay counts, so that two
// clocks that do not run quite alike do not make every frame late after some days.
const driftWindow = 10 * time.Minute

// lateness tells which frames of a connection came late: were on their way for much
// longer than the quickest. The sender's clock counts from its Hello, which itself
// came with a delay of zero by that measure.
type lateness struct {
	hello time.Time // when the Hello came
	// least and before are the smallest delays of this window and the one before it.
	least, before time.Duration
	since         time.Time // when this window began
}

func newLateness(hello time.Time) lateness { return lateness{hello: hello, since: hello} }

// late reports whether a frame that arrived at now, sent at the given time after the Hello, was
// delayed by more than a period beyond the connection's smallest delay.
func (l *lateness) late(now time.Time, sent, period time.Duration) bool {
	delay := now.Sub(l.hello) - sent
	if now.Sub(l.since) >= driftWindow {
		l.before, l.least, l.since = l.least, delay, now
	}
	l.least = min(l.least, delay)
	return delay-min(l.least, l.before) > period
}
