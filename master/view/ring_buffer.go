package view

import (
	"errors"
	"time"
)

// Limits of the history that is kept for clients that resume or read slowly, while there is a watcher. The newest change is
// always kept, whatever its size.
const (
	maxChangeBytes  = 4 << 20
	changeRetention = 5 * time.Minute
)

// ErrExpired is returned for a version from which changes cannot be replayed: it is too old, of
// another epoch, or of the future.
var ErrExpired = errors.New("the resourceVersion is too old or unknown, so the changes since then cannot be sent; start again without it")

// Cursor is a position in a log of changes: the number of the next change to read.
type Cursor uint64

// ringBuffer holds the newest changes in order. It is not safe for concurrent use.
type ringBuffer[C interface{ size() int64 }] struct {
	changes []timedChange[C]
	// next is the number that the next change will get.
	next Cursor
}

type timedChange[C any] struct {
	change C
	at     time.Time
}

func (r *ringBuffer[C]) push(c C, now time.Time) {
	r.changes = append(r.changes, timedChange[C]{c, now})
	r.next++
}

// trim evicts changes that are older than age, and the oldest changes beyond maxChangeBytes.
func (r *ringBuffer[C]) trim(now time.Time, age time.Duration) {
	var bytes int64
	for i := len(r.changes) - 1; i >= 0; i-- {
		bytes += r.changes[i].change.size()
		tooMuch := bytes > maxChangeBytes && i < len(r.changes)-1
		if tooMuch || now.Sub(r.changes[i].at) > age {
			clear(r.changes[:i+1])
			r.changes = r.changes[i+1:]
			return
		}
	}
}

// first returns the number of the oldest change that is kept.
func (r *ringBuffer[C]) first() Cursor { return r.next - Cursor(len(r.changes)) }

// at returns the change with the given number. ok is false if it does not exist yet. The error is
// ErrExpired if the change has been evicted or the number is in the future.
func (r *ringBuffer[C]) at(c Cursor) (change C, ok bool, err error) {
	switch {
	case c < r.first() || c > r.next:
		return change, false, ErrExpired
	case c == r.next:
		return change, false, nil
	}
	return r.changes[c-r.first()].change, true, nil
}

// bytes returns the total size of the changes.
func (r *ringBuffer[C]) bytes() int64 {
	var n int64
	for _, k := range r.changes {
		n += k.change.size()
	}
	return n
}
