package informer

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// kindSpec defines how objects of type O are applied as inputs of type I.
type kindSpec[O, I any] struct {
	input  func(*O) *I
	set    func(*facts.Tracker, ...*I) state.Changes
	remove func(t *facts.Tracker, namespace, name string) state.Changes
	retain func(*facts.Tracker, []facts.NamespacedName) state.Changes

	// after is closed when the kind may start; nil means at once. synced, if not nil, is
	// closed by the store after the first list.
	after  <-chan struct{}
	synced chan<- struct{}
}

// wait waits until the kind may start. It reports false if ctx is done first.
func (r *kindSpec[O, I]) wait(ctx context.Context) bool {
	if r.after == nil {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-r.after:
		return true
	}
}

// batchSize is the number of listed objects that are applied at once. A larger batch takes
// more memory; a smaller one makes more versions of the state, each of which copies what
// it changes.
const batchSize = 256

// store is the store of a reflector. It keeps no objects: they are applied to the Tracker.
// A list is applied in batches while it is read; only names are kept until its end, by
// which the Tracker finds removed objects. All methods are called on the reflector's
// goroutine.
type store[O, I any] struct {
	spec   kindSpec[O, I]
	sink   Sink
	health *watchHealth
	listed bool
	// batch holds listed inputs that are not applied yet, in the order of the list. at maps
	// names to indexes of it.
	batch []*I
	at    map[facts.NamespacedName]int
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
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.spec.set(t, in) })
	return nil
}

// Delete removes an object.
func (s *store[O, I]) Delete(object any) error {
	name, err := nameOf(object)
	if err != nil {
		return err
	}
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.spec.remove(t, name.Namespace, name.Name) })
	return nil
}

// Transformer returns a function that the reflector calls with each object of a streamed
// list. It adds the object to the batch and returns its name, so that the reflector keeps
// names only.
func (s *store[O, I]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return s.gather(object) }
}

// Replace is called at the end of a list: with names if the list was streamed, else with
// objects.
func (s *store[O, I]) Replace(list []any, _ string) error {
	names := make([]facts.NamespacedName, 0, len(list))
	for i, item := range list {
		list[i] = nil // lets the collector free objects that are applied
		name, ok := item.(facts.NamespacedName)
		if !ok {
			var err error
			if name, err = s.gather(item); err != nil {
				return err
			}
		}
		names = append(names, name)
	}
	s.flushBatch()
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.spec.retain(t, names) })
	s.health.replaced()
	if !s.listed && s.spec.synced != nil {
		close(s.spec.synced)
	}
	s.listed = true
	return nil
}

// Resync does nothing: the reflectors have no resync period.
func (s *store[O, I]) Resync() error { return nil }

// gather adds a listed object to the batch and returns its name. An object that changes
// while the list is streamed comes twice; the later one counts.
func (s *store[O, I]) gather(object any) (facts.NamespacedName, error) {
	in, name, err := s.input(object)
	if err != nil {
		return name, err
	}
	if i, ok := s.at[name]; ok {
		s.batch[i] = in
		return name, nil
	}
	if s.batch == nil {
		s.batch, s.at = make([]*I, 0, batchSize), make(map[facts.NamespacedName]int, batchSize)
	}
	s.at[name] = len(s.batch)
	s.batch = append(s.batch, in)
	if len(s.batch) == batchSize {
		s.flushBatch()
	}
	return name, nil
}

// flushBatch applies the batch to the Tracker.
func (s *store[O, I]) flushBatch() {
	batch := s.batch
	s.batch, s.at = nil, nil
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.spec.set(t, batch...) })
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
