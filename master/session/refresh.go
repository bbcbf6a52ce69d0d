package session

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// maxRefreshes is how many summaries of idle clusters are asked for at once.
const maxRefreshes = 20

// refresher knows when each cluster's next summary is due, and lets so many of them
// be asked for at once. Asking is done by the clusters' own goroutines.
type refresher struct {
	wake chan struct{}

	mu       sync.Mutex
	places   int
	due      map[*member]time.Time
	calendar calendar
}

func newRefresher() *refresher {
	return &refresher{wake: make(chan struct{}, 1), places: maxRefreshes, due: map[*member]time.Time{}}
}

// schedule sets when the member's next summary is due, in place of when it was.
func (r *refresher) schedule(m *member, at time.Time) {
	r.mu.Lock()
	r.due[m] = at
	heap.Push(&r.calendar, scheduledRefresh{m, at})
	r.mu.Unlock()
	signal(r.wake)
}

// cancel lets no further summary be due.
func (r *refresher) cancel(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.due, m)
}

// release releases a slot that take returned.
func (r *refresher) release() {
	r.mu.Lock()
	r.places++
	r.mu.Unlock()
	signal(r.wake)
}

// take returns a member that is due, with a slot for it; else the time until which nothing is
// due, or zero until a slot is released or a member is scheduled.
func (r *refresher) take(now time.Time) (m *member, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.calendar) > 0 {
		next := r.calendar[0]
		switch {
		case !r.due[next.member].Equal(next.at): // it was moved since
			heap.Pop(&r.calendar)
		case now.Before(next.at):
			return nil, next.at
		case r.places == 0:
			return nil, time.Time{}
		default:
			heap.Pop(&r.calendar)
			delete(r.due, next.member)
			r.places--
			return next.member, time.Time{}
		}
	}
	return nil, time.Time{}
}

// run sees to it that every member that is due is asked, until the context ends. It
// waits for: the next due time; a place or a scheduledRefresh; the end.
func (r *refresher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		m, until := r.take(time.Now())
		if m != nil {
			m.askForSummary()
			continue
		}
		timer.Stop()
		if !until.IsZero() {
			timer.Reset(time.Until(until))
		}
		select {
		case <-timer.C:
		case <-r.wake:
		case <-ctx.Done():
		}
	}
}

// scheduledRefresh is when a member is due, unless that was changed since.
type scheduledRefresh struct {
	member *member
	at     time.Time
}

// calendar is a heap of scheduledRefresh, the earliest first.
type calendar []scheduledRefresh

func (c calendar) Len() int           { return len(c) }
func (c calendar) Less(i, j int) bool { return c[i].at.Before(c[j].at) }
func (c calendar) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *calendar) Push(a any)        { *c = append(*c, a.(scheduledRefresh)) }

func (c *calendar) Pop() any {
	last := (*c)[len(*c)-1]
	(*c)[len(*c)-1] = scheduledRefresh{}
	*c = (*c)[:len(*c)-1]
	return last
}
