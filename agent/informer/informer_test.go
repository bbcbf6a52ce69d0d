package informer

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
)

// addObjects adds a node, a pod, a Service and its slice.
func addObjects(c *fakeCluster) {
	c.nodes.set(testNode("n1"))
	c.pods.set(testPod("web-1", "n1"))
	c.services.set(testService())
	c.slices.set(testSlice())
}

var allSections = []state.SectionName{state.SectionNodes, state.SectionPods, state.SectionNetwork, state.SectionStorage}

// wantLive checks that sections are live without an error.
func wantLive(t *testing.T, c *fakeCluster, sections ...state.SectionName) {
	t.Helper()
	for _, name := range sections {
		if r, _ := c.recorder.lastStatus(name); !r.Live || r.Error != (state.SectionError{}) {
			t.Errorf("section %s: got %+v, want it live without an error", name, r)
		}
	}
}

// wantStale checks that a section has an error with the reason and was last observed at a time.
func wantStale(t *testing.T, c *fakeCluster, name state.SectionName, reason string, observed time.Time) state.SectionStatus {
	t.Helper()
	r, _ := c.recorder.lastStatus(name)
	if r.Live || r.Error.Reason != reason || !r.ObservedAt.Equal(observed) {
		t.Errorf("section %s: got %+v, want it observed at %v with reason %s", name, r, observed, reason)
	}
	return r
}

// wantCounts checks the number of facts by kind.
func wantCounts(t *testing.T, c *fakeCluster, want map[state.Kind]int) {
	t.Helper()
	for kind, n := range want {
		if got := c.recorder.count(kind); got != n {
			t.Errorf("got %d facts of kind %s, want %d", got, kind, n)
		}
	}
}

func TestFactsFollowWatchEvents(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		wantLive(t, c, allSections...)
		wantCounts(t, c, map[state.Kind]int{state.KindNode: 1, state.KindNodeLoad: 1, state.KindPod: 1, state.KindContainer: 1, state.KindPort: 1, state.KindTarget: 1})

		c.pods.set(testPod("web-2", "n1"))
		evicted := testPod("web-1", "n1")
		evicted.Status.Reason = "Evicted"
		c.pods.set(evicted)
		c.nodes.remove(testNode("n1"))
		c.services.remove(testService())
		advance(0)
		wantCounts(t, c, map[state.Kind]int{state.KindNode: 0, state.KindNodeLoad: 0, state.KindPod: 2, state.KindPort: 0, state.KindTarget: 0})
		if p := c.recorder.pod("default", "web-1"); p.Reason != "Evicted" {
			t.Errorf("pod web-1: got reason %q, want Evicted", p.Reason)
		}
	})
}

func TestSectionsArePendingUntilFirstList(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		for _, name := range allSections {
			first := c.recorder.statuses(name)[0]
			if first.Live || !first.ObservedAt.IsZero() || first.Error.Reason != state.ReasonPending {
				t.Errorf("section %s: got first status %+v, want Pending", name, first)
			}
			if _, n := c.recorder.lastStatus(name); n != 2 {
				t.Errorf("section %s: got %d statuses %+v, want Pending and live", name, n, c.recorder.statuses(name))
			}
		}
	})
}

func TestListsAreReadIfServerCannotStreamThem(t *testing.T) {
	runInformer(t, func(c *fakeCluster) {
		for _, r := range c.all() {
			r.noStreaming = true
		}
		addObjects(c)
	}, func(c *fakeCluster) {
		wantLive(t, c, allSections...)
		c.pods.set(testPod("web-2", "n1"))
		advance(0)
		wantCounts(t, c, map[state.Kind]int{state.KindNode: 1, state.KindPod: 2, state.KindPort: 1, state.KindTarget: 1})
	})
}

func TestNoListRequestsIfServerStreamsLists(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		advance(time.Hour)
		for _, r := range c.all() {
			if n := r.listCount(); n > 0 {
				t.Errorf("%s: got %d list requests, want 0", r.name, n)
			}
		}
	})
}

func TestRenewedWatchKeepsSectionsLive(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		for range 10 {
			advance(time.Minute)
			c.pods.closeWatches()
			advance(0)
			c.pods.set(testPod("web-2", "n1"))
		}
		advance(time.Minute)
		wantLive(t, c, allSections...)
		wantCounts(t, c, map[state.Kind]int{state.KindPod: 2})
		if r, n := c.recorder.lastStatus(state.SectionPods); n != 2 {
			t.Errorf("section pods: got %d statuses, the last %+v; want 2", n, r)
		}
	})
}

func TestSectionsAreStaleWhileServerIsUnreachable(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		advance(time.Minute)
		lostAt := time.Now()
		c.disconnect()
		advance(time.Second)
		for _, name := range allSections {
			r := wantStale(t, c, name, state.ReasonDisconnected, lostAt)
			if !strings.Contains(r.Error.Message, "connection refused") {
				t.Errorf("section %s: got message %q, want the cause", name, r.Error.Message)
			}
		}
		wantCounts(t, c, map[state.Kind]int{state.KindNode: 1, state.KindPod: 1, state.KindPort: 1})

		advance(time.Minute)
		if _, n := c.recorder.lastStatus(state.SectionPods); n != 3 {
			t.Errorf("section pods: got %d statuses %+v, want 3", n, c.recorder.statuses(state.SectionPods))
		}
		c.pods.set(testPod("web-2", "n1"))
		c.nodes.remove(testNode("n1"))
		c.reconnect()
		advance(6100 * time.Millisecond)
		wantLive(t, c, allSections...)
		wantCounts(t, c, map[state.Kind]int{state.KindNode: 0, state.KindPod: 2, state.KindPort: 1})
	})
}

