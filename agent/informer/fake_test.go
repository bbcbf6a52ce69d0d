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

	mu      sync.Mutex
	err     error // what lists and watches are answered
	noLists bool  // it cannot stream lists
	drops   bool  // watches are opened, and closed at once
	expired bool  // it no longer knows what happened before
	version int
	objects map[string]runtime.Object
	history []fakeEvent
	streams []*watch.FakeWatcher
	lists   int
	stalled chan struct{} // watches wait for it
}

type fakeEvent struct {
	version int
	event   watch.Event
}

// fake returns a resource of objects with example's type.
func fake(name string, example, list runtime.Object) *fakeResource {
	return &fakeResource{name: name, empty: example.DeepCopyObject, newList: list.DeepCopyObject, objects: map[string]runtime.Object{}, version: 1}
}

func (r *fakeResource) endpoint() endpoint { return endpoint{list: r.list, watch: r.watch} }

// slim returns an object as the informer's client decodes it.
func (r *fakeResource) slim(object wholeObject) runtime.Object {
	return slim(object, r.empty().(slimObject)).(runtime.Object)
}

type (
	wholeObject interface{ Marshal() ([]byte, error) }
	slimObject  interface{ Unmarshal([]byte) error }
)

// put creates or updates an object; remove deletes it. Open watches receive the event.
func (r *fakeResource) put(whole wholeObject) {
	object := r.slim(whole)
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := watch.Added
	if _, ok := r.objects[key(object)]; ok {
		kind = watch.Modified
	}
	r.happen(kind, object)
	r.objects[key(object)] = object
}

func (r *fakeResource) remove(whole wholeObject) {
	object := r.slim(whole)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.happen(watch.Deleted, object)
	delete(r.objects, key(object))
}

func (r *fakeResource) happen(kind watch.EventType, object runtime.Object) {
	r.version++
	accessor(object).SetResourceVersion(strconv.Itoa(r.version))
	r.history = append(r.history, fakeEvent{r.version, watch.Event{Type: kind, Object: object}})
	for _, s := range r.streams {
		if !s.IsStopped() {
			s.Action(kind, object.DeepCopyObject())
		}
	}
}

// with calls f under the resource's lock.
func (r *fakeResource) with(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// asked returns how often it was listed.
func (r *fakeResource) asked() (lists int) {
	r.with(func() { lists = r.lists })
	return lists
}

// answer makes all further lists and watches fail with err; nil makes them succeed.
func (r *fakeResource) answer(err error) { r.with(func() { r.err = err }) }

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

// stall makes new watches wait until the returned function is called.
func (r *fakeResource) stall() (answer func()) {
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

func (r *fakeResource) waitForAnswer(ctx context.Context) {
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
	r.waitForAnswer(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, r.err
	}
	withList := options.SendInitialEvents != nil && *options.SendInitialEvents
	if withList && r.noLists {
		return nil, apierrors.NewInvalid(schema.GroupKind{}, "", nil)
	}
	from, _ := strconv.Atoi(options.ResourceVersion)
	if r.expired && !withList {
		r.expired = false
		return nil, apierrors.NewResourceExpired("too old")
	}
	events := r.since(from)
	if withList {
		events = r.asEvents()
	}
	w := watch.NewFakeWithChanSize(1000, false)
	for _, e := range events {
		w.Action(e.Type, e.Object)
	}
	if r.drops {
		w.Stop()
	}
	r.streams = append(r.streams, w)
	return w, nil
}

func (r *fakeResource) since(version int) []watch.Event {
	var events []watch.Event
	for _, e := range r.history {
		if e.version > version {
			events = append(events, *e.event.DeepCopy())
		}
	}
	return events
}

// asEvents returns the whole list as events, and the bookmark at its end.
func (r *fakeResource) asEvents() []watch.Event {
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

// refusal returns the Forbidden error of a resource.
func refusal(resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", fmt.Errorf("User %q cannot watch resource %q", "agent", resource))
}
