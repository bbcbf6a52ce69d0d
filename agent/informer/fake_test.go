package informer

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// fakeResource is one resource of a fake API server.
type fakeResource struct {
	name    string
	empty   func() runtime.Object
	newList func() runtime.Object

	mu          sync.Mutex
	err         error // the error of lists and watches, or nil
	noStreaming bool  // streamed lists are not supported
	dropWatches bool  // new watches are closed immediately
	expired     bool  // the next watch without a list fails with Expired
	version     int
	objects     map[string]runtime.Object
	history     []fakeEvent
	streams     []*watch.FakeWatcher
	lists       int
	stalled     chan struct{} // new watches wait until it is closed; may be nil
}

type fakeEvent struct {
	version int
	event   watch.Event
}

// newFakeResource returns a resource of objects with the type of example.
func newFakeResource(name string, example, list runtime.Object) *fakeResource {
	return &fakeResource{name: name, empty: example.DeepCopyObject, newList: list.DeepCopyObject, objects: map[string]runtime.Object{}, version: 1}
}

func (r *fakeResource) listWatch() listWatch { return listWatch{list: r.list, watch: r.watch} }

// slim returns an object as the informer decodes it.
func (r *fakeResource) slim(object wholeObject) runtime.Object {
	return convert(object, r.empty().(slimObject)).(runtime.Object)
}

type (
	wholeObject interface{ Marshal() ([]byte, error) }
	slimObject  interface{ Unmarshal([]byte) error }
)

// set creates or updates an object. Open watches receive the event.
func (r *fakeResource) set(whole wholeObject) {
	object := r.slim(whole)
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := watch.Added
	if _, ok := r.objects[key(object)]; ok {
		kind = watch.Modified
	}
	r.emit(kind, object)
	r.objects[key(object)] = object
}

// remove deletes an object. Open watches receive the event.
func (r *fakeResource) remove(whole wholeObject) {
	object := r.slim(whole)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emit(watch.Deleted, object)
	delete(r.objects, key(object))
}

// emit records an event and sends it to open watches. The caller holds r.mu.
func (r *fakeResource) emit(kind watch.EventType, object runtime.Object) {
	r.version++
	accessor(object).SetResourceVersion(strconv.Itoa(r.version))
	r.history = append(r.history, fakeEvent{r.version, watch.Event{Type: kind, Object: object}})
	for _, s := range r.streams {
		if !s.IsStopped() {
			s.Action(kind, object.DeepCopyObject())
		}
	}
}

// withLock calls f while it holds r.mu.
func (r *fakeResource) withLock(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// listCount returns the number of list requests.
func (r *fakeResource) listCount() (n int) {
	r.withLock(func() { n = r.lists })
	return n
}

// setError makes further lists and watches fail with err, or succeed if err is nil.
func (r *fakeResource) setError(err error) { r.withLock(func() { r.err = err }) }

// closeWatches ends all open watches.
func (r *fakeResource) closeWatches() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		s.Stop()
	}
	r.streams = nil
}

func (r *fakeResource) list(context.Context, metav1.ListOptions) (runtime.Object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists++
	if r.err != nil {
		return nil, r.err
	}
	list := r.newList()
	var objects []runtime.Object
	for object := range maps.Values(r.objects) {
		objects = append(objects, object.DeepCopyObject())
	}
	if err := meta.SetList(list, objects); err != nil {
		return nil, err
	}
	list.(metav1.ListInterface).SetResourceVersion(strconv.Itoa(r.version))
	return list, nil
}

// stall makes new watches wait until resume is called.
func (r *fakeResource) stall() (resume func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stalled := make(chan struct{})
	r.stalled = stalled
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stalled = nil
		close(stalled)
	}
}

func (r *fakeResource) waitIfStalled(ctx context.Context) {
	r.mu.Lock()
	stalled := r.stalled
	r.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-ctx.Done():
		}
	}
}

func (r *fakeResource) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	r.waitIfStalled(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	withList := options.SendInitialEvents != nil && *options.SendInitialEvents
	if withList && r.noStreaming {
		return nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil)
	}
	from, _ := strconv.Atoi(options.ResourceVersion)
	if r.expired && !withList {
		r.expired = false
		return nil, apierrors.NewResourceExpired("too old")
	}
	events := r.eventsSince(from)
	if withList {
		events = r.initialEvents()
	}
	w := watch.NewFakeWithChanSize(1000, false)
	for _, e := range events {
		w.Action(e.Type, e.Object)
	}
	if r.dropWatches {
		w.Stop()
	}
	r.streams = append(r.streams, w)
	return w, nil
}

// eventsSince returns the events after a resource version.
func (r *fakeResource) eventsSince(version int) []watch.Event {
	var events []watch.Event
	for _, e := range r.history {
		if e.version > version {
			events = append(events, *e.event.DeepCopy())
		}
	}
	return events
}

// initialEvents returns the events of a streamed list, and the bookmark at its end.
func (r *fakeResource) initialEvents() []watch.Event {
	var events []watch.Event
	for object := range maps.Values(r.objects) {
		events = append(events, watch.Event{Type: watch.Added, Object: object.DeepCopyObject()})
	}
	end := r.empty()
	accessor(end).SetResourceVersion(strconv.Itoa(r.version))
	accessor(end).SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	return append(events, watch.Event{Type: watch.Bookmark, Object: end})
}

func accessor(object runtime.Object) metav1.Object { return object.(metav1.Object) }

func key(object runtime.Object) string {
	return accessor(object).GetNamespace() + "/" + accessor(object).GetName()
}

// forbiddenError returns the error of a request without permission.
func forbiddenError(resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", fmt.Errorf("User %q cannot watch resource %q", "agent", resource))
}
