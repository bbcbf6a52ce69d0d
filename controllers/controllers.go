package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// Rate limits of status writes.
const (
	// agentBurst and statusBurst are how many writes of a ClusterAgent and of a ClusterStatus may
	// follow each other immediately. objectWriteInterval is the time between further ones.
	agentBurst          = 3
	statusBurst         = 1
	objectWriteInterval = 10 * time.Second
	// writeRetry is the time until a status is decided again that this master may not write.
	writeRetry = 5 * time.Second
	// sharedRetry is this time for clusters that another master owns.
	sharedRetry = 5 * time.Minute
	// minWriteInterval is the time between two status writes of any objects: the hub gets at most
	// ten per second.
	minWriteInterval = 100 * time.Millisecond
)

const (
	// workers is the number of objects of a kind that are reconciled concurrently. Each writes to
	// the hub at most once.
	workers = 4
	// reconcileTimeout limits a reconcile if the API server does not respond.
	reconcileTimeout = 30 * time.Second
	// fieldOwner is the field manager in the metadata of objects that the master writes, and the reporting
	// controller of its Events.
	fieldOwner = "rollcall-master"
)

// Sessions is what the reconcilers need of session.Sessions.
type Sessions interface {
	// Sync notifies about a created, changed or deleted ClusterAgent. After an error it is to be called again.
	Sync(cluster string) error
	// Status returns the status of a cluster's session.
	Status(cluster string) session.Status
	// Updates has the names of clusters whose Status changed.
	Updates() <-chan string
}

// Options has the settings of the reconcilers.
type Options struct {
	// Insecure is the master's --insecure: it permits ws:// endpoints.
	Insecure bool
	// MayWrite reports whether this master may write the status of a cluster now. While it may not, each status is decided
	// again every writeRetry. If it is nil, the master may always write.
	MayWrite func(cluster string) bool
	// Masters returns the number of masters that share the clusters, and so the limit of status writes. Sessions.Updates then
	// has each cluster that this master may write anew, and the status of others is decided again every sharedRetry. If it is
	// nil, this master is the only one that writes.
	Masters func() int
	Metrics prometheus.Registerer
	// LinkEvents has what happened to agents that dialed the master. It may be nil.
	LinkEvents <-chan LinkEvent
}

// Add adds the reconcilers to a manager, which starts them when it becomes the leader.
func Add(mgr manager.Manager, registry *Registry, sessions Sessions, o Options) error {
	c, err := newClient(mgr)
	if err != nil {
		return fmt.Errorf("create the hub client: %w", err)
	}
	events := &events{from: sessions.Updates()}
	metrics := newMetrics(o.Metrics)
	writer := statusWriter{client: c, mayWrite: o.MayWrite, retry: writeRetry, metrics: metrics}
	queue := newWriteQueue(minWriteInterval)
	if o.Masters != nil {
		writer.retry, queue.masters = sharedRetry, o.Masters
	}
	agents := &agentReconciler{client: c, registry: registry, sessions: sessions, insecure: o.Insecure, writer: writer, limiter: newWriteLimiter("ClusterAgent", agentBurst, queue), events: newEventRecorder(mgr.GetEventRecorder(fieldOwner), metrics)}
	if err := addRegistration(mgr, agents); err != nil {
		return fmt.Errorf("add the registration of ClusterAgents: %w", err)
	}
	if err := addAgents(mgr, agents, events); err != nil {
		return fmt.Errorf("add the reconciler of ClusterAgents: %w", err)
	}
	statuses := &statusReconciler{client: c, sessions: sessions, writer: writer, limiter: newWriteLimiter("ClusterStatus", statusBurst, queue)}
	if err := addStatuses(mgr, statuses, events); err != nil {
		return fmt.Errorf("add the reconciler of ClusterStatuses: %w", err)
	}
	if err := mgr.Add(events); err != nil {
		return fmt.Errorf("add the session events: %w", err)
	}
	links := newLinkEvents(o.LinkEvents, c, newEventRecorder(mgr.GetEventRecorder(fieldOwner), metrics), newEventRecorder(mgr.GetEventRecorder(fieldOwner), metrics))
	if err := mgr.Add(manager.RunnableFunc(links.run)); err != nil {
		return fmt.Errorf("add the Events about agents that dial the master: %w", err)
	}
	return nil
}

