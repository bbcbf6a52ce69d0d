package httpapi

import (
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// minBookmarks is the shortest time between two BOOKMARKs of one cluster that tell of
// nothing but a later report.
const minBookmarks = time.Second

// detail is the watch of one cluster's own events within a stream.
type detail struct {
	sessions Sessions
	cluster  string
	scope    view.Scope
	framing  view.Framing
	// bookmarks says that BOOKMARKs are wanted.
	bookmarks bool

	log     *view.Log
	leave   func()
	release func() // of demand

	// begun says that the client has what it needs to follow from cursor.
	begun  bool
	cursor view.Cursor
	// at is the moment that the client knows all changes up to, nil before the first: the
	// log may be ahead of it at any time. Every BOOKMARK tells of it and of no other.
	at *view.Moment
	// told is the moment of the last BOOKMARK, due is when there may be another.
	told *view.Moment
	due  time.Time

	// news is closed when it is time to look again; wake is when to at the latest.
	news <-chan struct{}
	wake time.Time
}

// open begins a watch, which is demand until shut. It looks at nothing yet.
func (a *API) open(cluster string, scope view.Scope, f view.Framing, bookmarks bool) *detail {
	d := &detail{sessions: a.config.Sessions, cluster: cluster, scope: scope, framing: f, bookmarks: bookmarks}
	d.log, d.leave = a.config.Documents.Watch(cluster)
	d.release = a.config.Sessions.Watch(cluster)
	return d
}

func (d *detail) shut() {
	d.release()
	d.leave()
}

// look takes in what there is to tell now; the moment is nil where there never was a
// report.
func (d *detail) look() (*view.Moment, error) {
	known := true
	m, until, err := d.log.Advance(time.Now(), func(held *view.Moment) (*view.Report, view.Standing, view.Until) {
		var glance session.Glance
		if glance, known = d.sessions.Look(d.cluster); !known {
			return nil, view.Standing{Stale: true}, view.Until{}
		}
		// Only now: two that look one after the other must not see a value expire and be
		// fresh again.
		now := time.Now()
		until := view.Until{News: glance.News}
		if v := glance.Value; v != nil && v.Fresh(now) {
			until.Time = v.ExpiresAt
		}
		r, s := standing(glance, held, now)
		return r, s, until
	})
	d.news, d.wake = until.News, until.Time
	if !known {
		return nil, unknownCluster(d.cluster)
	}
	return m, err
}

// standing is what a glance tells of a cluster. A report that is held already is not
// made anew.
func standing(g session.Glance, held *view.Moment, now time.Time) (*view.Report, view.Standing) {
	s := view.Standing{Session: sessionNow(g.Observation), Suspended: g.Suspended, Stale: true}
	v := g.Value
	if v == nil {
		return nil, s
	}
	r := &view.Report{}
	if held != nil && held.State == v.State && held.ReceivedAt.Equal(v.ReceivedAt) && held.TTL == v.TTL {
		r = &held.Report
	} else if v.State != nil {
		*r = reportOf(v)
	} else {
		return nil, s
	}
	s.Stale = !v.Fresh(now) || r.Stale()
	return r, s
}

// catchUp writes what the client lacks.
func (d *detail) catchUp(now time.Time, write func([]byte) error) error {
	m, err := d.look()
	if err != nil || m == nil {
		return err
	}
	if !d.begun {
		if m.Standing.Stale && !m.Fresh(now) {
			return nil // old data is no beginning; the next report is
		}
		if err := d.begin(write); err != nil {
			return err
		}
	}
	if err := d.read(write); err != nil {
		return err
	}
	return d.bookmark(now, write)
}

// begin writes the present state.
func (d *detail) begin(write func([]byte) error) error {
	m, cursor := d.log.Begin()
	events, err := m.Initial(d.scope, d.framing)
	if err != nil {
		return err
	}
	d.begun, d.cursor, d.at = true, cursor, m
	d.mark(m)
	return write(events)
}

// resume goes on behind a version.
func (d *detail) resume(version string) error {
	cursor, err := d.log.Resume(version)
	if err != nil {
		return expired(err)
	}
	d.begun, d.cursor = true, cursor
	return nil
}

// read writes the changes that the client lacks.
func (d *detail) read(write func([]byte) error) error {
	for {
		events, next, at, err := d.log.Read(d.cursor, d.scope, d.framing)
		if err != nil {
			return expired(err)
		}
		if at != nil {
			d.at = at
			return nil
		}
		d.cursor = next
		if err := write(events); err != nil {
			return err
		}
	}
}

// bookmark tells of a later report, at most once a period, but at once where phase or
// staleness are others.
func (d *detail) bookmark(now time.Time, write func([]byte) error) error {
	m := d.at
	if !d.bookmarks || m == d.told {
		return nil
	}
	turned := d.told != nil && (m.Standing.Stale != d.told.Standing.Stale || m.Standing.Session.Phase != d.told.Standing.Session.Phase)
	if !turned && now.Before(d.due) {
		if d.wake.IsZero() || d.due.Before(d.wake) {
			d.wake = d.due
		}
		return nil
	}
	line, err := m.Bookmark(d.framing)
	if err != nil {
		return err
	}
	d.mark(m)
	return write(line)
}

// mark notes that the client has just been told of a moment. Reports come once or
// twice a TTL.
func (d *detail) mark(m *view.Moment) {
	d.told, d.due = m, time.Now().Add(max(m.TTL/2, minBookmarks))
}

// beat is a BOOKMARK that tells nothing new; there is none before the client knows a
// moment.
func (d *detail) beat() ([]byte, error) {
	if d.at == nil {
		return nil, nil
	}
	return d.at.Bookmark(d.framing)
}
