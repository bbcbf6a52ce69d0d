package session

import (
	"container/heap"
	"context"
	"hash/fnv"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/session/admission"
)

// summaryScheduler schedules the summaries of clusters without a session. The clusters' workers request them.
type summaryScheduler struct {
	// slots limits how many summaries are requested at a time.
	slots *admission.Semaphore
	wake  chan struct{}

	mu    sync.Mutex
	due   map[*clusterState]time.Time
	queue delayQueue
}

func newSummaryScheduler(slots *admission.Semaphore) *summaryScheduler {
	return &summaryScheduler{slots: slots, wake: make(chan struct{}, 1), due: map[*clusterState]time.Time{}}
}

// schedule sets when the cluster's next summary is due, instead of the time that was scheduled before.
func (s *summaryScheduler) schedule(c *clusterState, at time.Time) {
	s.mu.Lock()
	s.due[c] = at
	heap.Push(&s.queue, delayedItem{c, at})
	s.mu.Unlock()
	signal(s.wake)
}

// cancel removes the cluster's next summary from the schedule.
func (s *summaryScheduler) cancel(c *clusterState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.due, c)
}

// run requests due summaries until the context ends.
func (s *summaryScheduler) run(ctx context.Context) {
	for {
		release, err := s.slots.Acquire(ctx, 1, nil)
		if err != nil {
			return
		}
		c := s.next(ctx)
		if c == nil {
			release()
			return
		}
		c.requestSummary(release)
	}
}

// next returns the next cluster when its summary is due, or nil when the context ends. It waits for the next
// due time, for a new time (wake), and for the end of the context.
func (s *summaryScheduler) next(ctx context.Context) *clusterState {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		c, until := s.pop(time.Now())
		if c != nil {
			return c
		}
		timer.Stop()
		if !until.IsZero() {
			timer.Reset(time.Until(until))
		}
		select {
		case <-timer.C:
		case <-s.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// pop removes and returns a cluster whose summary is due. If there is none, it returns when the next one is,
// or zero if none is scheduled.
func (s *summaryScheduler) pop(now time.Time) (c *clusterState, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		first := s.queue[0]
		switch {
		case !s.due[first.cluster].Equal(first.at): // rescheduled or cancelled
			heap.Pop(&s.queue)
		case now.Before(first.at):
			return nil, first.at
		default:
			heap.Pop(&s.queue)
			delete(s.due, first.cluster)
			return first.cluster, time.Time{}
		}
	}
	return nil, time.Time{}
}

// nextSummaryTime returns when the next summary of a cluster is due. The times repeat with the interval and
// are shifted by a hash of the name, so that the clusters are spread evenly. The result is after now.
func nextSummaryTime(name string, interval time.Duration, now time.Time) time.Time {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	shift := time.Duration(h.Sum64() % uint64(interval)) //nolint:gosec // interval is above zero
	elapsed := (time.Duration(now.UnixNano())%interval - shift + interval) % interval
	return now.Add(interval - elapsed)
}

// delayedItem is a time in the delayQueue. It is void if the cluster's time in summaryScheduler.due differs.
type delayedItem struct {
	cluster *clusterState
	at      time.Time
}

// delayQueue is a heap by time. It implements heap.Interface.
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
