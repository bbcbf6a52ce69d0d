package session

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// maxRefreshes is how many summaries of idle clusters are asked for at once.
const maxSummaries = 20

// summaryScheduler knows when each cluster's next summary is due, and lets so many of them
// be asked for at once. Asking is done by the clusters' own goroutines.
type summaryScheduler struct {
	wake chan struct{}

	mu        sync.Mutex
	freeSlots int
	due       map[*clusterState]time.Time
	queue     delayQueue
}

func newSummaryScheduler() *summaryScheduler {
	return &summaryScheduler{wake: make(chan struct{}, 1), freeSlots: maxSummaries, due: map[*clusterState]time.Time{}}
}

// schedule sets when the member's next summary is due, in place of when it was.
func (s *summaryScheduler) schedule(c *clusterState, at time.Time) {
	s.mu.Lock()
	s.due[c] = at
	heap.Push(&s.queue, delayedItem{c, at})
	s.mu.Unlock()
	signal(s.wake)
}

// cancel lets no further summary be due.
func (s *summaryScheduler) cancel(c *clusterState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.due, c)
}

// release releases a slot that take returned.
func (s *summaryScheduler) release() {
	s.mu.Lock()
	s.freeSlots++
	s.mu.Unlock()
	signal(s.wake)
}

// next returns a member that is due, with a slot for it; else the time until which nothing is
// due, or zero until a slot is released or a member is scheduled.
func (s *summaryScheduler) next(now time.Time) (c *clusterState, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		first := s.queue[0]
		switch {
		case !s.due[first.cluster].Equal(first.at): // it was moved since
			heap.Pop(&s.queue)
		case now.Before(first.at):
			return nil, first.at
		case s.freeSlots == 0:
			return nil, time.Time{}
		default:
			heap.Pop(&s.queue)
			delete(s.due, first.cluster)
			s.freeSlots--
			return first.cluster, time.Time{}
		}
	}
	return nil, time.Time{}
}

// run sees to it that every member that is due is asked, until the context ends. It
// waits for: the next due time; a place or a scheduledRefresh; the end.
func (s *summaryScheduler) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		c, until := s.next(time.Now())
		if c != nil {
			c.requestSummary()
			continue
		}
		timer.Stop()
		if !until.IsZero() {
			timer.Reset(time.Until(until))
		}
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
		}
	}
}

// delayedItem is when a member is due, unless that was changed since.
type delayedItem struct {
	cluster *clusterState
	at      time.Time
}

// delayQueue is a heap of scheduledRefresh, the earliest first.
type delayQueue []delayedItem

func (q delayQueue) Len() int           { return len(q) }
func (q delayQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q delayQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *delayQueue) Push(a any)        { *q = append(*q, a.(delayedItem)) }

func (q *delayQueue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = delayedItem{}
	*q = (*q)[:len(*q)-1]
	return last
}
