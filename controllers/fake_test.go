package controllers

import (
	"context"
	"errors"
	"sync"
	"testing"

	"rollcall.dev/rollcall/master/session"

	"sigs.k8s.io/controller-runtime/pkg/client"
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

func (f *fakeSessions) Updates() <-chan string { return f.events }

func (f *fakeSessions) Sync(name string) error {
	cluster, err := f.registry.Cluster(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case errors.Is(err, session.ErrNotFound):
		f.synced[name] = append(f.synced[name], nil)
		delete(f.statuses, name)
	case err != nil:
		return err
	default:
		f.synced[name] = append(f.synced[name], &cluster)
	}
	return nil
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

// unreliableReader reads unless *err is set.
type unreliableReader struct {
	client.Reader
	err *error
}

func (r unreliableReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if *r.err != nil {
		return *r.err
	}
	return r.Reader.Get(ctx, key, o, opts...)
}

func (r unreliableReader) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if *r.err != nil {
		return *r.err
	}
	return r.Reader.List(ctx, list, opts...)
}
