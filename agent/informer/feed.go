package informer

import "time"

const (
	// grace is how long a watch may be away before its section is called stale, if
	// nothing fails meanwhile: API servers end every watch after some minutes, and
	// the next one is there at once. During it the section counts as fresh.
	grace = 2 * time.Second
	// settle is how long a watch that was broken must be open again to count. One
	// that a proxy opens and drops for want of an API server does not.
	settle = time.Second
)

// feed is how the watch of one resource stands. Its methods for events may be
// called by any goroutine; what it knows belongs to the monitor's.
type feed struct {
	resource string
	tell     func(func())

	// listed says that there has been a whole list, now or earlier.
	listed bool
	// open says that a watch is open, catchingUp that it is still streaming the
	// list it starts with.
	open       bool
	catchingUp bool
	openedAt   time.Time
	// brokeAt is since when nothing is sure; zero while the watch is established.
	brokeAt time.Time
	// err is why it could not be established again; nil if nothing has failed since.
	err error
}

// opened tells that a watch is open, and whether it starts with a whole list.
func (f *feed) opened(withList bool) {
	now := time.Now()
	f.tell(func() { f.open, f.catchingUp, f.openedAt = true, withList, now })
}

// replaced tells that a whole list has been taken in: now all is known, and if no
// watch follows it is of now.
func (f *feed) replaced() {
	now := time.Now()
	f.tell(func() {
		switch {
		case !f.listed:
			f.brokeAt, f.err = time.Time{}, nil
		case !f.brokeAt.IsZero():
			f.brokeAt = now
		}
		f.listed, f.catchingUp = true, false
	})
}

// ended tells that the watch is no longer open.
func (f *feed) ended() {
	now := time.Now()
	f.tell(func() {
		f.open, f.catchingUp = false, false
		f.breakAt(now)
	})
}

// failed tells that a list or watch could not be had. The first error of a kind is
// kept: the next ones differ in nothing but a port number.
func (f *feed) failed(err error) {
	now := time.Now()
	f.tell(func() {
		f.breakAt(now)
		if f.err == nil || reasonOf(f.err) != reasonOf(err) {
			f.err = err
		}
	})
}

func (f *feed) breakAt(now time.Time) {
	if f.brokeAt.IsZero() {
		f.brokeAt = now
	}
}

// heal forgets a break that is over.
func (f *feed) heal(now time.Time) {
	if f.established() && !now.Before(f.settledAt()) {
		f.brokeAt, f.err = time.Time{}, nil
	}
}

// established says that a watch is open and has all it should start with.
func (f *feed) established() bool { return f.listed && f.open && !f.catchingUp }

// settledAt is from when a watch that is open counts as established.
func (f *feed) settledAt() time.Time {
	if f.brokeAt.IsZero() {
		return f.openedAt
	}
	return f.openedAt.Add(settle)
}

// fresh says that what the feed told is true now, or counts as such.
func (f *feed) fresh(now time.Time) bool {
	if !f.listed {
		return false
	}
	if f.brokeAt.IsZero() {
		return true
	}
	inTime := f.brokeAt.Add(grace)
	return f.err == nil && (now.Before(inTime) || f.established() && f.openedAt.Before(inTime))
}

// changesAt is when time alone may change how the feed stands; zero: never.
func (f *feed) changesAt(now time.Time) time.Time {
	switch {
	case f.brokeAt.IsZero():
		return time.Time{}
	case f.established():
		return f.settledAt()
	case f.err == nil && now.Before(f.brokeAt.Add(grace)):
		return f.brokeAt.Add(grace)
	}
	return time.Time{}
}
