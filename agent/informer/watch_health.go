package informer

import "time"

const (
	// reconnectGrace is how long a section stays fresh without a watch if no request fails in that
	// time. API servers end every watch after some minutes, and the next one is normally established
	// immediately.
	reconnectGrace = 2 * time.Second
	// stableTime is how long a watch must be open after a break to count as established. A proxy whose
	// API server is down may open watches and drop them.
	stableTime = time.Second
)

// watchHealth records whether the watch of one resource works. opened, replaced, ended and failed may be
// called on any goroutine. Only the monitor's goroutine uses the fields and other methods.
type watchHealth struct {
	resource string
	// namespace is the namespace that is watched, "" for all.
	namespace string
	enqueue   func(event func())

	// listed is true after the first complete list.
	listed bool
	// open is true while a watch is open, catchingUp while it streams its initial list.
	open       bool
	catchingUp bool
	openedAt   time.Time
	// brokenSince is when the watch ended or failed, or the zero time while it is established.
	brokenSince time.Time
	// err is the error of the attempts since brokenSince, or nil if none has failed.
	err error
}

// opened records that a watch was opened, and whether it starts with an initial list.
func (h *watchHealth) opened(withList bool) {
	now := time.Now()
	h.enqueue(func() { h.open, h.catchingUp, h.openedAt = true, withList, now })
}

// replaced records a complete list. The state is current as of now, even if no watch follows.
func (h *watchHealth) replaced() {
	now := time.Now()
	h.enqueue(func() {
		switch {
		case !h.listed:
			h.brokenSince, h.err = time.Time{}, nil
		case !h.brokenSince.IsZero():
			h.brokenSince = now
		}
		h.listed, h.catchingUp = true, false
	})
}

// ended records the end of the watch.
func (h *watchHealth) ended() {
	now := time.Now()
	h.enqueue(func() {
		h.open, h.catchingUp = false, false
		h.markBroken(now)
	})
}

// failed records a failed list or watch. The first error with a reason is kept, because later ones
// differ only in details such as a port number.
func (h *watchHealth) failed(err error) {
	now := time.Now()
	h.enqueue(func() {
		h.markBroken(now)
		if h.err == nil || reasonOf(h.err) != reasonOf(err) {
			h.err = err
		}
	})
}

// markBroken sets brokenSince unless the watch is broken already.
func (h *watchHealth) markBroken(now time.Time) {
	if h.brokenSince.IsZero() {
		h.brokenSince = now
	}
}

// clearIfStable clears brokenSince and err if the watch is established and stable.
func (h *watchHealth) clearIfStable(now time.Time) {
	if h.established() && !now.Before(h.stableAt()) {
		h.brokenSince, h.err = time.Time{}, nil
	}
}

// established reports whether a watch is open and its initial list is complete.
func (h *watchHealth) established() bool { return h.listed && h.open && !h.catchingUp }

// stableAt returns the time from which the open watch counts as stable.
func (h *watchHealth) stableAt() time.Time {
	if h.brokenSince.IsZero() {
		return h.openedAt
	}
	return h.openedAt.Add(stableTime)
}

// fresh reports whether the state of the resource counts as current.
func (h *watchHealth) fresh(now time.Time) bool {
	if !h.listed {
		return false
	}
	if h.brokenSince.IsZero() {
		return true
	}
	graceEnd := h.brokenSince.Add(reconnectGrace)
	return h.err == nil && (now.Before(graceEnd) || h.established() && h.openedAt.Before(graceEnd))
}

// nextChange returns the next time at which fresh may change without an event, or the zero time if
// there is none.
func (h *watchHealth) nextChange(now time.Time) time.Time {
	switch {
	case h.brokenSince.IsZero():
		return time.Time{}
	case h.established():
		return h.stableAt()
	case h.err == nil && now.Before(h.brokenSince.Add(reconnectGrace)):
		return h.brokenSince.Add(reconnectGrace)
	}
	return time.Time{}
}