func TestSectionIsStaleIfOneWatchIsLost(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		lostAt := time.Now()
		c.slices.setError(forbiddenError("endpointslices"))
		c.slices.closeWatches()
		advance(time.Second)
		c.services.setError(forbiddenError("services"))
		c.services.closeWatches()
		advance(time.Second)
		wantStale(t, c, state.SectionNetwork, state.ReasonForbidden, lostAt)
		wantLive(t, c, state.SectionNodes, state.SectionPods, state.SectionStorage)
		wantCounts(t, c, map[state.Kind]int{state.KindPort: 1, state.KindTarget: 1})
	})
}

func TestForbiddenClaimsAffectOnlyStorage(t *testing.T) {
	runInformer(t, func(c *fakeCluster) {
		addObjects(c)
		c.claims.set(&corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"},
			Status:     corev1.PersistentVolumeClaimStatus{Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		})
		c.claims.setError(forbiddenError("persistentvolumeclaims"))
	}, func(c *fakeCluster) {
		wantLive(t, c, state.SectionNodes, state.SectionPods, state.SectionNetwork)
		r := wantStale(t, c, state.SectionStorage, state.ReasonForbidden, time.Time{})
		for _, text := range []string{"persistentvolumeclaims", "list and watch", `User "agent"`} {
			if !strings.Contains(r.Error.Message, text) {
				t.Errorf("got message %q, want it to contain %q", r.Error.Message, text)
			}
		}

		advance(10 * time.Minute)
		if n := c.claims.listCount(); n > 40 {
			t.Errorf("got %d list requests of a forbidden resource in 10 min, want at most 40", n)
		}
		c.claims.setError(nil)
		advance(forbiddenWaitMax + 6*time.Second)
		wantLive(t, c, state.SectionStorage)
		if v := c.recorder.pod("default", "web-1").Storage[0]; v.CapacityBytes != 1<<30 {
			t.Errorf("got claim %+v, want its capacity after the permission was granted", v)
		}
	})
}

func TestPortsWaitForTargets(t *testing.T) {
	runInformer(t, func(c *fakeCluster) {
		addObjects(c)
		c.slices.setError(forbiddenError("endpointslices"))
	}, func(c *fakeCluster) {
		advance(time.Minute)
		wantStale(t, c, state.SectionNetwork, state.ReasonForbidden, time.Time{})
		wantCounts(t, c, map[state.Kind]int{state.KindPod: 1, state.KindPort: 0})
		c.slices.setError(nil)
		advance(forbiddenWaitMax + 6*time.Second)
		wantLive(t, c, state.SectionNetwork)
		wantCounts(t, c, map[state.Kind]int{state.KindPort: 1, state.KindTarget: 1})
	})
}

func TestDroppedWatchesDoNotMakeSectionLive(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		c.disconnect()
		advance(5 * time.Second)
		c.pods.withLock(func() { c.pods.dropWatches = true })
		c.reconnect()
		for range 200 {
			advance(300 * time.Millisecond)
			if r, _ := c.recorder.lastStatus(state.SectionPods); r.Live {
				t.Fatalf("section pods is live while every watch is dropped: %+v", c.recorder.statuses(state.SectionPods))
			}
		}
		wantLive(t, c, state.SectionNodes)
		c.pods.withLock(func() { c.pods.dropWatches = false })
		advance(7 * time.Second)
		wantLive(t, c, allSections...)
	})
}

func TestExpiredResourceVersionCausesNewList(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		c.disconnect()
		advance(time.Minute)
		c.pods.set(testPod("web-2", "n1"))
		c.pods.remove(testPod("web-1", "n1"))
		c.pods.withLock(func() { c.pods.expired, c.pods.history = true, nil })
		c.reconnect()
		advance(10 * time.Second)
		wantLive(t, c, allSections...)
		wantCounts(t, c, map[state.Kind]int{state.KindPod: 1})
		if c.recorder.pod("default", "web-2") == nil {
			t.Error("pod web-2 is missing")
		}
	})
}

func TestStalledWatchIsStaleAfterReconnectGrace(t *testing.T) {
	runInformer(t, addObjects, func(c *fakeCluster) {
		advance(time.Minute)
		lostAt := time.Now()
		resume := c.pods.stall()
		c.pods.closeWatches()
		advance(reconnectGrace - time.Millisecond)
		wantLive(t, c, state.SectionPods)
		advance(time.Millisecond)
		wantStale(t, c, state.SectionPods, state.ReasonDisconnected, lostAt)
		wantLive(t, c, state.SectionNodes)

		resume()
		advance(stableTime - time.Millisecond)
		wantStale(t, c, state.SectionPods, state.ReasonDisconnected, lostAt)
		advance(time.Millisecond)
		wantLive(t, c, state.SectionPods)
	})
}
