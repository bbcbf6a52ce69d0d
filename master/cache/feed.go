package cache

import (
	"context"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
)

// Feed is a Store that several masters share, and that tells each of them what the others save.
type Feed interface {
	Store
	// Follow passes the reports that other masters save to f until ctx ends, or returns an error. A report arrives
	// some milliseconds after it was saved. If reports were lost, for instance while the Store was unavailable, the
	// next one of each cluster is complete again.
	Follow(ctx context.Context, f Follower) error
}

// Follower receives the reports of other masters. Its functions are called by several goroutines, but for one
// cluster in order.
type Follower struct {
	// TTL returns how long reports of a cluster are fresh, and false if this master does not follow it.
	TTL func(cluster string) (time.Duration, bool)
	// Compact reports whether the objects of a new report are to be compact (wire.Receiver.Compact), because nobody
	// reads them.
	Compact func(cluster string, l *wire.LazyState) bool
	// OnReport receives a report as Store.Load returns it. It must not block. The report may be older than what this
	// master has: from a session that has ended, for instance.
	OnReport func(r *report.Report)
}