// newClient returns a client that reads from the manager's cache and sees its own writes there.
func newClient(mgr manager.Manager) (client.Client, error) {
	return client.New(mgr.GetConfig(), client.Options{
		HTTPClient: mgr.GetHTTPClient(),
		Scheme:     mgr.GetScheme(),
		Mapper:     mgr.GetRESTMapper(),
		FieldOwner: fieldOwner,
		Cache:      &client.CacheOptions{Reader: mgr.GetCache(), EnableReadYourWritesConsistency: new(true)},
	})
}

// addRegistration adds the controller that notifies Sessions about ClusterAgents.
func addRegistration(mgr manager.Manager, r *agentReconciler) error {
	return builder.ControllerManagedBy(mgr).Named("registration").
		For(&v1alpha1.ClusterAgent{}, builder.WithPredicates(predicate.Or(specChanged, keysChanged))).
		WithOptions(controllerOptions).
		Complete(reconcile.Func(r.Register))
}

// addAgents adds the reconciler of ClusterAgents. It runs when a ClusterAgent or one with the same
// cluster IP changes, and on session events.
func addAgents(mgr manager.Manager, r *agentReconciler, events *events) error {
	conflicting := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		names, err := r.registry.conflicting(object.(*v1alpha1.ClusterAgent))
		if err != nil {
			// The others decide again at their next event.
			log.FromContext(ctx).Error(err, "find ClusterAgents with the same cluster IP", "clusteragent", object.GetName())
		}
		var requests []reconcile.Request
		for _, name := range names {
			requests = append(requests, requestFor(name))
		}
		return requests
	})
	return builder.ControllerManagedBy(mgr).Named("clusteragent").
		For(&v1alpha1.ClusterAgent{}, builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.ClusterAgent{}, conflicting, builder.WithPredicates(specChanged)).
		WatchesRawSource(events.source()).
		WithOptions(controllerOptions).
		Complete(ignoreShutdown(r))
}

// addStatuses adds the reconciler of ClusterStatuses. It runs when a ClusterAgent changes, on
// session events, for ClusterStatuses in the initial list, and for deleted ones.
func addStatuses(mgr manager.Manager, r *statusReconciler, events *events) error {
	return builder.ControllerManagedBy(mgr).Named("clusterstatus").
		For(&v1alpha1.ClusterAgent{}, builder.WithPredicates(specChanged)).
		Watches(&v1alpha1.ClusterStatus{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(listedOrDeleted)).
		WatchesRawSource(events.source()).
		WithOptions(controllerOptions).
		Complete(ignoreShutdown(r))
}

// ignoreShutdown drops errors of reconciles that are canceled because the master shuts down.
func ignoreShutdown(r reconcile.Reconciler) reconcile.Reconciler {
	return reconcile.Func(func(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
		result, err := r.Reconcile(ctx, request)
		if errors.Is(ctx.Err(), context.Canceled) {
			return reconcile.Result{}, nil
		}
		return result, err
	})
}

var controllerOptions = controller.Options{MaxConcurrentReconciles: workers, ReconciliationTimeout: reconcileTimeout}

// specChanged selects changes of the spec, which excludes the master's own status writes.
var specChanged = predicate.GenerationChangedPredicate{}

// keysChanged selects changes of the enrolled keys.
var keysChanged = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*v1alpha1.ClusterAgent), e.ObjectNew.(*v1alpha1.ClusterAgent)
		return !slices.Equal(before.Status.Identity.Keys, after.Status.Identity.Keys)
	},
}

// listedOrDeleted excludes the master's own writes.
var listedOrDeleted = predicate.Funcs{
	CreateFunc:  func(e event.CreateEvent) bool { return e.IsInInitialList },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}
