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

// Reasons of status writes, as used in the metric.
const (
	// reasonSpec: the ClusterAgent's spec changed.
	reasonSpec = "spec"
	// reasonCondition: a condition's status or reason changed.
	reasonCondition = "condition"
	// reasonSession: another field of the session changed.
	reasonSession = "session"
	// reasonSummary: the summary changed significantly.
	reasonSummary = "summary"
	// reasonHeartbeat: the summary is newer without a significant change.
	reasonHeartbeat = "heartbeat"
)

// conflictRetry is the delay after a write conflict. The cache has the other change by then.
const conflictRetry = time.Second

// statusWriter executes the status write of a reconcile.
type statusWriter struct {
	client client.Client
	// mayWrite is Options.MayWrite.
	mayWrite func(cluster string) bool
	// retry is the time until a status is decided again that this master may not write.
	retry   time.Duration
	metrics *metrics
}

// allowed reports whether this master may write the status of a cluster now.
func (w statusWriter) allowed(cluster string) bool { return w.mayWrite == nil || w.mayWrite(cluster) }

// patch writes the changes that set makes to the object's status. On a conflict it requeues the
// object, so that the status is decided again.
func (w statusWriter) patch(ctx context.Context, object client.Object, reason string, set func()) (reconcile.Result, error) {
	read := object.DeepCopyObject().(client.Object)
	set()
	err := w.client.Status().Patch(ctx, object, client.MergeFromWithOptions(read, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	case apierrors.IsNotFound(err): // the deletion has an event of its own
		return reconcile.Result{}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("write the status of %T %s: %w", object, object.GetName(), err)
	}
	w.metrics.written(object, reason)
	return reconcile.Result{}, nil
}

// sameStatus reports whether two statuses are equal as the API server stores them: times are
// instants.
func sameStatus[S any](a, b S) bool { return equality.Semantic.DeepEqual(a, b) }

// sameCondition reports whether two conditions have the same type, status and reason.
func sameCondition(a, b metav1.Condition) bool {
	return a.Type == b.Type && a.Status == b.Status && a.Reason == b.Reason
}
