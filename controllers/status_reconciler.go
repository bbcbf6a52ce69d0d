package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// statusReconciler keeps one ClusterStatus for each ClusterAgent.
type statusReconciler struct {
	client   client.Client
	sessions Sessions
	writer   statusWriter
	limiter  *writeLimiter
	// reporting has the clusters that report. Their number determines how often each is written.
	reporting reportingClusters
}

// Reconcile updates one ClusterStatus.
func (r *statusReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	if !r.writer.allowed(request.Name) {
		r.reporting.set(request.Name, false)
		return reconcile.Result{RequeueAfter: r.writer.retry}, nil
	}
	agent, err := readAgent(ctx, r.client, request.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	status, err := r.read(ctx, request.Name)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case agent == nil:
		r.limiter.forget(request.Name)
		r.reporting.set(request.Name, false)
		return reconcile.Result{}, r.delete(ctx, status)
	case status == nil:
		status, err = r.create(ctx, agent)
	case !metav1.IsControlledBy(status, agent):
		return reconcile.Result{}, r.delete(ctx, status) // its deletion triggers another reconcile
	}
	switch {
	case apierrors.IsAlreadyExists(err):
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	observed := r.sessions.Status(agent.Name)
	r.reporting.set(agent.Name, observed.Session.Phase == session.Reporting)
	return r.write(ctx, status, statusInputs{now: time.Now(), agent: agent, stored: status.Status, observed: observed, interval: r.reporting.interval(r.limiter.queue.interval())})
}

// read returns a ClusterStatus from the cache, nil if there is none.
func (r *statusReconciler) read(ctx context.Context, name string) (*v1alpha1.ClusterStatus, error) {
	var status v1alpha1.ClusterStatus
	if err := r.client.Get(ctx, client.ObjectKey{Name: name}, &status); err != nil {
		if err := client.IgnoreNotFound(err); err != nil {
			return nil, fmt.Errorf("read ClusterStatus %s: %w", name, err)
		}
		return nil, nil
	}
	return &status, nil
}

// create creates the ClusterStatus of a ClusterAgent, which owns it. It does not block the owner's
// deletion, which would require rights on finalizers.
func (r *statusReconciler) create(ctx context.Context, agent *v1alpha1.ClusterAgent) (*v1alpha1.ClusterStatus, error) {
	status := &v1alpha1.ClusterStatus{ObjectMeta: metav1.ObjectMeta{Name: agent.Name}}
	if err := controllerutil.SetControllerReference(agent, status, r.client.Scheme(), controllerutil.WithBlockOwnerDeletion(false)); err != nil {
		return nil, fmt.Errorf("set the owner of ClusterStatus %s: %w", agent.Name, err)
	}
	if err := r.client.Create(ctx, status); err != nil {
		return nil, fmt.Errorf("create ClusterStatus %s: %w", agent.Name, err)
	}
	return status, nil
}

// delete deletes exactly the ClusterStatus that was read, if there is one. The garbage collector
// may have deleted it already.
func (r *statusReconciler) delete(ctx context.Context, status *v1alpha1.ClusterStatus) error {
	if status == nil || !status.DeletionTimestamp.IsZero() {
		return nil
	}
	err := r.client.Delete(ctx, status, client.Preconditions{UID: &status.UID})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete ClusterStatus %s: %w", status.Name, err)
	}
	return nil
}

// write writes the status if it changed and the rate limit permits. The first summary waits only
// for the shared queue.
func (r *statusReconciler) write(ctx context.Context, status *v1alpha1.ClusterStatus, in statusInputs) (reconcile.Result, error) {
	next := decideStatus(in)
	reason := statusChange(in.stored, next, in.now, in.interval)
	if reason == "" {
		r.limiter.cancel(status.Name)
		return reconcile.Result{RequeueAfter: in.requeueAfter(next)}, nil
	}
	wait := r.limiter.wait
	if in.stored.Summary == nil {
		wait = r.limiter.waitInQueue
	}
	if wait := wait(status.Name, in.now); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	result, err := r.writer.patch(ctx, status, reason, func() { status.Status = next })
	if err == nil && result.RequeueAfter == 0 {
		in.stored = next
		result.RequeueAfter = in.requeueAfter(next)
	}
	return result, err
}
