package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// How often an object's status may be written.
const (
	agentBurst  = 3
	statusBurst = 1
	writeEvery  = 10 * time.Second
	// turnEvery is the time from one status write to the next, whatever they are of: the
	// hub gets ten a second at most.
	turnEvery = 100 * time.Millisecond
)

const (
	// workers is how many objects of a kind are reconciled at once. Each is one write
	// to the hub at most.
	workers = 4
	// reconcileTimeout bounds a reconcile whose API server does not answer.
	reconcileTimeout = 30 * time.Second
	// fieldOwner is who the master's fields are managed by, in every object's metadata.
	fieldOwner = "rollcall-master"
)

// Sessions is what the reconcilers need of session.Sessions.
type Sessions struct {
	// Sync tells it that a cluster's ClusterAgent was made, changed or deleted.
	Sync func(cluster string)
	// Observe is what it found out about a cluster.
	Observe func(cluster string) session.Observation
	// Events are the names of clusters of which Observe gives something else now.
	Events <-chan string
}

// Options are what else the reconcilers need.
type Options struct {
	// Insecure is the master's --insecure: endpoints may be ws://.
	Insecure bool
	Metrics  prometheus.Registerer
}

// Add adds the reconcilers to a manager, which starts them when it is the leader.
func Add(mgr manager.Manager, registry *Registry, sessions Sessions, o Options) error {
	c, err := newClient(mgr)
	if err != nil {
		return fmt.Errorf("make the hub's client: %w", err)
	}
	events := &events{from: sessions.Events}
	writer := statusWriter{client: c, metrics: newMetrics(o.Metrics)}
	turns := newTurns(turnEvery)
	agents := &agentReconciler{client: c, registry: registry, sessions: sessions, insecure: o.Insecure, writer: writer, pace: newPace("ClusterAgent", agentBurst, turns)}
	if err := addRegistration(mgr, agents); err != nil {
		return fmt.Errorf("add the registration of ClusterAgents: %w", err)
	}
	if err := addAgents(mgr, agents, events); err != nil {
		return fmt.Errorf("add the reconciler of ClusterAgents: %w", err)
	}
	statuses := &statusReconciler{client: c, sessions: sessions, writer: writer, pace: newPace("ClusterStatus", statusBurst, turns)}
	if err := addStatuses(mgr, statuses, events); err != nil {
		return fmt.Errorf("add the reconciler of ClusterStatuses: %w", err)
	}
	if err := mgr.Add(events); err != nil {
		return fmt.Errorf("add the sessions' events: %w", err)
	}
	return nil
}

// newClient is a client that reads from the manager's cache, and waits there until
// the cache has seen this client's writes.
func newClient(mgr manager.Manager) (client.Client, error) {
	return client.New(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(),
		Scheme:     mgr.GetScheme(),
		Mapper:     mgr.GetRESTMapper(),
		FieldOwner: fieldOwner,
		Cache:      &client.CacheOptions{Reader: mgr.GetCache(), EnableReadYourWritesConsistency: new(true)},
	})
}

// addRegistration has session told of ClusterAgents that are made, changed or deleted.
func addRegistration(mgr manager.Manager, r *agentReconciler) error {
	return builder.ControllerManagedBy(mgr).Named("registration").
		For(&v1alpha1.ClusterAgent{}, builder.WithPredicates(specChanged)).
		WithOptions(controllerOptions).
		Complete(reconcile.Func(r.Register))
}

// addAgents has ClusterAgents reconciled when one is made, changed or deleted, or one
// that claims the same address is, and when its session is in another way.
func addAgents(mgr manager.Manager, r *agentReconciler, events *events) error {
	rivals := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, object client.Object) []reconcile.Request {
		var requests []reconcile.Request
		for _, name := range r.registry.rivals(object.(*v1alpha1.ClusterAgent)) {
			requests = append(requests, requestFor(name))
		}
		return requests
	})
	return builder.ControllerManagedBy(mgr).Named("clusteragent").
		For(&v1alpha1.ClusterAgent{}, builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.ClusterAgent{}, rivals, builder.WithPredicates(specChanged)).
		WatchesRawSource(events.source()).
		WithOptions(controllerOptions).
		Complete(untilTheEnd(r))
}

// addStatuses has ClusterStatuses reconciled when their ClusterAgent is made, changed
// or deleted, when its session is in another way, and when one is found that nobody
// may want any more, or was taken away.
func addStatuses(mgr manager.Manager, r *statusReconciler, events *events) error {
	return builder.ControllerManagedBy(mgr).Named("clusterstatus").
		For(&v1alpha1.ClusterAgent{}, builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.ClusterStatus{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(foundOrDeleted)).
		WatchesRawSource(events.source()).
		WithOptions(controllerOptions).
		Complete(untilTheEnd(r))
}

// untilTheEnd does not count what a reconcile cannot do because the master ends.
func untilTheEnd(r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		result, err := r.Reconcile(ctx, request)
		if errors.Is(ctx.Err(), context.Canceled) {
			return reconcile.Result{}, nil
		}
		return result, err
	})
}

var controllerOptions = controller.Options{MaxConcurrentReconciles: workers, ReconciliationTimeout: reconcileTimeout}

// specChanged leaves out what does not change a spec: our own status writes among it.
var specChanged = predicate.GenerationChangedPredicate{}

// foundOrDeleted leaves out all that we write ourselves.
var foundOrDeleted = predicate.Funcs{
	CreateFunc:  func(e event.CreateEvent) bool { return e.IsInInitialList },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}
