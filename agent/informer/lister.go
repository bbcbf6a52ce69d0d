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

// After a Forbidden response the lister waits for a time that grows by forbiddenWaitStep with each
// such response, up to forbiddenWaitMax. Permissions rarely change, but an API server that has just
// started refuses everything until it has read its roles.
const (
	forbiddenWaitStep = 2 * time.Second
	forbiddenWaitMax  = 20 * time.Second
)

// lister lists and watches for a reflector and records the results in health, because a reflector
// does not report that its API server is unreachable.
type lister struct {
	listWatch listWatch
	health    *watchHealth
	// forbiddenCount counts consecutive Forbidden responses. Only the reflector's goroutine uses it.
	forbiddenCount int
}

// List implements cache.ListerWatcher; reflectors call ListWithContext.
func (l *lister) List(options metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), options)
}

// Watch implements cache.ListerWatcher; reflectors call WatchWithContext.
func (l *lister) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), options)
}

// pageSize is the number of objects per page if lists cannot be streamed.
const pageSize = 500

// ListWithContext lists objects. A reflector calls it only if the API server cannot stream lists, or
// after a watch was refused. It removes the resource version from options: with one, the API server
// would ignore the page size and return the whole list at once from its watch cache, which would then
// be in memory twice.
func (l *lister) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	options.ResourceVersion, options.ResourceVersionMatch = "", ""
	list, err := l.listWatch.list(ctx, options)
	if err != nil {
		l.health.failed(err)
	}
	l.waitIfForbidden(ctx, err)
	return list, err
}

// waitIfForbidden waits if err is Forbidden.
func (l *lister) waitIfForbidden(ctx context.Context, err error) {
	if !apierrors.IsForbidden(err) {
		l.forbiddenCount = 0
		return
	}
	l.forbiddenCount++
	select {
	case <-ctx.Done():
	case <-time.After(min(time.Duration(l.forbiddenCount)*forbiddenWaitStep, forbiddenWaitMax)):
	}
}

// WatchWithContext starts a watch, with an initial list if options ask for one.
func (l *lister) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	w, err := l.listWatch.watch(ctx, options)
	if err != nil {
		if !mustRelist(err) {
			l.health.failed(err)
		}
		return nil, err
	}
	l.health.opened(options.SendInitialEvents != nil && *options.SendInitialEvents)
	return &stream{Interface: w, ended: sync.OnceFunc(l.health.ended)}, nil
}

// mustRelist reports whether err only means that the resource version is too old, so that the reflector
// lists again immediately.
func mustRelist(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// stream is a watch that calls ended when it is stopped. A reflector also stops watches that the API
// server has ended.
type stream struct {
	watch.Interface
	ended func()
}

// Stop ends the watch.
func (s *stream) Stop() {
	s.Interface.Stop()
	s.ended()
}
