package access

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

var (
	// errQueueFull says that too many wait under the same key.
	errQueueFull = errors.New("too many are waiting")
	// errQueueTimeout says that it took too long until it was one's turn.
	errQueueTimeout = errors.New("the turn did not come in time")
)

// queueConfig says what a fairQueue lets through.
type queueConfig struct {
	// qps and burst are how many a second, on average and at once.
	qps   rate.Limit
	burst int
	// inFlight is how many are let through and not released yet, perKey those of one key.
	inFlight, perKey int
	// waiting is how many wait, waitingPerKey those of one key. Beyond waiting, a key has
	// its share of it.
	waiting, waitingPerKey int
	// timeout is how long one waits.
	timeout time.Duration
}

// fairQueue lets callers through at a rate, key after key: where many wait under one key,
// they wait for each other, and somebody under another key is next. It is safe for concurrent
// use.
type fairQueue struct {
	config queueConfig
	rate   *rate.Limiter

	mu       sync.Mutex
	keys     map[string]*queueKey // those of which some wait or are in flight
	ready    list.List            // of *queueKey, those of which one may be let through, the next first
	inFlight int
	waiting  int
	// waking says that a timer is set for the time of the next token.
	waking bool
}

// queueKey is what waits and is in flight under one key.
type queueKey struct {
	key      string
	waiting  list.List // of chan struct{}, which is closed when it is let through
	inFlight int
	place    *list.Element // in fairQueue.ready, nil: it is not there
}

func newFairQueue(c queueConfig) *fairQueue {
	return &fairQueue{config: c, rate: rate.NewLimiter(c.qps, c.burst), keys: map[string]*queueKey{}}
}

// waitingNow returns how many wait.
func (q *fairQueue) waitingNow() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// acquire waits until it is a caller's turn, who calls release once afterwards. Errors are
// errQueueFull, errQueueTimeout, and the cause of ctx.
func (q *fairQueue) acquire(ctx context.Context, key string) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, q.config.timeout, errQueueTimeout)
	defer cancel()
	turn := make(chan struct{})
	k, place := q.enqueue(key, turn)
	if k == nil {
		return nil, errQueueFull
	}
	select {
	case <-turn:
		return func() { q.release(k) }, nil
	case <-ctx.Done():
		q.leave(k, place, turn)
		return nil, context.Cause(ctx)
	}
}

// enqueue returns nil where too many wait.
func (q *fairQueue) enqueue(key string, turn chan struct{}) (*queueKey, *list.Element) {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := q.keys[key]
	if k != nil && (k.waiting.Len() >= q.config.waitingPerKey || q.waiting >= q.config.waiting && k.waiting.Len() >= q.config.waiting/len(q.keys)) {
		return nil, nil
	}
	if k == nil {
		k = &queueKey{key: key}
		q.keys[key] = k
	}
	place := k.waiting.PushBack(turn)
	q.waiting++
	q.updateLocked(k)
	q.dispatchLocked()
	return k, place
}

func (q *fairQueue) release(k *queueKey) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.releaseLocked(k)
}

func (q *fairQueue) releaseLocked(k *queueKey) {
	k.inFlight--
	q.inFlight--
	q.updateLocked(k)
	q.dispatchLocked()
}

// leave gives up waiting; who was let through meanwhile is released.
func (q *fairQueue) leave(k *queueKey, place *list.Element, turn chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-turn:
		q.releaseLocked(k)
	default:
		k.waiting.Remove(place)
		q.waiting--
		q.updateLocked(k)
	}
}

// updateLocked has a key be ready if one of it may be let through, and forgets it when there
// is nothing of it.
func (q *fairQueue) updateLocked(k *queueKey) {
	ready := k.waiting.Len() > 0 && k.inFlight < q.config.perKey
	switch {
	case ready && k.place == nil:
		k.place = q.ready.PushBack(k)
	case !ready && k.place != nil:
		q.ready.Remove(k.place)
		k.place = nil
	}
	if k.waiting.Len() == 0 && k.inFlight == 0 {
		delete(q.keys, k.key)
	}
}

// dispatchLocked lets through whoever may be, one of each key in turn.
func (q *fairQueue) dispatchLocked() {
	for q.ready.Len() > 0 && q.inFlight < q.config.inFlight {
		if !q.rate.Allow() {
			q.wakeLocked()
			return
		}
		k := q.ready.Remove(q.ready.Front()).(*queueKey)
		k.place = nil
		close(k.waiting.Remove(k.waiting.Front()).(chan struct{}))
		q.waiting--
		k.inFlight++
		q.inFlight++
		q.updateLocked(k)
	}
}

// wakeLocked sets a timer for the time of the next token.
func (q *fairQueue) wakeLocked() {
	if q.waking {
		return
	}
	q.waking = true
	next := q.rate.Reserve()
	delay := next.Delay()
	next.Cancel()
	time.AfterFunc(delay+time.Microsecond, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.waking = false
		q.dispatchLocked()
	})
}
