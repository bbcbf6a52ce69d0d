package informer

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// After a Forbidden answer the next attempt waits for a time that grows by refusalStep up
// to refusalMax. Rights change rarely, but an API server that has just started refuses
// everything until it has read its roles.
const (
	refusalStep = 2 * time.Second
	refusalMax  = 20 * time.Second
)

// lister lists and watches for a reflector and records the outcome in health, since a
// reflector itself does not report that its API server is gone.
type lister struct {
	from   endpoint
	health *watchHealth
	// refused counts consecutive Forbidden answers; owned by the reflector's goroutine.
	refused int
}

// List implements cache.ListerWatcher; reflectors call ListWithContext.
func (l *lister) List(options metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), options)
}

// Watch implements cache.ListerWatcher; reflectors call WatchWithContext.
func (l *lister) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), options)
}

// pageSize is the number of objects a page, where lists cannot be streamed.
const pageSize = 500

// ListWithContext is called only for API servers that cannot stream lists, and after a
// watch was refused. It lists without a resource version: from its watch cache an API
// server returns the whole list at once, whatever the limit, and it would be held twice
// here.
func (l *lister) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	options.ResourceVersion, options.ResourceVersionMatch = "", ""
	list, err := l.from.list(ctx, options)
	if err != nil {
		l.health.failed(err)
	}
	l.waitAfterRefusal(ctx, err)
	return list, err
}

// waitAfterRefusal waits if err is Forbidden.
func (l *lister) waitAfterRefusal(ctx context.Context, err error) {
	if !apierrors.IsForbidden(err) {
		l.refused = 0
		return
	}
	l.refused++
	select {
	case <-ctx.Done():
	case <-time.After(min(time.Duration(l.refused)*refusalStep, refusalMax)):
	}
}

// WatchWithContext starts a watch, with an initial list if options ask for one.
func (l *lister) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	w, err := l.from.watch(ctx, options)
	if err != nil {
		if !mustRelist(err) {
			l.health.failed(err)
		}
		return nil, err
	}
	l.health.opened(options.SendInitialEvents != nil && *options.SendInitialEvents)
	return &stream{Interface: w, ended: sync.OnceFunc(l.health.ended)}, nil
}

// mustRelist reports whether err means only that the resource version is too old. The
// reflector then lists again at once.
func mustRelist(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// stream is a watch that calls ended when it is stopped. A reflector stops every watch,
// also one that the API server has ended.
type stream struct {
	watch.Interface
	ended func()
}

// Stop ends the watch.
func (s *stream) Stop() {
	s.Interface.Stop()
	s.ended()
}
