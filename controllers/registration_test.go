package controllers

import (
	"slices"
	"testing"
	"testing/synctest"

	kubeevents "k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestRegisterSyncsWithoutWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var statuses *agentReconciler
		d := newHarness(t, func(w statusWriter, s Sessions, r *Registry) reconcile.Reconciler {
			statuses = &agentReconciler{client: w.client, registry: r, sessions: s, writer: w, limiter: newWriteLimiter("ClusterAgent", agentBurst, newWriteQueue(minWriteInterval)), events: newEventRecorder(&kubeevents.FakeRecorder{}, w.metrics)}
			return reconcile.Func(statuses.Register)
		})
		d.reconcile()
		d.reconcile()
		if len(d.writes) != 0 {
			t.Errorf("%d statuses were written", len(d.writes))
		}
		if _, err := statuses.Reconcile(t.Context(), requestFor("prod-eu")); err != nil {
			t.Fatal(err)
		}
		if got := d.sessions.syncedGenerations(t, "prod-eu"); !slices.Equal(got, []int64{1}) {
			t.Errorf("Sync got the generations %v, want it to be called once", got)
		}
		if len(d.writes) != 1 {
			t.Errorf("the status was written %d times, want once", len(d.writes))
		}
		if err := d.client.Delete(t.Context(), agentOf("prod-eu", 0)); err != nil {
			t.Fatal(err)
		}
		d.reconcile()
		if got := d.sessions.syncedGenerations(t, "prod-eu"); !slices.Equal(got, []int64{1, 0}) {
			t.Errorf("Sync got the generations %v, want the deletion", got)
		}
	})
}
