package controllers

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// events hands each name that session gives to all reconcilers. Their queues hold a
// name once, however often it comes, so nothing here can pile up.
type events struct {
	from <-chan string
	to   []chan called
}

// called says that a cluster's reconcilers are called for.
type called = event.TypedGenericEvent[string]

// source is one more reconciler's.
func (e *events) source() source.Source {
	to := make(chan called)
	e.to = append(e.to, to)
	return source.Channel(to, handler.TypedFuncs[string, reconcile.Request]{
		GenericFunc: func(_ context.Context, c called, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			queue.Add(requestFor(c.Object))
		},
	})
}

// Start hands on until the context ends. The manager calls it.
func (e *events) Start(ctx context.Context) error {
	for {
		select {
		case name, open := <-e.from:
			if !open {
				return nil
			}
			if !e.hand(ctx, name) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *events) hand(ctx context.Context, name string) (done bool) {
	for _, to := range e.to {
		select {
		case to <- called{Object: name}:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func requestFor(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}
