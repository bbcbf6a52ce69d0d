package controllers

import (
	"sync"
	"testing"

	"rollcall.dev/rollcall/master/session"
)

// fakeSessions are sessions that a test writes down. Every name that Observe is asked
// for is counted: a reconcile asks once.
type fakeSessions struct {
	events chan string

	mu       sync.Mutex
	seen     map[string]session.Observation
	observed map[string]int
	// synced is what the registry knew when it was told of a cluster; nil: nothing.
	synced map[string][]*session.Cluster

	registry *Registry
}

func newFakeSessions() *fakeSessions {
	return &fakeSessions{
		events: make(chan string, 4096),
		seen:   map[string]session.Observation{}, observed: map[string]int{}, synced: map[string][]*session.Cluster{},
	}
}

func (f *fakeSessions) sessions() Sessions {
	return Sessions{Sync: f.Sync, Observe: f.Observe, Events: f.events}
}

func (f *fakeSessions) Sync(name string) {
	cluster, ok := f.registry.Cluster(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !ok {
		f.synced[name] = append(f.synced[name], nil)
		delete(f.seen, name)
		return
	}
	f.synced[name] = append(f.synced[name], &cluster)
}

func (f *fakeSessions) Observe(name string) session.Observation {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observed[name]++
	return f.seen[name]
}

// see makes an observation the one that there is, and calls the reconcilers.
func (f *fakeSessions) see(name string, o session.Observation) {
	f.mu.Lock()
	f.seen[name] = o
	f.mu.Unlock()
	f.events <- name
}

func (f *fakeSessions) reconciles(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.observed[name]
}

// told are the generations of a cluster that session was told of; 0: that it is gone.
func (f *fakeSessions) told(t *testing.T, name string) []int64 {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var generations []int64
	for _, c := range f.synced[name] {
		if c == nil {
			generations = append(generations, 0)
			continue
		}
		generations = append(generations, c.Generation)
	}
	return generations
}
