package informer

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// kindSpec defines how objects of type O are converted to inputs of type I, and applied to a Tracker.
type kindSpec[O, I any] struct {
	input  func(*O) *I
	set    func(*facts.Tracker, ...*I) state.Changes
	remove func(t *facts.Tracker, namespace, name string) state.Changes
	// retain removes the objects of a namespace, or of all if it is "", except the named ones.
	retain func(t *facts.Tracker, namespace string, names []facts.NamespacedName) state.Changes

	// The watch starts when all channels of after are closed. The store closes synced, if it is not nil, after the
	// first list.
	after  []<-chan struct{}
	synced chan<- struct{}
}

// wait waits until the watch may start. It returns false if ctx is done first.
func (s *kindSpec[O, I]) wait(ctx context.Context) bool {
	for _, ready := range s.after {
		select {
		case <-ctx.Done():
			return false
		case <-ready:
		}
	}
	return true
}

// batchSize is the number of listed objects that are applied together. A larger batch takes more
// memory. A smaller one causes more Versions of the state, each of which copies what it changes.
const batchSize = 256

// store implements the store of a reflector. It keeps no objects but applies them to the Tracker. A
// list is applied in batches while it is read. Only the names are kept until its end, when the Tracker
// removes all other objects. The reflector calls all methods on one goroutine.
type store[O, I any] struct {
	spec kindSpec[O, I]
	// namespace is the namespace that is listed, "" for all.
	namespace string
	handler   Handler
	health    *watchHealth
	listed    bool
	// batch holds the listed inputs that are not applied yet, in the order of the list. batchIndex maps
	// names to indexes in batch.
	batch      []*I
	batchIndex map[facts.NamespacedName]int
}

var _ cache.TransformingStore = (*store[any, any])(nil)

// Add applies an added object.
func (s *store[O, I]) Add(object any) error { return s.Update(object) }

// Update applies a changed object.
func (s *store[O, I]) Update(object any) error {
	in, _, err := s.input(object)
	if err != nil {
		return err
	}
	s.handler.Apply(func(t *facts.Tracker) state.Changes { return s.spec.set(t, in) })
	return nil
}

// Delete removes an object.
func (s *store[O, I]) Delete(object any) error {
	name, err := nameOf(object)
	if err != nil {
		return err
	}
	s.handler.Apply(func(t *facts.Tracker) state.Changes { return s.spec.remove(t, name.Namespace, name.Name) })
	return nil
}

// Transformer returns a function that the reflector calls with each object of a streamed
// list. It adds the object to the batch and returns its name, so that the reflector keeps
// names only.
func (s *store[O, I]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return s.addToBatch(object) }
}

// Replace applies a complete list. The reflector calls it with the names that Transformer returned if
// the list was streamed, else with objects.
func (s *store[O, I]) Replace(list []any, _ string) error {
	names := make([]facts.NamespacedName, 0, len(list))
	for i, item := range list {
		list[i] = nil // so that applied objects can be garbage collected
		name, ok := item.(facts.NamespacedName)
		if !ok {
			var err error
			if name, err = s.addToBatch(item); err != nil {
				return err
			}
		}
		names = append(names, name)
	}
	s.flushBatch()
	s.handler.Apply(func(t *facts.Tracker) state.Changes { return s.spec.retain(t, s.namespace, names) })
	s.health.replaced()
	if !s.listed && s.spec.synced != nil {
		close(s.spec.synced)
	}
	s.listed = true
	return nil
}

// Resync does nothing: the reflectors have no resync period.
func (s *store[O, I]) Resync() error { return nil }

// addToBatch adds a listed object to the batch and returns its name. If an object changes while the list
// is streamed, it is added twice, and the second one replaces the first.
func (s *store[O, I]) addToBatch(object any) (facts.NamespacedName, error) {
	in, name, err := s.input(object)
	if err != nil {
		return name, err
	}
	if i, ok := s.batchIndex[name]; ok {
		s.batch[i] = in
		return name, nil
	}
	if s.batch == nil {
		s.batch, s.batchIndex = make([]*I, 0, batchSize), make(map[facts.NamespacedName]int, batchSize)
	}
	s.batchIndex[name] = len(s.batch)
	s.batch = append(s.batch, in)
	if len(s.batch) == batchSize {
		s.flushBatch()
	}
	return name, nil
}

// flushBatch applies the batch to the Tracker.
func (s *store[O, I]) flushBatch() {
	batch := s.batch
	s.batch, s.batchIndex = nil, nil
	s.handler.Apply(func(t *facts.Tracker) state.Changes { return s.spec.set(t, batch...) })
}

// input converts an object and returns its name.
func (s *store[O, I]) input(object any) (*I, facts.NamespacedName, error) {
	o, ok := object.(*O)
	if !ok {
		return nil, facts.NamespacedName{}, fmt.Errorf("apply a %T: want a %T", object, new(O))
	}
	name, err := nameOf(object)
	return s.spec.input(o), name, err
}

// nameOf returns the namespace and name of an object.
func nameOf(object any) (facts.NamespacedName, error) {
	meta, ok := object.(metav1.Object)
	if !ok {
		return facts.NamespacedName{}, fmt.Errorf("apply a %T: it has no metadata", object)
	}
	return facts.NamespacedName{Namespace: meta.GetNamespace(), Name: meta.GetName()}, nil
}
