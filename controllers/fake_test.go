package controllers

import (
	"sync"
	"testing"

	"rollcall.dev/rollcall/master/session"
)

// fakeSessions returns statuses that are set by a test. It counts the calls of Status, one per
// reconcile.
type fakeSessions struct {
	events chan string

	mu          sync.Mutex
	statuses    map[string]session.Status
	statusCalls map[string]int
	// synced has the registry's cluster at each call of Sync; nil: it was not registered.
	synced map[string][]*session.Cluster

	registry *Registry
}

func newFakeSessions() *fakeSessions {
	return &fakeSessions{
		events:   make(chan string, 4096),
		statuses: map[string]session.Status{}, statusCalls: map[string]int{}, synced: map[string][]*session.Cluster{},
	}
}

func (f *fakeSessions) sessions() Sessions {
	return Sessions{Sync: f.Sync, Status: f.Status, Events: f.events}
}

func (f *fakeSessions) Sync(name string) {
	cluster, ok := f.registry.Cluster(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !ok {
		f.synced[name] = append(f.synced[name], nil)
		delete(f.statuses, name)
		return
	}
	f.synced[name] = append(f.synced[name], &cluster)
}

func (f *fakeSessions) Status(name string) session.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.statusCalls[name]++
	return f.statuses[name]
}

// setStatus sets a status and triggers the reconcilers.
func (f *fakeSessions) setStatus(name string, status session.Status) {
	f.mu.Lock()
	f.statuses[name] = status
	f.mu.Unlock()
	f.events <- name
}

func (f *fakeSessions) reconciles(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.statusCalls[name]
}

// syncedGenerations returns the generations of a cluster that were passed to Sync; 0 means that
// it was not registered.
func (f *fakeSessions) syncedGenerations(t *testing.T, name string) []int64 {
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
