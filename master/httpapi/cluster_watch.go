package httpapi

import (
	"context"
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// minBookmarkInterval is the minimum time between two BOOKMARK events of a cluster that only report
// a newer report.
const minBookmarkInterval = time.Second

// clusterWatch is the watch of one cluster's own events within a stream.
type clusterWatch struct {
	sessions Sessions
	cluster  string
	scope    view.Scope
	framing  view.Framing
	// bookmarks reports whether the client wants BOOKMARK events.
	bookmarks bool

	log       *view.ChangeLog
	stopWatch func()
	release   func() // ends the demand

	// started is set when the client can follow from cursor.
	started bool
	cursor  view.Cursor
	// current is the view that the client is up to date with, nil before the first. The log may be
	// ahead of it. Every BOOKMARK describes this view.
	current *view.ClusterView
	// bookmarked is the view of the last BOOKMARK. nextBookmark is when the next one may be sent.
	bookmarked   *view.ClusterView
	nextBookmark time.Time

	// changed is closed at the next change. refreshAt is when to refresh at the latest.
	changed   <-chan struct{}
	refreshAt time.Time
}

// newClusterWatch starts a watch. It registers demand until close. It does not read the state yet.
func (a *API) newClusterWatch(ctx context.Context, cluster string, scope view.Scope, f view.Framing, bookmarks bool) (*clusterWatch, error) {
	release, err := a.config.Sessions.Watch(ctx, cluster)
	if err != nil {
		return nil, registryError(cluster, err)
	}
	d := &clusterWatch{sessions: a.config.Sessions, cluster: cluster, scope: scope, framing: f, bookmarks: bookmarks, release: release}
	d.log, d.stopWatch = a.config.Documents.Watch(cluster)
	return d, nil
}

func (d *clusterWatch) close() {
	d.release()
	d.stopWatch()
}

// refresh updates the log and returns the current view, which is nil if there has never been a
// report.
func (d *clusterWatch) refresh() (*view.ClusterView, error) {
	var unknown error
	m, until, err := d.log.Refresh(time.Now(), func(held *view.ClusterView) (*view.Report, view.ConnStatus, view.ValidUntil) {
		var current session.Current
		if current, unknown = d.sessions.Current(d.cluster); unknown != nil {
			return nil, view.ConnStatus{Stale: true}, view.ValidUntil{}
		}
		// The time is taken here, under the log's lock: taken earlier, a report could be seen to expire and
		// then be fresh again.
		now := time.Now()
		until := view.ValidUntil{Changed: current.Changed}
		if v := current.Report; v != nil && v.Fresh(now) {
			until.Time = v.ExpiresAt
		}
		r, s := statusOf(current, held, now)
		return r, s, until
	})
	d.changed, d.refreshAt = until.Changed, until.Time
	if unknown != nil {
		return nil, registryError(d.cluster, unknown)
	}
	return m, err
}

// statusOf converts a session status into view's report and status. It reuses the report that the
// log already holds.
func statusOf(current session.Current, held *view.ClusterView, now time.Time) (*view.Report, view.ConnStatus) {
	s := view.ConnStatus{Session: currentSession(current.Status), Suspended: current.Suspended, Stale: true}
	v := current.Report
	if v == nil || !v.HasState() {
		return nil, s
	}
	s.Stale = !v.Fresh(now) || v.Stale()
	if held != nil && held.Report.Report == v {
		return &held.Report, s
	}
	r := view.NewReport(v)
	return &r, s
}

// sendPending writes the events that the client does not have yet.
func (d *clusterWatch) sendPending(now time.Time, write func([]byte) error) error {
	m, err := d.refresh()
	if err != nil || m == nil {
		return err
	}
	if !d.started {
		if m.Status.Stale && !m.Fresh(now) {
			return nil // do not start with expired data; wait for the next report
		}
		if err := d.sendInitial(write); err != nil {
			return err
		}
	}
	if err := d.sendChanges(write); err != nil {
		return err
	}
	return d.sendBookmark(now, write)
}

// sendInitial writes the initial events.
func (d *clusterWatch) sendInitial(write func([]byte) error) error {
	m, cursor := d.log.Current()
	events, err := m.Initial(d.scope, d.framing)
	if err != nil {
		return err
	}
	d.started, d.cursor, d.current = true, cursor, m
	d.recordBookmark(m)
	return write(events)
}

// resume continues from a version.
func (d *clusterWatch) resume(version string) error {
	cursor, err := d.log.Resume(version)
	if err != nil {
		return expiredProblem(err)
	}
	d.started, d.cursor = true, cursor
	return nil
}

// sendChanges writes the changes that the client does not have yet.
func (d *clusterWatch) sendChanges(write func([]byte) error) error {
	for {
		events, next, at, err := d.log.Read(d.cursor, d.scope, d.framing)
		if err != nil {
			return expiredProblem(err)
		}
		if at != nil {
			d.current = at
			return nil
		}
		d.cursor = next
		if err := write(events); err != nil {
			return err
		}
	}
}

// sendBookmark sends a BOOKMARK for a newer report, at most once per interval. A change of phase or
// staleness is sent immediately.
func (d *clusterWatch) sendBookmark(now time.Time, write func([]byte) error) error {
	m := d.current
	if !d.bookmarks || m == d.bookmarked {
		return nil
	}
	urgent := d.bookmarked != nil && (m.Status.Stale != d.bookmarked.Status.Stale || m.Status.Session.Phase != d.bookmarked.Status.Session.Phase)
	if !urgent && now.Before(d.nextBookmark) {
		if d.refreshAt.IsZero() || d.nextBookmark.Before(d.refreshAt) {
			d.refreshAt = d.nextBookmark
		}
		return nil
	}
	line, err := m.Bookmark(d.framing)
	if err != nil {
		return err
	}
	d.recordBookmark(m)
	return write(line)
}

// recordBookmark records that the client knows a view. The next BOOKMARK is due after half a TTL.
func (d *clusterWatch) recordBookmark(m *view.ClusterView) {
	d.bookmarked, d.nextBookmark = m, time.Now().Add(max(m.TTL/2, minBookmarkInterval))
}

// heartbeat returns a BOOKMARK without new information, or nil before the first view.
func (d *clusterWatch) heartbeat() ([]byte, error) {
	if d.current == nil {
		return nil, nil
	}
	return d.current.Bookmark(d.framing)
}
