package session

import (
	"context"
	"sync"
)

// events hands on names, each once however often it was added meanwhile. Adding
// never waits.
type events struct {
	out  chan string
	wake chan struct{}

	mu      sync.Mutex
	queue   []string
	waiting map[string]bool
}

func newEvents() *events {
	return &events{out: make(chan string), wake: make(chan struct{}, 1), waiting: map[string]bool{}}
}

func (e *events) add(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiting[name] {
		return
	}
	e.waiting[name] = true
	e.queue = append(e.queue, name)
	signal(e.wake)
}

// len returns the number of queued names.
func (e *events) len() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.queue)
}

// next removes and returns the first name, if there is one.
func (e *events) next() (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 {
		return "", false
	}
	name := e.queue[0]
	e.queue = e.queue[1:]
	delete(e.waiting, name)
	return name, true
}

// run hands names on until the context ends.
func (e *events) run(ctx context.Context) {
	for {
		name, ok := e.next()
		if !ok {
			select {
			case <-e.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		select {
		case e.out <- name:
		case <-ctx.Done():
			return
		}
	}
}

// signal wakes who waits on a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
