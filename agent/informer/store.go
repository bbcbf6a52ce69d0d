package informer

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// recipe is what becomes of objects of type O.
type recipe[O, I any] struct {
	input  func(*O) *I
	set    func(*facts.Tracker, ...*I) state.Changes
	remove func(t *facts.Tracker, namespace, name string) state.Changes
	retain func(*facts.Tracker, []facts.Name) state.Changes

	// after is closed when the kind may start, nil: at once. there is to be closed
	// when its first list has been taken in.
	after <-chan struct{}
	there chan<- struct{}
}

// wait waits for the recipe's turn and says whether it came.
func (r *recipe[O, I]) wait(ctx context.Context) bool {
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

// batchSize is how many objects of a list are taken in at once. What is not taken
// in yet is all that a list costs beside the facts that it leads to; and each time
// is a new version of the state, which copies what it changes.
const batchSize = 256

// store is what a reflector fills. It keeps nothing: the Tracker has what is known.
// A list is taken in while it is being read, object by object, and at its end only
// names are left of it, by which the Tracker finds what it no longer has. All calls
// come from the reflector's goroutine.
type store[O, I any] struct {
	recipe recipe[O, I]
	sink   Sink
	feed   *feed
	listed bool
	// batch is what has been read of a list and was not taken in yet, in the order of
	// the list; at tells where each object is in it.
	batch []*I
	at    map[facts.Name]int
}

var _ cache.TransformingStore = (*store[any, any])(nil)

// Add is called for objects that a watch tells of for the first time.
func (s *store[O, I]) Add(object any) error { return s.Update(object) }

// Update is called with an object as it is now.
func (s *store[O, I]) Update(object any) error {
	in, _, err := s.input(object)
	if err != nil {
		return err
	}
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.recipe.set(t, in) })
	return nil
}

// Delete is called with an object as it last was.
func (s *store[O, I]) Delete(object any) error {
	name, err := nameOf(object)
	if err != nil {
		return err
	}
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.recipe.remove(t, name.Namespace, name.Name) })
	return nil
}

// Transformer is called for each object of a list that is being streamed. It has
// the reflector remember the name and nothing else.
func (s *store[O, I]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return s.gather(object) }
}

// Replace is called at the end of a list: with names where the API server streamed
// it, with objects where it had to be asked for it.
func (s *store[O, I]) Replace(list []any, _ string) error {
	names := make([]facts.Name, 0, len(list))
	for i, item := range list {
		list[i] = nil // an object may go while the rest is taken in
		name, ok := item.(facts.Name)
		if !ok {
			var err error
			if name, err = s.gather(item); err != nil {
				return err
			}
		}
		names = append(names, name)
	}
	s.takeIn()
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.recipe.retain(t, names) })
	s.feed.replaced()
	if !s.listed && s.recipe.there != nil {
		close(s.recipe.there)
	}
	s.listed = true
	return nil
}

// Resync has nothing to do: reflectors are made without a resync period.
func (s *store[O, I]) Resync() error { return nil }

// gather adds an object of a list to the batch. One that changes while the list is
// being streamed comes twice: the later one counts.
func (s *store[O, I]) gather(object any) (facts.Name, error) {
	in, name, err := s.input(object)
	if err != nil {
		return name, err
	}
	if i, ok := s.at[name]; ok {
		s.batch[i] = in
		return name, nil
	}
	if s.batch == nil {
		s.batch, s.at = make([]*I, 0, batchSize), make(map[facts.Name]int, batchSize)
	}
	s.at[name] = len(s.batch)
	s.batch = append(s.batch, in)
	if len(s.batch) == batchSize {
		s.takeIn()
	}
	return name, nil
}

// takeIn hands the batch to the Tracker.
func (s *store[O, I]) takeIn() {
	batch := s.batch
	s.batch, s.at = nil, nil
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.recipe.set(t, batch...) })
}

func (s *store[O, I]) input(object any) (*I, facts.Name, error) {
	o, ok := object.(*O)
	if !ok {
		return nil, facts.Name{}, fmt.Errorf("take in a %T: want a %T", object, new(O))
	}
	name, err := nameOf(object)
	return s.recipe.input(o), name, err
}

func nameOf(object any) (facts.Name, error) {
	meta, ok := object.(metav1.Object)
	if !ok {
		return facts.Name{}, fmt.Errorf("take in a %T: it has no name", object)
	}
	return facts.Name{Namespace: meta.GetNamespace(), Name: meta.GetName()}, nil
}
