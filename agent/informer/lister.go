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

// A refusal is asked about again after a time that grows by refusalStep up to
// refusalMax: rights change when a person changes them, and a freshly started API
// server refuses for a moment what it allows as soon as it has read its roles.
const (
	refusalStep = 2 * time.Second
	refusalMax  = 20 * time.Second
)

// lister lists and watches for a reflector and tells a feed how it goes, since a
// reflector itself falls silent when its API server is gone.
type lister struct {
	from endpoint
	feed *feed
	// refused counts the refusals in a row; owned by the reflector's goroutine.
	refused int
}

// List is for reflectors of old.
func (l *lister) List(options metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), options)
}

// Watch is for reflectors of old.
func (l *lister) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), options)
}

// pageSize is how many objects are asked for at once where a list cannot be streamed.
const pageSize = 500

// ListWithContext is used only with API servers that cannot stream lists, and after
// a watch was refused. A list in pages has to be the latest one: of their cache API
// servers give all at once, whatever the limit, and it would be held twice here.
func (l *lister) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	options.ResourceVersion, options.ResourceVersionMatch = "", ""
	list, err := l.from.list(ctx, options)
	if err != nil {
		l.feed.failed(err)
	}
	l.restAfter(ctx, err)
	return list, err
}

// restAfter waits after a refusal.
func (l *lister) restAfter(ctx context.Context, err error) {
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

// WatchWithContext starts a watch, which streams the whole list first where that
// is asked for.
func (l *lister) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	w, err := l.from.watch(ctx, options)
	if err != nil {
		if !mustRelist(err) {
			l.feed.failed(err)
		}
		return nil, err
	}
	l.feed.opened(options.SendInitialEvents != nil && *options.SendInitialEvents)
	return &stream{Interface: w, ended: sync.OnceFunc(l.feed.ended)}, nil
}

// mustRelist says that nothing is wrong but that too much has happened since: the
// reflector lists anew at once.
func mustRelist(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// stream is a watch that tells when it ends. A reflector stops every watch that it
// has done with, whoever ended it.
type stream struct {
	watch.Interface
	ended func()
}

// Stop ends the watch.
func (s *stream) Stop() {
	s.Interface.Stop()
	s.ended()
}
