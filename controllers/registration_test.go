package controllers

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

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

// TestMasterWithoutLeaseWritesNothing checks that a master that may not write status still tells Sessions about
// ClusterAgents, and writes the status when it may.
func TestMasterWithoutLeaseWritesNothing(t *testing.T) {
	for name, newHarness := range map[string]func(*testing.T) *harness{"ClusterAgent": newAgentHarness, "ClusterStatus": newStatusHarness} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t)
				h.readOnly = true
				h.sessions.setStatus("prod-eu", summaryAt(0))
				h.reconcile()
				h.advance(time.Minute)
				if len(h.writes) != 0 {
					t.Errorf("%d statuses were written", len(h.writes))
				}
				if synced := h.sessions.syncedGenerations(t, "prod-eu"); name == "ClusterAgent" && !slices.Equal(synced, []int64{1}) {
					t.Errorf("Sync got the generations %v, want it to be called once", synced)
				}
				h.readOnly = false
				h.advance(writeRetry)
				if len(h.writes) != 1 {
					t.Errorf("%d statuses were written when the master may write, want 1", len(h.writes))
				}
			})
		})
	}
}
