package session

import (
	"context"
	"sync"
)

// dedupQueue is a queue of names without duplicates, which are received from out. Adding never blocks.
type dedupQueue struct {
	out  chan string
	wake chan struct{}

	mu     sync.Mutex
	queue  []string
	queued map[string]bool
}

func newDedupQueue() *dedupQueue {
	return &dedupQueue{out: make(chan string), wake: make(chan struct{}, 1), queued: map[string]bool{}}
}

func (q *dedupQueue) add(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queued[name] {
		return
	}
	q.queued[name] = true
	q.queue = append(q.queue, name)
	signal(q.wake)
}

// len returns the number of queued names.
func (q *dedupQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue)
}

// next removes and returns the first name, if there is one.
func (q *dedupQueue) next() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		return "", false
	}
	name := q.queue[0]
	q.queue = q.queue[1:]
	delete(q.queued, name)
	return name, true
}

// run sends the names to out until the context ends.
func (q *dedupQueue) run(ctx context.Context) {
	for {
		name, ok := q.next()
		if !ok {
			select {
			case <-q.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case q.out <- name:
		case <-ctx.Done():
			return
		}
	}
}

// signal sends to a channel with the capacity 1, unless it is full.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
