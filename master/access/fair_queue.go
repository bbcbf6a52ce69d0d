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
	// errQueueFull is returned if too many callers with the key wait.
	errQueueFull = errors.New("too many are waiting")
	// errQueueTimeout is returned to a caller that was not admitted within the timeout.
	errQueueTimeout = errors.New("not admitted in time")
)

// queueConfig configures a fairQueue.
type queueConfig struct {
	// qps and burst limit admissions a second, on average and at once.
	qps   rate.Limit
	burst int
	// inFlight limits admitted callers that have not released yet, perKey those of one key.
	inFlight, perKey int
	// waiting limits callers that wait, waitingPerKey those of one key. Above waiting, a key
	// may still use its equal share.
	waiting, waitingPerKey int
	// timeout limits waiting.
	timeout time.Duration
}

// fairQueue admits callers at a limited rate, round robin by key: many callers with one key
// wait for each other and not for callers with other keys. It is safe for concurrent use.
type fairQueue struct {
	config queueConfig
	rate   *rate.Limiter

	mu       sync.Mutex
	keys     map[string]*queueKey // keys with callers that wait or are in flight
	ready    list.List            // of *queueKey with a caller to admit, the next first
	inFlight int
	waiting  int
	// timerSet is true while a timer waits for the limiter's next token.
	timerSet bool
}

// queueKey counts the callers of one key.
type queueKey struct {
	key      string
	waiting  list.List // of chan struct{}, which is closed on admission
	inFlight int
	element  *list.Element // in fairQueue.ready, or nil
}

func newFairQueue(c queueConfig) *fairQueue {
	return &fairQueue{config: c, rate: rate.NewLimiter(c.qps, c.burst), keys: map[string]*queueKey{}}
}

// waitingCallers returns the number of waiting callers.
func (q *fairQueue) waitingCallers() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// acquire waits until the caller is admitted. The caller then calls release once. Errors are
// errQueueFull, errQueueTimeout, and the cause of ctx.
func (q *fairQueue) acquire(ctx context.Context, key string) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, q.config.timeout, errQueueTimeout)
	defer cancel()
	admitted := make(chan struct{})
	k, element := q.enqueue(key, admitted)
	if k == nil {
		return nil, errQueueFull
	}
	select {
	case <-admitted:
		return func() { q.release(k) }, nil
	case <-ctx.Done():
		q.abandon(k, element, admitted)
		return nil, context.Cause(ctx)
	}
}

// enqueue adds a caller. It returns nil if too many wait.
func (q *fairQueue) enqueue(key string, admitted chan struct{}) (*queueKey, *list.Element) {
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
	element := k.waiting.PushBack(admitted)
	q.waiting++
	q.updateLocked(k)
	q.dispatchLocked()
	return k, element
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

// abandon removes a caller that gives up, and releases it if it was admitted meanwhile.
func (q *fairQueue) abandon(k *queueKey, element *list.Element, admitted chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-admitted:
		q.releaseLocked(k)
	default:
		k.waiting.Remove(element)
		q.waiting--
		q.updateLocked(k)
	}
}

// updateLocked adds a key to ready, or removes it, by whether one of its callers may be
// admitted. It deletes a key without callers.
func (q *fairQueue) updateLocked(k *queueKey) {
	ready := k.waiting.Len() > 0 && k.inFlight < q.config.perKey
	switch {
	case ready && k.element == nil:
		k.element = q.ready.PushBack(k)
	case !ready && k.element != nil:
		q.ready.Remove(k.element)
		k.element = nil
	}
	if k.waiting.Len() == 0 && k.inFlight == 0 {
		delete(q.keys, k.key)
	}
}

// dispatchLocked admits waiting callers, one of each key in turn.
func (q *fairQueue) dispatchLocked() {
	for q.ready.Len() > 0 && q.inFlight < q.config.inFlight {
		if !q.rate.Allow() {
			q.setTimerLocked()
			return
		}
		k := q.ready.Remove(q.ready.Front()).(*queueKey)
		k.element = nil
		close(k.waiting.Remove(k.waiting.Front()).(chan struct{}))
		q.waiting--
		k.inFlight++
		q.inFlight++
		q.updateLocked(k)
	}
}

// setTimerLocked sets a timer for the limiter's next token.
func (q *fairQueue) setTimerLocked() {
	if q.timerSet {
		return
	}
	q.timerSet = true
	next := q.rate.Reserve()
	delay := next.Delay()
	next.Cancel()
	time.AfterFunc(delay+time.Microsecond, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.timerSet = false
		q.dispatchLocked()
	})
}
