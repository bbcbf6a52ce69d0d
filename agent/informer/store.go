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
	input   func(*O) *I
	set     func(*facts.Tracker, *I) state.Changes
	remove  func(t *facts.Tracker, namespace, name string) state.Changes
	replace func(*facts.Tracker, []*I) state.Changes

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

// store is what a reflector fills. It keeps nothing: the Tracker has what is known,
// and finds by itself what a new list no longer names. All calls come from the
// reflector's goroutine.
type store[O, I any] struct {
	recipe recipe[O, I]
	sink   Sink
	feed   *feed
	listed bool
}

var _ cache.TransformingStore = (*store[any, any])(nil)

// Add is called for objects that a watch tells of for the first time.
func (s *store[O, I]) Add(object any) error { return s.Update(object) }

// Update is called with an object as it is now.
func (s *store[O, I]) Update(object any) error {
	in, err := s.input(object)
	if err != nil {
		return err
	}
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.recipe.set(t, in) })
	return nil
}

// Delete is called with an object as it last was.
func (s *store[O, I]) Delete(object any) error {
	meta, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("delete a %T: it has no name", object)
	}
	s.sink.Apply(func(t *facts.Tracker) state.Changes {
		return s.recipe.remove(t, meta.GetNamespace(), meta.GetName())
	})
	return nil
}

// Replace is called with a whole list: objects where the API server had to be
// asked for one, inputs where it streamed it.
func (s *store[O, I]) Replace(list []any, _ string) error {
	inputs := make([]*I, 0, len(list))
	for i, object := range list {
		in, err := s.input(object)
		if err != nil {
			return err
		}
		inputs = append(inputs, in)
		list[i] = nil // the object may go while the rest is converted
	}
	s.sink.Apply(func(t *facts.Tracker) state.Changes { return s.recipe.replace(t, inputs) })
	s.feed.replaced()
	if !s.listed && s.recipe.there != nil {
		close(s.recipe.there)
	}
	s.listed = true
	return nil
}

// Resync has nothing to do: reflectors are made without a resync period.
func (s *store[O, I]) Resync() error { return nil }

// Transformer has a reflector keep slim inputs, and not objects, of a list that is
// being streamed.
func (s *store[O, I]) Transformer() cache.TransformFunc {
	return func(object any) (any, error) { return s.input(object) }
}

func (s *store[O, I]) input(object any) (*I, error) {
	switch object := object.(type) {
	case *O:
		return s.recipe.input(object), nil
	case *I:
		return object, nil
	}
	return nil, fmt.Errorf("take in a %T: want a %T", object, new(O))
}
