package controllers

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/runtime"
	kubeevents "k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// harness runs a reconciler in virtual time on a fake hub.
type harness struct {
	t          *testing.T
	client     client.Client
	sessions   *fakeSessions
	reconciler reconcile.Reconciler
	metrics    *prometheus.Registry
	// writes has the times of status writes.
	writes []time.Time
	// readOnly makes the master one that may not write status.
	readOnly bool
	// beforePatch runs once, between a decision and its write.
	beforePatch func()
	// readErr is the error of all reads of the registry, unless it is nil.
	readErr error
	// due is when the reconciler is to run again; zero: never.
	due time.Time
}

// newHarness returns a harness with the ClusterAgent prod-eu and a reconciler.
func newHarness(t *testing.T, pick func(statusWriter, Sessions, *Registry) reconcile.Reconciler) *harness {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, sessions: newFakeSessions(), metrics: prometheus.NewRegistry()}
	agent := agentOf("prod-eu", 0)
	agent.UID = "a-1"
	h.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(agent).
		WithStatusSubresource(&v1alpha1.ClusterAgent{}, &v1alpha1.ClusterStatus{}).
		WithIndex(&v1alpha1.ClusterAgent{}, clusterIPField, claimedIPs).
		WithIndex(&v1alpha1.ClusterAgent{}, keyField, func(object client.Object) []string { return indexedKeys(object.(*v1alpha1.ClusterAgent)) }).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			h.writes = append(h.writes, time.Now())
			if beforePatch := h.beforePatch; beforePatch != nil {
				h.beforePatch = nil
				beforePatch()
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
	h.sessions.registry = &Registry{reader: unreliableReader{h.client, &h.readErr}}
	h.reconciler = pick(statusWriter{client: h.client, mayWrite: func(string) bool { return !h.readOnly }, retry: writeRetry, metrics: newMetrics(h.metrics)}, h.sessions, h.sessions.registry)
	return h
}

func newAgentHarness(t *testing.T) *harness {
	return newRecordingHarness(t, &kubeevents.FakeRecorder{})
}

// newRecordingHarness returns a harness of the reconciler of ClusterAgents with a recorder of Events.
func newRecordingHarness(t *testing.T, recorder kubeevents.EventRecorder) *harness {
	t.Helper()
	return newHarness(t, func(w statusWriter, s Sessions, r *Registry) reconcile.Reconciler {
		return &agentReconciler{client: w.client, registry: r, sessions: s, writer: w, limiter: newWriteLimiter("ClusterAgent", agentBurst, newWriteQueue(minWriteInterval)), events: newEventRecorder(recorder, w.metrics)}
	})
}

func newStatusHarness(t *testing.T) *harness {
	return newHarness(t, func(w statusWriter, s Sessions, _ *Registry) reconcile.Reconciler {
		return &statusReconciler{client: w.client, sessions: s, writer: w, limiter: newWriteLimiter("ClusterStatus", statusBurst, newWriteQueue(minWriteInterval))}
	})
}

