package rediscache

import (
	"time"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// clockTolerance is the accepted difference between the clocks of two masters.
const clockTolerance = 5 * time.Second

// lifetime has the times of a report as its head stores them.
type lifetime struct {
	// received is the time of receipt by the writer's clock.
	received time.Time
	// ttl is the time from receipt to expiry, and keep the time from expiry until Redis removes the report.
	ttl, keep time.Duration
	// demand is the time from receipt to the end of demand. It is negative without demand.
	demand time.Duration
}

func lifetimeOf(r *report.Report) lifetime {
	return lifetime{
		received: r.ReceivedAt, ttl: r.ExpiresAt.Sub(r.ReceivedAt), keep: cache.RetainUntil(r).Sub(r.ExpiresAt),
		demand: max(r.DemandUntil.Sub(r.ReceivedAt), -time.Millisecond),
	}
}

// expired reports whether less than a millisecond is left until expiry, by the writer's clock.
func (t lifetime) expired(now time.Time) bool { return t.ttl-now.Sub(t.received) < time.Millisecond }

// left returns the time until Redis removes the report, by the writer's clock.
func (t lifetime) left(now time.Time) time.Duration { return t.ttl + t.keep - now.Sub(t.received) }

// expiresAt returns the expiry by the writer's clock in Unix milliseconds.
func (t lifetime) expiresAt() int64 { return t.received.UnixMilli() + t.ttl.Milliseconds() }

// age returns the time since the report was received, for a reader of an entry that Redis will remove after left. It is at
// least that by the wall clocks, less clockTolerance.
func (t lifetime) age(now time.Time, left time.Duration) time.Duration {
	return max(now.Sub(t.received)-clockTolerance, t.ttl+t.keep-left, 0)
}
