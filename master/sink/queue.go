package sink

import "sync"

// queue is a FIFO queue of batches with at most max metric sets, but at least one batch.
// push never blocks: it drops the oldest batches.
type queue struct {
	max      int
	onDrop   func(sets int) // called with the number of sets of a dropped batch
	onResize func(sets int) // called with the new number of sets
	// more has a value if batches were pushed since it was last received from.
	more chan struct{}

	mu      sync.Mutex
	batches []*Batch
	sets    int
}

func newQueue(maxSets int, onResize, onDrop func(sets int)) *queue {
	return &queue{max: maxSets, onResize: onResize, onDrop: onDrop, more: make(chan struct{}, 1)}
}

func (q *queue) push(b *Batch) {
	q.mu.Lock()
	q.batches = append(q.batches, b)
	q.sets += b.Len()
	for q.sets > q.max && len(q.batches) > 1 {
		q.onDrop(q.shift().Len())
	}
	q.onResize(q.sets)
	q.mu.Unlock()
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// shift removes and returns the oldest batch. The caller must hold mu.
func (q *queue) shift() *Batch {
	b := q.batches[0]
	q.batches[0] = nil
	q.batches = q.batches[1:]
	q.sets -= b.Len()
	return b
}

// pop removes and returns the oldest batch, or nil if the queue is empty.
func (q *queue) pop() *Batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.batches) == 0 {
		q.batches = nil
		return nil
	}
	b := q.shift()
	q.onResize(q.sets)
	return b
}
