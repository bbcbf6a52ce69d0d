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

// events forwards the cluster names from Sessions to all reconcilers. Their queues hold each name
// at most once, so nothing accumulates.
type events struct {
	from <-chan string
	to   []chan clusterEvent
}

// clusterEvent triggers the reconcilers for a cluster.
type clusterEvent = event.TypedGenericEvent[string]

// source returns the event source of one more reconciler.
func (e *events) source() source.Source {
	to := make(chan clusterEvent)
	e.to = append(e.to, to)
	return source.Channel(to, handler.TypedFuncs[string, reconcile.Request]{
		GenericFunc: func(_ context.Context, c clusterEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			queue.Add(requestFor(c.Object))
		},
	})
}

// Start forwards events until ctx is done. The manager calls it.
func (e *events) Start(ctx context.Context) error {
	for {
		select {
		case name, open := <-e.from:
			if !open {
				return nil
			}
			if !e.send(ctx, name) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *events) send(ctx context.Context, name string) (done bool) {
	for _, to := range e.to {
		select {
		case to <- clusterEvent{Object: name}:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func requestFor(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}
