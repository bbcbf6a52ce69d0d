package informer

import "time"

const (
	// reconnectGrace is for how long a section stays fresh without a watch, if nothing fails
	// meanwhile: API servers end every watch after some minutes, and the next one is
	// normally established at once.
	reconnectGrace = 2 * time.Second
	// stableTime is for how long a watch must be open again after a break to count as
	// established. A proxy without an API server behind it may open and drop watches.
	stableTime = time.Second
)

// watchHealth tracks the watch of one resource. opened, replaced, ended and failed may be
// called on any goroutine; the fields and other methods belong to the monitor's goroutine.
type watchHealth struct {
	resource string
	enqueue  func(event func())

	// listed is true after the first complete list.
	listed bool
	// open is true while a watch is open, catchingUp while it streams its initial list.
	open       bool
	catchingUp bool
	openedAt   time.Time
	// brokeAt is the time at which the watch ended or failed; zero while it is established.
	brokeAt time.Time
	// err is the error of reconnecting; nil if nothing has failed since brokeAt.
	err error
}

// opened records an open watch, and whether it begins with an initial list.
func (h *watchHealth) opened(withList bool) {
	now := time.Now()
	h.enqueue(func() { h.open, h.catchingUp, h.openedAt = true, withList, now })
}

// replaced records a complete list: the state is known as of now, even if no watch follows.
func (h *watchHealth) replaced() {
	now := time.Now()
	h.enqueue(func() {
		switch {
		case !h.listed:
			h.brokeAt, h.err = time.Time{}, nil
		case !h.brokeAt.IsZero():
			h.brokeAt = now
		}
		h.listed, h.catchingUp = true, false
	})
}

// ended records the end of the watch.
func (h *watchHealth) ended() {
	now := time.Now()
	h.enqueue(func() {
		h.open, h.catchingUp = false, false
		h.breakAt(now)
	})
}

// failed records a failed list or watch. The first error of a reason is kept: later ones
// differ in a port number only.
func (h *watchHealth) failed(err error) {
	now := time.Now()
	h.enqueue(func() {
		h.breakAt(now)
		if h.err == nil || reasonOf(h.err) != reasonOf(err) {
			h.err = err
		}
	})
}

// breakAt sets brokeAt, unless the watch is broken already.
func (h *watchHealth) breakAt(now time.Time) {
	if h.brokeAt.IsZero() {
		h.brokeAt = now
	}
}

// heal clears the break once the watch is established and stable.
func (h *watchHealth) heal(now time.Time) {
	if h.established() && !now.Before(h.stableAt()) {
		h.brokeAt, h.err = time.Time{}, nil
	}
}

// established reports whether a watch is open and its initial list is complete.
func (h *watchHealth) established() bool { return h.listed && h.open && !h.catchingUp }

// stableAt returns the time from which the open watch counts as stable.
func (h *watchHealth) stableAt() time.Time {
	if h.brokeAt.IsZero() {
		return h.openedAt
	}
	return h.openedAt.Add(stableTime)
}

// fresh reports whether the resource's state counts as current at now.
func (h *watchHealth) fresh(now time.Time) bool {
	if !h.listed {
		return false
	}
	if h.brokeAt.IsZero() {
		return true
	}
	inTime := h.brokeAt.Add(reconnectGrace)
	return h.err == nil && (now.Before(inTime) || h.established() && h.openedAt.Before(inTime))
}

// changesAt returns the time at which fresh may change without an event; zero means never.
func (h *watchHealth) changesAt(now time.Time) time.Time {
	switch {
	case h.brokeAt.IsZero():
		return time.Time{}
	case h.established():
		return h.stableAt()
	case h.err == nil && now.Before(h.brokeAt.Add(reconnectGrace)):
		return h.brokeAt.Add(reconnectGrace)
	}
	return time.Time{}
}
