package controllers

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	kubeevents "k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
)

// queued is an entry of a controller's queue.
type queued struct {
	kind, name string
}

// memoryHub is an in-memory client.Client with the methods that the reconcilers use.
type memoryHub struct {
	client.Client
	scheme   *runtime.Scheme
	agents   map[string]*v1alpha1.ClusterAgent
	statuses map[string]*v1alpha1.ClusterStatus
	// writes has the times of status writes.
	writes []time.Time
}

func (h *memoryHub) Scheme() *runtime.Scheme { return h.scheme }

func (h *memoryHub) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	switch o := o.(type) {
	case *v1alpha1.ClusterAgent:
		if held := h.agents[key.Name]; held != nil {
			held.DeepCopyInto(o)
			return nil
		}
	case *v1alpha1.ClusterStatus:
		if held := h.statuses[key.Name]; held != nil {
			held.DeepCopyInto(o)
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (h *memoryHub) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	h.statuses[o.GetName()] = o.DeepCopyObject().(*v1alpha1.ClusterStatus)
	return nil
}

func (h *memoryHub) Status() client.SubResourceWriter { return memoryStatus{hub: h} }

// memoryStatus writes to a memoryHub.
type memoryStatus struct {
	client.SubResourceWriter
	hub *memoryHub
}

func (s memoryStatus) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	s.hub.writes = append(s.hub.writes, time.Now())
	switch o := o.(type) {
	case *v1alpha1.ClusterAgent:
		s.hub.agents[o.Name] = o.DeepCopy()
	case *v1alpha1.ClusterStatus:
		s.hub.statuses[o.Name] = o.DeepCopy()
	}
	return nil
}

// fleet runs both reconcilers for many clusters in virtual time.
type fleet struct {
	t           *testing.T
	hub         *memoryHub
	sessions    *fakeSessions
	reconcilers map[string]reconcile.Reconciler
	due         map[queued]time.Time
}

func newFleet(t *testing.T, clusters int) *fleet {
	t.Helper()
	h := &memoryHub{scheme: runtime.NewScheme(), agents: map[string]*v1alpha1.ClusterAgent{}, statuses: map[string]*v1alpha1.ClusterStatus{}}
	if err := v1alpha1.AddToScheme(h.scheme); err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, hub: h, sessions: newFakeSessions(), due: map[queued]time.Time{}}
	for i := range clusters {
		agent := agentOf(f.name(i), 0)
		agent.UID = types.UID(agent.Name)
		h.agents[agent.Name] = agent
	}
	registry := &Registry{reader: h}
	f.sessions.registry = registry
	writer, queue := statusWriter{client: h, metrics: newMetrics(prometheus.NewRegistry())}, newWriteQueue(minWriteInterval)
	f.reconcilers = map[string]reconcile.Reconciler{
		"agent":  &agentReconciler{client: h, registry: registry, sessions: f.sessions, writer: writer, limiter: newWriteLimiter("ClusterAgent", agentBurst, queue), events: newEventRecorder(&kubeevents.FakeRecorder{}, writer.metrics)},
		"status": &statusReconciler{client: h, sessions: f.sessions, writer: writer, limiter: newWriteLimiter("ClusterStatus", statusBurst, queue)},
	}
	return f
}

func (f *fleet) name(i int) string { return fmt.Sprintf("c-%04d", i) }

// report reports for a cluster. Sessions sends an event if changed is set.
func (f *fleet) report(i int, changed bool, change func(*state.Summary)) {
	f.sessions.mu.Lock()
	f.sessions.statuses[f.name(i)] = with(summaryAt(time.Since(noon)), change)
	f.sessions.mu.Unlock()
	if changed {
		f.due[queued{"agent", f.name(i)}], f.due[queued{"status", f.name(i)}] = time.Now(), time.Now()
	}
}

// reconcile reconciles everything that is due.
func (f *fleet) reconcile() {
	f.t.Helper()
	now := time.Now()
	for q, at := range f.due {
		if at.After(now) {
			continue
		}
		delete(f.due, q)
		result, err := f.reconcilers[q.kind].Reconcile(f.t.Context(), requestFor(q.name))
		if err != nil {
			f.t.Fatal(err)
		}
		if result.RequeueAfter > 0 {
			f.due[q] = now.Add(result.RequeueAfter)
		}
	}
}

