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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
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
	// beforePatch runs once, between a decision and its write.
	beforePatch func()
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
	d := &harness{t: t, sessions: newFakeSessions(), metrics: prometheus.NewRegistry()}
	agent := agentOf("prod-eu", 0)
	agent.UID = "a-1"
	d.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(agent).
		WithStatusSubresource(&v1alpha1.ClusterAgent{}, &v1alpha1.ClusterStatus{}).
		WithIndex(&v1alpha1.ClusterAgent{}, clusterIPField, claimedIPs).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			d.writes = append(d.writes, time.Now())
			if beforePatch := d.beforePatch; beforePatch != nil {
				d.beforePatch = nil
				beforePatch()
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		}}).Build()
	d.sessions.registry = &Registry{reader: d.client}
	d.reconciler = pick(statusWriter{d.client, newMetrics(d.metrics)}, d.sessions.sessions(), d.sessions.registry)
	return d
}

func newAgentHarness(t *testing.T) *harness {
	return newHarness(t, func(w statusWriter, s Sessions, r *Registry) reconcile.Reconciler {
		return &agentReconciler{client: w.client, registry: r, sessions: s, writer: w, limiter: newWriteLimiter("ClusterAgent", agentBurst, newWriteQueue(minWriteInterval))}
	})
}

func newStatusHarness(t *testing.T) *harness {
	return newHarness(t, func(w statusWriter, s Sessions, _ *Registry) reconcile.Reconciler {
		return &statusReconciler{client: w.client, sessions: s, writer: w, limiter: newWriteLimiter("ClusterStatus", statusBurst, newWriteQueue(minWriteInterval))}
	})
}

// reconcile reconciles prod-eu.
func (d *harness) reconcile() {
	d.t.Helper()
	result, err := d.reconciler.Reconcile(d.t.Context(), requestFor("prod-eu"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.due = time.Time{}
	if result.RequeueAfter > 0 {
		d.due = time.Now().Add(result.RequeueAfter)
	}
}

// pass advances the time and reconciles when due.
func (d *harness) pass(long time.Duration) {
	d.t.Helper()
	end := time.Now().Add(long)
	for !d.due.IsZero() && !d.due.After(end) {
		<-time.After(time.Until(d.due))
		d.reconcile()
	}
	<-time.After(time.Until(end))
}

// change updates the spec of prod-eu.
func (d *harness) change(change func(*v1alpha1.ClusterAgentSpec)) {
	d.t.Helper()
	var agent v1alpha1.ClusterAgent
	if err := d.client.Get(d.t.Context(), client.ObjectKey{Name: "prod-eu"}, &agent); err != nil {
		d.t.Fatal(err)
	}
	change(&agent.Spec)
	agent.Generation++
	if err := d.client.Update(d.t.Context(), &agent); err != nil {
		d.t.Fatal(err)
	}
}

func (d *harness) agent() v1alpha1.ClusterAgentStatus {
	d.t.Helper()
	var agent v1alpha1.ClusterAgent
	if err := d.client.Get(d.t.Context(), client.ObjectKey{Name: "prod-eu"}, &agent); err != nil {
		d.t.Fatal(err)
	}
	return agent.Status
}

func (d *harness) status() v1alpha1.ClusterStatusStatus {
	d.t.Helper()
	var status v1alpha1.ClusterStatus
	if err := d.client.Get(d.t.Context(), client.ObjectKey{Name: "prod-eu"}, &status); err != nil {
		d.t.Fatal(err)
	}
	return status.Status
}

// wantWrites checks the number of status writes within a time.
func (d *harness) wantWrites(began time.Time, within time.Duration, want int) {
	d.t.Helper()
	got := 0
	for _, at := range d.writes {
		if at.Sub(began) <= within {
			got++
		}
	}
	if got != want {
		d.t.Errorf("got %d status writes within %s, want %d", got, within, want)
	}
}

func TestSessionChangesAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAgentHarness(t)
		d.reconcile() // the spec's own write, which waits for nothing
		d.writes = nil
		began := time.Now()
		for i := range 350 { // 35 s
			o := answered
			o.Session.Phase = []session.Phase{session.Connecting, session.Backoff}[i%2]
			d.sessions.see("prod-eu", o)
			d.reconcile()
			d.pass(100 * time.Millisecond)
		}
		o := open
		o.Message = "the last"
		d.sessions.see("prod-eu", o)
		d.reconcile()
		d.pass(time.Minute)
		d.wantWrites(began, time.Second, 3)
		d.wantWrites(began, 9*time.Second, 3)
		d.wantWrites(began, 35*time.Second, 6)
		d.wantWrites(began, time.Hour, 7)
		if got := d.agent().Session; got.Message != "the last" || got.Phase != v1alpha1.PhaseReporting {
			t.Errorf("the latest state is not written: %+v", got)
		}
		if !d.due.IsZero() {
			t.Error("got a requeue although everything is written, want none")
		}
	})
}

func TestSpecChangeBypassesRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAgentHarness(t)
		d.reconcile()
		for _, phase := range []session.Phase{session.Connecting, session.Backoff, session.Connecting, session.Backoff, session.Connecting} {
			o := answered
			o.Session.Phase = phase
			d.sessions.see("prod-eu", o)
			d.reconcile()
		}
		d.change(func(s *v1alpha1.ClusterAgentSpec) { s.Suspend = true })
		d.reconcile()
		if got := d.agent(); got.ObservedGeneration != 2 || got.Conditions[0].Reason != v1alpha1.ReasonSuspended {
			t.Errorf("got %+v, want an answer to generation 2", got)
		}
	})
}

func TestConflictingWriteIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAgentHarness(t)
		d.sessions.see("prod-eu", open)
		d.beforePatch = func() { d.change(func(s *v1alpha1.ClusterAgentSpec) { s.Suspend = true }) }
		d.reconcile()
		if got := d.agent(); got.ObservedGeneration != 0 || len(got.Conditions) > 0 {
			t.Errorf("the status was written: %s", inShort(got))
		}
		d.pass(conflictRetry)
		if got := d.agent(); got.ObservedGeneration != 2 || got.Conditions[0].Reason != v1alpha1.ReasonSuspended {
			t.Errorf("got %+v, want an answer to generation 2", got)
		}
	})
}

func TestConcurrentDeletionIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, d := range []*harness{newAgentHarness(t), newStatusHarness(t)} {
			d.beforePatch = func() {
				for _, object := range []client.Object{agentOf("prod-eu", 0), statusNamed("prod-eu")} {
					if err := client.IgnoreNotFound(d.client.Delete(t.Context(), object)); err != nil {
						t.Fatal(err)
					}
				}
			}
			d.reconcile()
			d.reconcile()
			if !d.due.IsZero() {
				t.Error("got a requeue for a deleted object, want none")
			}
		}
	})
}

func TestPlainEndpointRequiresInsecure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAgentHarness(t)
		d.change(func(s *v1alpha1.ClusterAgentSpec) { s.Endpoint = "ws://10.20.0.7:7443" })
		d.reconciler.(*agentReconciler).insecure = true
		d.reconcile()
		if got := inShort(d.agent()); got != "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle" {
			t.Errorf("got %s", got)
		}
	})
}

func TestSummaryWritesAreRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newStatusHarness(t)
		began := time.Now()
		d.reconcile() // nothing is known yet
		for i := range 35 {
			d.sessions.see("prod-eu", with(summaryAt(time.Since(noon)), func(s *state.Summary) { s.Pods.Total = i }))
			d.reconcile()
			d.pass(time.Second)
		}
		d.wantWrites(began, minWriteInterval, 2) // the first summary waits for its turn alone
		d.wantWrites(began, 9*time.Second, 2)
		d.wantWrites(began, 35*time.Second, 5)
		d.pass(10 * time.Second)
		if got := d.status().Summary.Pods.Total; got != 34 {
			t.Errorf("got %d pods, want the last number, 34", got)
		}
	})
}

func TestUnchangedSummaryIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newStatusHarness(t)
		d.sessions.see("prod-eu", summaryAt(time.Since(noon)))
		d.reconcile()
		d.writes = nil
		began := time.Now()
		for range 60 { // a minute of a report a second, of which session tells nobody
			d.sessions.see("prod-eu", summaryAt(time.Since(noon)))
			d.pass(time.Second)
			<-d.sessions.events
			if age := time.Since(d.status().ObservedAt.Time); age > objectWriteInterval+2*time.Second {
				t.Errorf("the stored summary is %s old", age)
			}
		}
		d.wantWrites(began, 9*time.Second, 0)
		d.wantWrites(began, time.Hour, 6)
	})
}

func TestIdleClusterIsWrittenAfterRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newStatusHarness(t)
		d.sessions.see("prod-eu", summaryAt(time.Since(noon)))
		d.reconcile()
		d.writes = nil
		began := time.Now()
		idle := summaryAt(time.Since(noon))
		idle.Session.Phase = session.Idle
		d.sessions.see("prod-eu", idle)
		d.reconcile()
		d.pass(defaultIdleRefresh + 10*time.Second) // the refresh comes a little later than it should
		d.wantWrites(began, time.Hour, 0)
		idle.ObservedAt = time.Now()
		d.sessions.see("prod-eu", idle)
		d.pass(overdueRecheck)
		d.wantWrites(began, time.Hour, 1)
	})
}

func TestFailingClusterBecomesStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newStatusHarness(t)
		d.sessions.see("prod-eu", summaryAt(time.Since(noon)))
		d.reconcile()
		d.pass(5 * time.Second)
		d.sessions.see("prod-eu", failing(session.DialFailed, "refused"))
		d.reconcile()
		if got := d.status().Conditions[0].Reason; got != v1alpha1.ReasonNoProblems {
			t.Errorf("5 s old: got %s", got)
		}
		d.pass(11 * time.Second)
		if got := d.status().Conditions[0].Reason; got != v1alpha1.ReasonStale {
			t.Errorf("16 s old: got %s, want %s", got, v1alpha1.ReasonStale)
		}
	})
}

func TestWritesAreCountedByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAgentHarness(t)
		for _, seen := range []session.Status{{}, answered, open, open} {
			d.sessions.see("prod-eu", seen)
			d.reconcile()
			d.pass(time.Second)
		}
		o := open
		o.Session.ExpiresAt = noon.Add(time.Hour)
		d.sessions.see("prod-eu", o)
		d.reconcile()
		want := `
# HELP rollcall_status_writes_total Status writes to the hub, by kind of object and by reason.
# TYPE rollcall_status_writes_total counter
rollcall_status_writes_total{kind="ClusterAgent",reason="condition"} 2
rollcall_status_writes_total{kind="ClusterAgent",reason="session"} 1
rollcall_status_writes_total{kind="ClusterAgent",reason="spec"} 1
`
		if err := testutil.GatherAndCompare(d.metrics, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

// The ClusterAgent is deleted and recreated before the reconciler runs.
func TestRecreatedClusterAgentIsAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newAgentHarness(t)
		d.reconcile()
		d.sessions.see("prod-eu", open)
		d.reconcile()
		if got := d.agent().ClusterUID; got != "8a1f" {
			t.Fatalf("status.clusterUID is %q", got)
		}
		former := agentOf("prod-eu", 0)
		if err := d.client.Delete(t.Context(), former); err != nil {
			t.Fatal(err)
		}
		next := agentOf("prod-eu", time.Minute)
		next.UID = "a-2"
		if err := d.client.Create(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		d.reconcile()
		if got, want := d.sessions.syncedGenerations(t, "prod-eu"), []int64{1, 0, 1}; !slices.Equal(got, want) {
			t.Errorf("Sync got the generations %v, want %v", got, want)
		}
		if got := d.agent(); got.ClusterUID != "" || inShort(got) != "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle" {
			t.Errorf("status has values of the deleted ClusterAgent: %s, %q", inShort(got), got.ClusterUID)
		}
	})
}

func TestWriteLimiterIsPerObject(t *testing.T) {
	p := newWriteLimiter("ClusterAgent", 3, newWriteQueue(0))
	for i := range 3 {
		if wait := p.wait("a", noon); wait != 0 {
			t.Errorf("write %d waits %s", i, wait)
		}
	}
	if got := p.wait("a", noon); got != 10*time.Second {
		t.Errorf("the fourth waits %s, want 10s", got)
	}
	if got := p.wait("a", noon.Add(4*time.Second)).Round(time.Millisecond); got != 6*time.Second {
		t.Errorf("4 s later it waits %s, want 6s: waiting does not count as a write", got)
	}
	if got := p.wait("b", noon); got != 0 {
		t.Errorf("another object waits %s", got)
	}
	p.forget("a")
	if got := p.wait("a", noon); got != 0 {
		t.Errorf("one that was forgotten waits %s", got)
	}
}
