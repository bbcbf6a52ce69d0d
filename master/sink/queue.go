package sink

import "sync"

// queue holds batches for one sink, as many as make up max Sets. Who pushes never
// waits: the oldest go.
type queue struct {
	max     int
	dropped func(sets int)
	filled  func(sets int)
	// more has something in it when there may be batches.
	more chan struct{}

	mu      sync.Mutex
	batches []*Batch
	sets    int
}

func newQueue(sets int, filled, dropped func(sets int)) *queue {
	return &queue{max: sets, filled: filled, dropped: dropped, more: make(chan struct{}, 1)}
}

func (q *queue) push(b *Batch) {
	q.mu.Lock()
	q.batches = append(q.batches, b)
	q.sets += b.Len()
	for q.sets > q.max && len(q.batches) > 1 {
		q.dropped(q.shift().Len())
	}
	q.filled(q.sets)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// shift takes the oldest batch; the caller has the lock.
func (q *queue) shift() *Batch {
	b := q.batches[0]
	q.batches[0] = nil
	q.batches = q.batches[1:]
	q.sets -= b.Len()
	return b
}

// pop takes the oldest batch, nil where there is none.
func (q *queue) pop() *Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.batches) == 0 {
		q.batches = nil
		return nil
	}
	b := q.shift()
	q.filled(q.sets)
	return b
}