// reconcile reconciles prod-eu.
func (h *harness) reconcile() {
	h.t.Helper()
	result, err := h.reconciler.Reconcile(h.t.Context(), requestFor("prod-eu"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.due = time.Time{}
	if result.RequeueAfter > 0 {
		h.due = time.Now().Add(result.RequeueAfter)
	}
}

// advance advances the time and reconciles when due.
func (h *harness) advance(d time.Duration) {
	h.t.Helper()
	end := time.Now().Add(d)
	for !h.due.IsZero() && !h.due.After(end) {
		<-time.After(time.Until(h.due))
		h.reconcile()
	}
	<-time.After(time.Until(end))
}

// change updates the spec of prod-eu.
func (h *harness) change(change func(*v1alpha1.ClusterAgentSpec)) {
	h.t.Helper()
	var agent v1alpha1.ClusterAgent
	if err := h.client.Get(h.t.Context(), client.ObjectKey{Name: "prod-eu"}, &agent); err != nil {
		h.t.Fatal(err)
	}
	change(&agent.Spec)
	agent.Generation++
	if err := h.client.Update(h.t.Context(), &agent); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) agent() v1alpha1.ClusterAgentStatus {
	h.t.Helper()
	var agent v1alpha1.ClusterAgent
	if err := h.client.Get(h.t.Context(), client.ObjectKey{Name: "prod-eu"}, &agent); err != nil {
		h.t.Fatal(err)
	}
	return agent.Status
}

func (h *harness) status() v1alpha1.ClusterStatusStatus {
	h.t.Helper()
	var status v1alpha1.ClusterStatus
	if err := h.client.Get(h.t.Context(), client.ObjectKey{Name: "prod-eu"}, &status); err != nil {
		h.t.Fatal(err)
	}
	return status.Status
}

// wantWrites checks the number of status writes within a time.
func (h *harness) wantWrites(began time.Time, within time.Duration, want int) {
	h.t.Helper()
	got := 0
	for _, at := range h.writes {
		if at.Sub(began) <= within {
			got++
		}
	}
	if got != want {
		h.t.Errorf("got %d status writes within %s, want %d", got, within, want)
	}
}

func TestSessionChangesAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAgentHarness(t)
		h.reconcile() // the spec's own write, which waits for nothing
		h.writes = nil
		began := time.Now()
		for i := range 350 { // 35 s
			o := answered
			o.Session.Phase = []session.Phase{session.Connecting, session.Backoff}[i%2]
			h.sessions.setStatus("prod-eu", o)
			h.reconcile()
			h.advance(100 * time.Millisecond)
		}
		o := open
		o.Message = "the last"
		h.sessions.setStatus("prod-eu", o)
		h.reconcile()
		h.advance(time.Minute)
		h.wantWrites(began, time.Second, 3)
		h.wantWrites(began, 9*time.Second, 3)
		h.wantWrites(began, 35*time.Second, 6)
		h.wantWrites(began, time.Hour, 7)
		if got := h.agent().Session; got.Message != "the last" || got.Phase != v1alpha1.PhaseReporting {
			t.Errorf("the latest state is not written: %+v", got)
		}
		if !h.due.IsZero() {
			t.Error("got a requeue although everything is written, want none")
		}
	})
}

func TestSpecChangeBypassesRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAgentHarness(t)
		h.reconcile()
		for _, phase := range []session.Phase{session.Connecting, session.Backoff, session.Connecting, session.Backoff, session.Connecting} {
			o := answered
			o.Session.Phase = phase
			h.sessions.setStatus("prod-eu", o)
			h.reconcile()
		}
		h.change(func(s *v1alpha1.ClusterAgentSpec) { s.Suspend = true })
		h.reconcile()
		if got := h.agent(); got.ObservedGeneration != 2 || got.Conditions[0].Reason != v1alpha1.ReasonSuspended {
			t.Errorf("got %+v, want an answer to generation 2", got)
		}
	})
}

func TestConflictingWriteIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAgentHarness(t)
		h.sessions.setStatus("prod-eu", open)
		h.beforePatch = func() { h.change(func(s *v1alpha1.ClusterAgentSpec) { s.Suspend = true }) }
		h.reconcile()
		if got := h.agent(); got.ObservedGeneration != 0 || len(got.Conditions) > 0 {
			t.Errorf("the status was written: %s", formatStatus(got))
		}
		h.advance(conflictRetry)
		if got := h.agent(); got.ObservedGeneration != 2 || got.Conditions[0].Reason != v1alpha1.ReasonSuspended {
			t.Errorf("got %+v, want an answer to generation 2", got)
		}
	})
}

func TestConcurrentDeletionIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, h := range []*harness{newAgentHarness(t), newStatusHarness(t)} {
			h.beforePatch = func() {
				for _, object := range []client.Object{agentOf("prod-eu", 0), statusNamed("prod-eu")} {
					if err := client.IgnoreNotFound(h.client.Delete(t.Context(), object)); err != nil {
						t.Fatal(err)
					}
				}
			}
			h.reconcile()
			h.reconcile()
			if !h.due.IsZero() {
				t.Error("got a requeue for a deleted object, want none")
			}
		}
	})
}

func TestPlainEndpointRequiresInsecure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAgentHarness(t)
		h.change(func(s *v1alpha1.ClusterAgentSpec) { s.Endpoint = "ws://10.20.0.7:7443" })
		h.reconciler.(*agentReconciler).insecure = true
		h.reconcile()
		if got := formatStatus(h.agent()); got != "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle" {
			t.Errorf("got %s", got)
		}
	})
}

func TestSummaryWritesAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStatusHarness(t)
		began := time.Now()
		h.reconcile() // nothing is known yet
		for i := range 35 {
			h.sessions.setStatus("prod-eu", with(summaryAt(time.Since(noon)), func(s *state.Summary) { s.Pods.Total = i }))
			h.reconcile()
			h.advance(time.Second)
		}
		h.wantWrites(began, minWriteInterval, 2) // the first summary waits for its turn alone
		h.wantWrites(began, 9*time.Second, 2)
		h.wantWrites(began, 35*time.Second, 5)
		h.advance(10 * time.Second)
		if got := h.status().Summary.Pods.Total; got != 34 {
			t.Errorf("got %d pods, want the last number, 34", got)
		}
	})
}

func TestUnchangedSummaryIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStatusHarness(t)
		h.sessions.setStatus("prod-eu", summaryAt(time.Since(noon)))
		h.reconcile()
		h.writes = nil
		began := time.Now()
		for range 60 { // a report per second for a minute, without events
			h.sessions.setStatus("prod-eu", summaryAt(time.Since(noon)))
			h.advance(time.Second)
			<-h.sessions.events
			if age := time.Since(h.status().ObservedAt.Time); age > objectWriteInterval+2*time.Second {
				t.Errorf("the stored summary is %s old", age)
			}
		}
		h.wantWrites(began, 9*time.Second, 0)
		h.wantWrites(began, time.Hour, 6)
	})
}

func TestIdleClusterIsWrittenAfterRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStatusHarness(t)
		h.sessions.setStatus("prod-eu", summaryAt(time.Since(noon)))
		h.reconcile()
		h.writes = nil
		began := time.Now()
		idle := summaryAt(time.Since(noon))
		idle.Session.Phase = session.Idle
		h.sessions.setStatus("prod-eu", idle)
		h.reconcile()
		h.advance(defaultIdleRefresh + 10*time.Second) // the refresh comes a little later than it should
		h.wantWrites(began, time.Hour, 0)
		idle.ObservedAt = time.Now()
		h.sessions.setStatus("prod-eu", idle)
		h.advance(overdueRecheck)
		h.wantWrites(began, time.Hour, 1)
	})
}

func TestFailingClusterBecomesStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStatusHarness(t)
		h.sessions.setStatus("prod-eu", summaryAt(time.Since(noon)))
		h.reconcile()
		h.advance(5 * time.Second)
		h.sessions.setStatus("prod-eu", failing(dial.DialFailed, "refused"))
		h.reconcile()
		if got := h.status().Conditions[0].Reason; got != v1alpha1.ReasonNoProblems {
			t.Errorf("5 s old: got %s", got)
		}
		h.advance(11 * time.Second)
		if got := h.status().Conditions[0].Reason; got != v1alpha1.ReasonStale {
			t.Errorf("16 s old: got %s, want %s", got, v1alpha1.ReasonStale)
		}
	})
}

func TestWritesAreCountedByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAgentHarness(t)
		for _, observed := range []session.Status{{}, answered, open, open} {
			h.sessions.setStatus("prod-eu", observed)
			h.reconcile()
			h.advance(time.Second)
		}
		o := open
		o.Session.ExpiresAt = noon.Add(time.Hour)
		h.sessions.setStatus("prod-eu", o)
		h.reconcile()
		want := `
# HELP rollcall_status_writes_total Status writes to the hub, by kind of object and by reason.
# TYPE rollcall_status_writes_total counter
rollcall_status_writes_total{kind="ClusterAgent",reason="condition"} 2
rollcall_status_writes_total{kind="ClusterAgent",reason="session"} 1
rollcall_status_writes_total{kind="ClusterAgent",reason="spec"} 1
`
		if err := testutil.GatherAndCompare(h.metrics, strings.NewReader(want), "rollcall_status_writes_total"); err != nil {
			t.Error(err)
		}
	})
}

// The ClusterAgent is deleted and recreated before the reconciler runs.
func TestRecreatedClusterAgentIsAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAgentHarness(t)
		h.reconcile()
		h.sessions.setStatus("prod-eu", open)
		h.reconcile()
		if got := h.agent().ClusterUID; got != "8a1f" {
			t.Fatalf("status.clusterUID is %q", got)
		}
		former := agentOf("prod-eu", 0)
		if err := h.client.Delete(t.Context(), former); err != nil {
			t.Fatal(err)
		}
		next := agentOf("prod-eu", time.Minute)
		next.UID = "a-2"
		if err := h.client.Create(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		h.reconcile()
		if got, want := h.sessions.syncedGenerations(t, "prod-eu"), []int64{1, 0, 1}; !slices.Equal(got, want) {
			t.Errorf("Sync got the generations %v, want %v", got, want)
		}
		if got := h.agent(); got.ClusterUID != "" || formatStatus(got) != "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle" {
			t.Errorf("status has values of the deleted ClusterAgent: %s, %q", formatStatus(got), got.ClusterUID)
		}
	})
}
