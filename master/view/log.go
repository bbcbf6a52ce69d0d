package view

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// maxUnwatched is for how long changes are kept of a cluster that is read, but that
// nobody watches: somebody who has read a page of it may want to.
const maxUnwatched = time.Minute

// Log is what changed of one cluster lately, for all who watch it. Nobody drives it:
// who wants to know puts in what there is now, and what differs becomes a change. What
// a change tells is found and encoded when it is read first.
type Log struct {
	mu       sync.Mutex
	current  *Moment
	until    Until // of the last look
	changes  ring[*batch]
	watchers int
	// watched is when the last watcher left, used when anybody was here.
	watched, used time.Time
}

// Until is for how long what was seen is all there is to see.
type Until struct {
	// News is closed when there is more; nil: nobody would say so.
	News <-chan struct{}
	// Time is when it is time to look again without any; zero: never.
	Time time.Time
}

func (u Until) lasts(now time.Time) bool {
	if u.News == nil || !u.Time.IsZero() && !now.Before(u.Time) {
		return false
	}
	select {
	case <-u.News:
		return false
	default:
		return true
	}
}

// Advance takes in what there is to tell now; look is called while nobody else can
// take in anything, so that nothing older follows something newer, and not at all while
// what another saw lasts: of many watchers the first looks for all. A report without a
// State leaves the last one in its place. The moment is nil while there never was any.
func (l *Log) Advance(now time.Time, look func(held *Moment) (*Report, Standing, Until)) (*Moment, Until, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil && l.until.lasts(now) {
		return l.current, l.until, nil
	}
	r, s, until := look(l.current)
	m, err := l.advance(now, r, s)
	if err == nil {
		l.until = until
	}
	return m, until, err
}

// Note takes in a report that somebody reads, and leaves the standing as it was.
func (l *Log) Note(now time.Time, r *Report) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = now
	s := Standing{Session: r.Session, Stale: r.Stale()}
	if l.current != nil {
		s = l.current.Standing
	}
	_, err := l.advance(now, r, s)
	return err
}

func (l *Log) advance(now time.Time, r *Report, s Standing) (*Moment, error) {
	before := l.current
	if before != nil && (r == nil || r.State == nil || r.ReceivedAt.Before(before.ReceivedAt)) {
		r = &before.Report
	}
	if r == nil || r.State == nil || before != nil && s == before.Standing && r.same(&before.Report) {
		return before, nil
	}
	m, err := newMoment(r, s, before)
	if err != nil {
		return nil, err
	}
	l.current = m
	if before == nil {
		return m, nil
	}
	before.initial.drop()
	if !m.tells(before) {
		l.changes.append(newBatch(before, m), now)
		l.trim(now)
	}
	return m, nil
}

func (l *Log) trim(now time.Time) {
	age := maxKept
	if l.watchers == 0 && now.Sub(l.watched) > maxKept {
		age = maxUnwatched
	}
	l.changes.trim(now, age)
}

// Begin is the present moment, and the place behind it.
func (l *Log) Begin() (*Moment, Cursor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.changes.next
}

var versionForm = regexp.MustCompile(`^([0-9]{1,20})\.([0-9a-f]{1,16}-[0-9]{1,20})$`)

// ParseVersion refuses what is no version of a cluster.
func ParseVersion(version string) error {
	if !versionForm.MatchString(version) {
		return fmt.Errorf("is %s, and may be a resourceVersion as an answer or an event had it", quote(version))
	}
	return nil
}

// content is the part of a version that tells what the cluster was like, whichever
// connection brought it.
func content(version string) string {
	_, content, _ := strings.Cut(version, ".")
	return content
}

// Resume is the place behind a version, or ErrExpired. Where several changes have one
// version, it is before them: to be told twice is no harm. A version of another term and
// the same content counts only where the version itself is not known, as events that
// begin at an older term would go back behind it.
func (l *Log) Resume(version string) (Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.find(func(v string) bool { return v == version }); ok {
		return c, nil
	}
	if c, ok := l.find(func(v string) bool { return content(v) == content(version) }); ok {
		return c, nil
	}
	return 0, ErrExpired
}

// find returns the place behind the first version that is; l.mu is held.
func (l *Log) find(is func(version string) bool) (Cursor, bool) {
	for i, k := range l.changes.changes {
		if is(k.change.from) {
			return l.changes.first() + Cursor(i), true
		}
	}
	return l.changes.next, l.current != nil && is(l.current.ResourceVersion)
}

// Read returns the events of the change at a place, and the place behind it. Where there
// is no change yet it returns the same place, and the moment that all changes up to there
// lead to: no other moment may be told of at that place, as any goroutine may add changes
// at any time. The events may be empty where the scope sees nothing of a change. A place
// that was let go is ErrExpired.
func (l *Log) Read(c Cursor, s Scope, f Framing) (events []byte, next Cursor, at *Moment, err error) {
	l.mu.Lock()
	b, ok, err := l.changes.at(c)
	at = l.current
	l.mu.Unlock()
	switch {
	case err != nil:
		return nil, c, nil, err
	case !ok:
		return nil, c, at, nil
	}
	events, err = b.get(s, f)
	return events, c + 1, nil, err
}

// leave ends a watch.
func (l *Log) leave(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers--
	l.watched = now
}

func (l *Log) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watchers++
}

// idle lets go of what is too old, and says that nothing is left to keep.
func (l *Log) idle(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim(now)
	return l.watchers == 0 && now.Sub(l.watched) > maxKept && now.Sub(l.used) > maxUnwatched
}
