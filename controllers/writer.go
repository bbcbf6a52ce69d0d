package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// Why a status is written, as the metric has it.
const (
	// becauseSpec: a ClusterAgent's spec is new.
	becauseSpec = "spec"
	// becauseCondition: a condition changed its status or its reason.
	becauseCondition = "condition"
	// becauseSession: something else of the session changed.
	becauseSession = "session"
	// becauseSummary: a summary changed materially.
	becauseSummary = "summary"
	// becauseHeartbeat: a summary says the same as the one before, and is newer.
	becauseHeartbeat = "heartbeat"
)

// afterConflict is when a decision is made again whose object somebody else changed
// meanwhile. The cache has the change by then.
const afterConflict = time.Second

// statusWriter does the one status write of a reconcile.
type statusWriter struct {
	client  client.Client
	metrics *metrics
}

// patch writes what set changes in the object's status, unless the object is no
// longer the one that was read: then everything is decided anew.
func (w statusWriter) patch(ctx context.Context, object client.Object, because string, set func()) (reconcile.Result, error) {
	read := object.DeepCopyObject().(client.Object)
	set()
	err := w.client.Status().Patch(ctx, object, client.MergeFromWithOptions(read, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: afterConflict}, nil
	case apierrors.IsNotFound(err): // who deleted it has called the reconciler too
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("write the status of %T %s: %w", object, object.GetName(), err)
	}
	w.metrics.written(object, because)
	return reconcile.Result{}, nil
}

// sameStatus compares as the API server stores: times are instants.
func sameStatus[S any](a, b S) bool { return equality.Semantic.DeepEqual(a, b) }

// sameCondition says that two conditions say the same to programs.
func sameCondition(a, b metav1.Condition) bool {
	return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason
}
