package view

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/report"
)

// unwatchedRetention is how long changes are kept for a cluster that is not watched: a client that has
// read a page may start a watch from there, and one that has lost its connection may resume. After
// that, the memory that the watches have taken is free again.
const unwatchedRetention = 90 * time.Second

// ChangeLog holds the recent changes of one cluster for all its watchers. It has no goroutine:
// callers pass in the current state, and a difference to the previous state becomes a change. The
// diff of a change is computed and encoded by its first reader.
type ChangeLog struct {
	mu       sync.Mutex
	current  *ClusterView
	until    ValidUntil // of the last refresh
	changes  ringBuffer[*changeSet]
	watchers int
	// lastWatchEnd is when a watcher last left, and lastRecorded when a report was last recorded.
	lastWatchEnd, lastRecorded time.Time
}

// ValidUntil is how long a fetched state remains current.
type ValidUntil struct {
	// Changed is closed when there is a newer state. If it is nil, the state is already outdated.
	Changed <-chan struct{}
	// Time is when the state changes without a notification, for example by expiry. Zero: never.
	Time time.Time
}

// valid reports whether the state is still current at now.
func (u ValidUntil) valid(now time.Time) bool {
	if u.Changed == nil || !u.Time.IsZero() && !now.Before(u.Time) {
		return false
	}
	select {
	case <-u.Changed:
		return false
	default:
		return true
	}
}

// Refresh brings the log up to date and returns the current view and how long it is valid. It calls
// fetch with the lock held, so that an older state never follows a newer one. It does not call
// fetch while the result of the last call is still valid: among many watchers only one fetches. If
// fetch returns no report, the last one is kept. The view is nil if there has never been a report.
func (l *ChangeLog) Refresh(now time.Time, fetch func(held *ClusterView) (*Report, ConnStatus, ValidUntil)) (*ClusterView, ValidUntil, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil && l.until.valid(now) {
		return l.current, l.until, nil
	}
	r, status, until := fetch(l.current)
	v, err := l.apply(now, r, status)
	if err == nil {
		l.until = until
	}
	return v, until, err
}

// Record adds a report that a client has read, and keeps the connection status of the current view.
func (l *ChangeLog) Record(now time.Time, r *Report) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastRecorded = now
	status := ConnStatus{Session: SessionOf(r.Session), Stale: r.Stale()}
	if l.current != nil {
		status = l.current.Status
	}
	_, err := l.apply(now, r, status)
	return err
}

func (l *ChangeLog) apply(now time.Time, r *Report, status ConnStatus) (*ClusterView, error) {
	prev := l.current
	if prev != nil && (r == nil || r.ReceivedAt.Before(prev.ReceivedAt)) {
		r = &prev.Report
	}
	if r == nil || prev != nil && status == prev.Status && r.Report == prev.Report.Report {
		return prev, nil
	}
	v, err := newClusterView(r, status, prev)
	if err != nil {
		return nil, err
	}
	l.current = v
	if prev == nil {
		return v, nil
	}
	prev.initial.drop()
	if !v.equalIgnoringTimes(prev) {
		l.changes.push(newChangeSet(prev, v), now)
		l.trim(now)
	}
	return v, nil
}

func (l *ChangeLog) trim(now time.Time) {
	age := changeRetention
	if l.watchers == 0 && now.Sub(l.lastWatchEnd) > unwatchedRetention {
		age = unwatchedRetention
	}
	l.changes.trim(now, age)
}

// Current returns the current view and the cursor after it.
func (l *ChangeLog) Current() (*ClusterView, Cursor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.changes.next
}

// ParseVersion returns an error if version does not have the form of a cluster's resourceVersion.
func ParseVersion(version string) error {
	if _, err := report.ParseVersion(version); err != nil {
		return fmt.Errorf("%w, got %s", err, quote(version))
	}
	return nil
}

// Resume returns the cursor after a version, or ErrExpired if the log does not hold that version.
// If several changes have the same version, it returns the first: events that are delivered twice
// do no harm. A version with a lower term but the same content is accepted if the exact version is not found: the same
// change was delivered by an earlier session. One with a higher term is not, since it would move the client back.
func (l *ChangeLog) Resume(version string) (Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.find(func(held string) bool { return held == version }); ok {
		return c, nil
	}
	wanted, err := report.ParseVersion(version)
	if err != nil {
		return 0, ErrExpired
	}
	sameContent := func(held string) bool {
		v, err := report.ParseVersion(held)
		return err == nil && v.Epoch == wanted.Epoch && v.Seq == wanted.Seq && v.Term >= wanted.Term
	}
	if c, ok := l.find(sameContent); ok {
		return c, nil
	}
	return 0, ErrExpired
}

// find returns the cursor after the first version for which match returns true. l.mu must be held.
func (l *ChangeLog) find(match func(version string) bool) (Cursor, bool) {
	for i, held := range l.changes.changes {
		if match(held.change.from) {
			return l.changes.first() + Cursor(i), true
		}
	}
	return l.changes.next, l.current != nil && match(l.current.ResourceVersion)
}

// Read returns the events of the change at a cursor, and the next cursor. If there is no such
// change yet, it returns the same cursor and the view that the changes so far lead to. Only that
// view belongs to the cursor: other goroutines may add changes at any time. The events are empty if
// the change has no effect in the scope. Read returns ErrExpired if the change has been evicted.
func (l *ChangeLog) Read(c Cursor, s Scope, f Framing) (events []byte, next Cursor, at *ClusterView, err error) {
	l.mu.Lock()
	change, ok, err := l.changes.at(c)
	at = l.current
	l.mu.Unlock()
	switch {
	case err != nil:
		return nil, c, nil, err
	case !ok:
		return nil, c, at, nil
	}
	events, err = change.get(s, f)
	var unreadable *report.StateError
	if errors.As(err, &unreadable) {
		// The events of this change can never be encoded, so the client has to start again.
		err = ErrExpired
	}
	return events, c + 1, nil, err
}

// removeWatcher records the end of a watch.
func (l *ChangeLog) removeWatcher(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers--
	l.lastWatchEnd = now
}

// addWatcher records the start of a watch.
func (l *ChangeLog) addWatcher() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers++
}

// evictIdle evicts old changes, and reports whether the log itself can be dropped.
func (l *ChangeLog) evictIdle(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim(now)
	return l.watchers == 0 && now.Sub(l.lastWatchEnd) > unwatchedRetention && now.Sub(l.lastRecorded) > unwatchedRetention
}
