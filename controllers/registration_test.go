package controllers

import (
	"slices"
	"testing"
	"testing/synctest"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

func TestRegistrationTellsSessionAndWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var statuses *agentReconciler
		d := newDesk(t, func(w statusWriter, s Sessions, r *Registry) reconcile.Reconciler {
			statuses = &agentReconciler{client: w.client, registry: r, sessions: s, writer: w, pace: newPace("ClusterAgent", agentBurst, newTurns(turnEvery))}
			return reconcile.Func(statuses.Register)
		})
		d.call()
		d.call()
		if len(d.writes) != 0 {
			t.Errorf("%d statuses were written", len(d.writes))
		}
		if _, err := statuses.Reconcile(t.Context(), requestFor("prod-eu")); err != nil {
			t.Fatal(err)
		}
		if got := d.sessions.told(t, "prod-eu"); !slices.Equal(got, []int64{1}) {
			t.Errorf("session was told %v, want once by whoever comes first", got)
		}
		if len(d.writes) != 1 {
			t.Errorf("the status was written %d times, want once", len(d.writes))
		}
		if err := d.client.Delete(t.Context(), agentOf("prod-eu", 0)); err != nil {
			t.Fatal(err)
		}
		d.call()
		if got := d.sessions.told(t, "prod-eu"); !slices.Equal(got, []int64{1, 0}) {
			t.Errorf("session was told %v, want that the cluster is gone", got)
		}
	})
}
