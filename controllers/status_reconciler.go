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
	pace     *pace
	// reporting are the clusters that report, by which all are written.
	reporting reporting
}

// Reconcile makes one ClusterStatus true.
func (r *statusReconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	agent, err := readAgent(ctx, r.client, request.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	status, err := r.read(ctx, request.Name)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case agent == nil:
		r.pace.forget(request.Name)
		r.reporting.note(request.Name, false)
		return reconcile.Result{}, r.delete(ctx, status)
	case status == nil:
		status, err = r.create(ctx, agent)
	case !metav1.IsControlledBy(status, agent):
		return reconcile.Result{}, r.delete(ctx, status) // which calls this reconciler again
	}
	switch {
	case apierrors.IsAlreadyExists(err):
		return reconcile.Result{RequeueAfter: afterConflict}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	seen := r.sessions.Observe(agent.Name)
	r.reporting.note(agent.Name, seen.Session.Phase == session.Reporting)
	return r.write(ctx, status, statusFacts{now: time.Now(), agent: agent, stored: status.Status, seen: seen, interval: r.reporting.interval()})
}

// read is a ClusterStatus of the cache; nil where there is none.
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

// create makes the ClusterStatus of a ClusterAgent, which owns it. Nobody's deletion
// waits for it: the master has no right to touch finalizers, and need not.
func (r *statusReconciler) create(ctx context.Context, agent *v1alpha1.ClusterAgent) (*v1alpha1.ClusterStatus, error) {
	status := &v1alpha1.ClusterStatus{ObjectMeta: metav1.ObjectMeta{Name: agent.Name}}
	if err := controllerutil.SetControllerReference(agent, status, r.client.Scheme(), controllerutil.WithBlockOwnerDeletion(false)); err != nil {
		return nil, fmt.Errorf("make ClusterStatus %s a part of its ClusterAgent: %w", agent.Name, err)
	}
	if err := r.client.Create(ctx, status); err != nil {
		return nil, fmt.Errorf("create ClusterStatus %s: %w", agent.Name, err)
	}
	return status, nil
}

// delete takes away exactly the ClusterStatus that was read, if there is one. The
// garbage collector may come first.
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

// write writes a status that is worth it, when it is its turn. The first summary is
// what people wait for: it waits for its turn alone.
func (r *statusReconciler) write(ctx context.Context, status *v1alpha1.ClusterStatus, f statusFacts) (reconcile.Result, error) {
	next, err := decideStatus(f)
	if err != nil {
		return reconcile.Result{}, err
	}
	because := statusChange(f.stored, next, f.now, f.interval)
	if because == "" {
		r.pace.pass(status.Name)
		return reconcile.Result{RequeueAfter: f.again(next)}, nil
	}
	wait := r.pace.wait
	if f.stored.Summary == nil {
		wait = r.pace.waitForTurn
	}
	if wait := wait(status.Name, f.now); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	result, err := r.writer.patch(ctx, status, because, func() { status.Status = next })
	if err == nil && result.RequeueAfter == 0 {
		f.stored = next
		result.RequeueAfter = f.again(next)
	}
	return result, err
}
