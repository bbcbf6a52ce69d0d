package view

import (
	"errors"
	"time"
)

// Bounds of what is kept for who resumes, or reads slowly. The newest change is kept
// whatever its size, or nobody could follow.
const (
	maxKeptBytes = 4 << 20
	maxKept      = 5 * time.Minute
)

// ErrExpired says that a version is none from which changes can be told: it is too
// old, of another epoch, or of the future.
var ErrExpired = errors.New("the version is too old, or is none of this cluster's, so that what has changed since is not known; begin again without it")

// Cursor is a place in a log of changes: the number of the next one to read.
type Cursor uint64

// ring keeps the newest changes, in their order. It is not safe for concurrent use.
type ring[C interface{ size() int64 }] struct {
	changes []kept[C]
	// next is the number of the change to come.
	next Cursor
}

type kept[C any] struct {
	change C
	at     time.Time
}

func (r *ring[C]) append(c C, now time.Time) {
	r.changes = append(r.changes, kept[C]{c, now})
	r.next++
}

// trim lets go of what is older than age, or more than maxKeptBytes with all that is
// newer.
func (r *ring[C]) trim(now time.Time, age time.Duration) {
	var bytes int64
	for i := len(r.changes) - 1; i >= 0; i-- {
		bytes += r.changes[i].change.size()
		tooMuch := bytes > maxKeptBytes && i < len(r.changes)-1
		if tooMuch || now.Sub(r.changes[i].at) > age {
			clear(r.changes[:i+1])
			r.changes = r.changes[i+1:]
			return
		}
	}
}

// first is the number of the oldest change that is kept.
func (r *ring[C]) first() Cursor { return r.next - Cursor(len(r.changes)) }

// at is the change of that number; ok is false where there is none yet. A place that
// was let go is ErrExpired.
func (r *ring[C]) at(c Cursor) (change C, ok bool, err error) {
	switch {
	case c < r.first() || c > r.next:
		return change, false, ErrExpired
	case c == r.next:
		return change, false, nil
	}
	return r.changes[c-r.first()].change, true, nil
}

func (r *ring[C]) bytes() int64 {
	var n int64
	for _, k := range r.changes {
		n += k.change.size()
	}
	return n
}
