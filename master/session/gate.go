package session

import (
	"context"
	"slices"
	"sync"
)

// maxHandshakes is how many sessions begin at once: from the dial to the first report,
// so that what 1,000 agents send first does not lie in wait at the same time.
const maxHandshakes = 64

// gate lets so many through at once; the others wait, those first that somebody
// waits for.
type gate struct {
	mu    sync.Mutex
	free  int
	queue []*ticket
}

// ticket is a place in the queue.
type ticket struct {
	urgent func() bool
	called chan struct{} // closed when it is its turn
}

func newGate(places int) *gate { return &gate{free: places} }

// enter waits for a place, and gives what has to be called to leave it. Urgent is
// asked whenever a place becomes free.
func (g *gate) enter(ctx context.Context, urgent func() bool) (leave func(), err error) {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return g.leave, nil
	}
	t := &ticket{urgent: urgent, called: make(chan struct{})}
	g.queue = append(g.queue, t)
	g.mu.Unlock()
	select {
	case <-t.called:
		return g.leave, nil
	case <-ctx.Done():
		g.withdraw(t)
		return nil, ctx.Err()
	}
}

// waiting returns the number of waiters.
func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.queue)
}

// withdraw removes a waiter from the queue, or releases its slot if it was just granted.
func (g *gate) withdraw(t *ticket) {
	g.mu.Lock()
	i := slices.Index(g.queue, t)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	g.mu.Unlock()
	if i < 0 {
		g.leave()
	}
}

// leave hands a place to the first who is urgent, else to the first.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.free++
		return
	}
	next := max(slices.IndexFunc(g.queue, func(t *ticket) bool { return t.urgent() }), 0)
	close(g.queue[next].called)
	g.queue = slices.Delete(g.queue, next, next+1)
}