// oldest returns the age of the oldest stored summary.
func (f *fleet) oldest() (oldest time.Duration) {
	f.t.Helper()
	for name, s := range f.hub.statuses {
		if s.Status.ObservedAt == nil {
			f.t.Fatalf("%s was never observed", name)
		}
		oldest = max(oldest, time.Since(s.Status.ObservedAt.Time))
	}
	return oldest
}

// TestSummaryAgeWithManyClusters has clusters that report every 5 s, without changes or with a
// significant change in each report.
func TestSummaryAgeWithManyClusters(t *testing.T) {
	const period = 5 * time.Second
	for _, tc := range []struct {
		clusters int
		changes  bool
		oldest   time.Duration
	}{
		{10, false, 16 * time.Second},
		{10, true, 16 * time.Second},
		{100, false, 21 * time.Second},
		{1000, false, 110 * time.Second},
		{1000, true, 110 * time.Second},
	} {
		t.Run(fmt.Sprintf("%d clusters, changes: %t", tc.clusters, tc.changes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, tc.clusters)
				began := time.Now()
				settled := tc.oldest + time.Duration(tc.clusters)*minWriteInterval // all are written for the first time
				end := settled + 2*tc.oldest
				for n := 0; time.Since(began) < end; n++ {
					for i := range tc.clusters {
						// Reports are spread over the period.
						if (n+i)%int(period/minWriteInterval) == 0 {
							f.report(i, n < int(period/minWriteInterval) || tc.changes, func(s *state.Summary) {
								if tc.changes {
									s.Pods.Total = n
								}
							})
						}
					}
					f.reconcile()
					if n%10 == 0 && time.Since(began) > settled {
						if age := f.oldest(); age > tc.oldest {
							t.Fatalf("after %s a summary is %s old, want %s at most", time.Since(began), age, tc.oldest)
						}
					}
					<-time.After(minWriteInterval)
				}
				perSecond := map[int]int{}
				for _, at := range f.hub.writes {
					if at.Sub(began) > settled {
						perSecond[int(at.Sub(began)/time.Second)]++
					}
				}
				for second, writes := range perSecond {
					if writes > 10 {
						t.Errorf("%d writes in second %d, want 10 at most", writes, second)
					}
				}
			})
		})
	}
}

func TestAllWritesShareOneQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newWriteQueue(minWriteInterval)
		agents, statuses := newWriteLimiter("ClusterAgent", 3, queue), newWriteLimiter("ClusterStatus", 1, queue)
		began := time.Now()
		last := map[string]time.Duration{}
		for i := range 100 {
			name := fmt.Sprint(i)
			last["a"+name], last["s"+name] = agents.wait(name, began), statuses.wait(name, began)
		}
		seen := map[time.Duration]bool{}
		for name, wait := range last {
			if wait%minWriteInterval != 0 || wait >= 200*minWriteInterval || seen[wait] {
				t.Errorf("%s waits %s: two write at one time, or one waits too long", name, wait)
			}
			seen[wait] = true
		}
		slot := last["s7"]
		if got := statuses.wait("7", began.Add(time.Second)); got != slot-time.Second {
			t.Errorf("asked again after a second, it waits %s, want %s: the slot is kept", got, slot-time.Second)
		}
		if got := statuses.wait("7", began.Add(slot)); got != 0 {
			t.Errorf("at its slot it waits %s, want 0", got)
		}
		statuses.cancel("8")
		if got := statuses.wait("8", began.Add(time.Second)); got != 200*minWriteInterval-time.Second {
			t.Errorf("after cancel it waits %s, want the last slot", got)
		}
	})
}

func TestIntervalGrowsWithReportingClusters(t *testing.T) {
	r := &reportingClusters{}
	for i := range 1000 {
		r.set(fmt.Sprint(i), true)
		r.set(fmt.Sprint(i), true)
		want := max(10*time.Second, time.Duration(i+1)*100*time.Millisecond)
		if got := r.interval(minWriteInterval); got != want {
			t.Fatalf("%d clusters: %s, want %s", i+1, got, want)
		}
	}
	for i := range 995 {
		r.set(fmt.Sprint(i), false)
	}
	if got := r.interval(minWriteInterval); got != 10*time.Second {
		t.Errorf("5 clusters are left: %s, want 10s", got)
	}
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
