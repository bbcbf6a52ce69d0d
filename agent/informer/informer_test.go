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

func someObjects(c *fakeCluster) {
	c.nodes.put(testNode("n1"))
	c.pods.put(testPod("web-1", "n1"))
	c.services.put(testService())
	c.slices.put(testSlice())
}

var allSections = []state.SectionName{state.SectionNodes, state.SectionPods, state.SectionNetwork, state.SectionStorage}

func wantLive(t *testing.T, c *fakeCluster, sections ...state.SectionName) {
	t.Helper()
	for _, name := range sections {
		if r, _ := c.seen.last(name); !r.Live || r.Error != (state.SectionError{}) {
			t.Errorf("section %s: %+v, want it live without an error", name, r)
		}
	}
}

func wantStale(t *testing.T, c *fakeCluster, name state.SectionName, reason string, observed time.Time) state.SectionStatus {
	t.Helper()
	r, _ := c.seen.last(name)
	if r.Live || r.Error.Reason != reason || !r.ObservedAt.Equal(observed) {
		t.Errorf("section %s: %+v, want it stale since %v for %s", name, r, observed, reason)
	}
	return r
}

func wantFacts(t *testing.T, c *fakeCluster, want map[state.Kind]int) {
	t.Helper()
	for kind, n := range want {
		if got := c.seen.count(kind); got != n {
			t.Errorf("%d facts of kind %s, want %d", got, kind, n)
		}
	}
}

func TestFactsFollowTheWatches(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		wantLive(t, c, allSections...)
		wantFacts(t, c, map[state.Kind]int{state.KindNode: 1, state.KindNodeLoad: 1, state.KindPod: 1, state.KindContainer: 1, state.KindPort: 1, state.KindTarget: 1})

		c.pods.put(testPod("web-2", "n1"))
		moved := testPod("web-1", "n1")
		moved.Status.Reason = "Evicted"
		c.pods.put(moved)
		c.nodes.remove(testNode("n1"))
		c.services.remove(testService())
		after(0)
		wantFacts(t, c, map[state.Kind]int{state.KindNode: 0, state.KindNodeLoad: 0, state.KindPod: 2, state.KindPort: 0, state.KindTarget: 0})
		if p := c.seen.pod("default", "web-1"); p.Reason != "Evicted" {
			t.Errorf("pod web-1 has reason %q, want Evicted", p.Reason)
		}
	})
}

func TestSectionsArePendingUntilTheirFirstList(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		for _, name := range allSections {
			first := c.seen.all(name)[0]
			if first.Live || !first.ObservedAt.IsZero() || first.Error.Reason != ReasonPending {
				t.Errorf("section %s starts with %+v, want it pending", name, first)
			}
			if _, n := c.seen.last(name); n != 2 {
				t.Errorf("section %s has %d reports %+v, want pending and live", name, n, c.seen.all(name))
			}
		}
	})
}

func TestServerWithoutStreamedListsIsListed(t *testing.T) {
	watched(t, func(c *fakeCluster) {
		for _, r := range c.all() {
			r.noLists = true
		}
		someObjects(c)
	}, func(c *fakeCluster) {
		wantLive(t, c, allSections...)
		c.pods.put(testPod("web-2", "n1"))
		after(0)
		wantFacts(t, c, map[state.Kind]int{state.KindNode: 1, state.KindPod: 2, state.KindPort: 1, state.KindTarget: 1})
	})
}

func TestServerThatStreamsListsIsNotListed(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		after(time.Hour)
		for _, r := range c.all() {
			if n := r.asked(); n > 0 {
				t.Errorf("%s were listed %d times, want watches only", r.name, n)
			}
		}
	})
}

func TestWatchThatIsRenewedChangesNothing(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		for range 10 {
			after(time.Minute)
			c.pods.closeWatches()
			after(0)
			c.pods.put(testPod("web-2", "n1"))
		}
		after(time.Minute)
		wantLive(t, c, allSections...)
		wantFacts(t, c, map[state.Kind]int{state.KindPod: 2})
		if r, n := c.seen.last(state.SectionPods); n != 2 {
			t.Errorf("section pods has %d reports, the last %+v, want 2", n, r)
		}
	})
}

func TestLostServerMakesSectionsStaleUntilItIsBack(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		after(time.Minute)
		lost := time.Now()
		c.goAway()
		after(time.Second)
		for _, name := range allSections {
			r := wantStale(t, c, name, ReasonDisconnected, lost)
			if !strings.Contains(r.Error.Message, "connection refused") {
				t.Errorf("section %s says %q, want what is the matter", name, r.Error.Message)
			}
		}
		wantFacts(t, c, map[state.Kind]int{state.KindNode: 1, state.KindPod: 1, state.KindPort: 1})

		after(time.Minute)
		if _, n := c.seen.last(state.SectionPods); n != 3 {
			t.Errorf("section pods has %d reports %+v, want one of the loss", n, c.seen.all(state.SectionPods))
		}
		c.pods.put(testPod("web-2", "n1"))
		c.nodes.remove(testNode("n1"))
		c.comeBack()
		after(6100 * time.Millisecond)
		wantLive(t, c, allSections...)
		wantFacts(t, c, map[state.Kind]int{state.KindNode: 0, state.KindPod: 2, state.KindPort: 1})
	})
}

func TestOneLostWatchOfASectionMakesItStale(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		lost := time.Now()
		c.slices.answer(refusal("endpointslices"))
		c.slices.closeWatches()
		after(time.Second)
		c.services.answer(refusal("services"))
		c.services.closeWatches()
		after(time.Second)
		wantStale(t, c, state.SectionNetwork, ReasonForbidden, lost)
		wantLive(t, c, state.SectionNodes, state.SectionPods, state.SectionStorage)
		wantFacts(t, c, map[state.Kind]int{state.KindPort: 1, state.KindTarget: 1})
	})
}

func TestForbiddenClaimsBlockNothing(t *testing.T) {
	watched(t, func(c *fakeCluster) {
		someObjects(c)
		c.claims.put(&corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data"},
			Status:     corev1.PersistentVolumeClaimStatus{Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		})
		c.claims.answer(refusal("persistentvolumeclaims"))
	}, func(c *fakeCluster) {
		wantLive(t, c, state.SectionNodes, state.SectionPods, state.SectionNetwork)
		r := wantStale(t, c, state.SectionStorage, ReasonForbidden, time.Time{})
		for _, words := range []string{"persistentvolumeclaims", "list and watch", `User "agent"`} {
			if !strings.Contains(r.Error.Message, words) {
				t.Errorf("the section says %q, which lacks %q", r.Error.Message, words)
			}
		}

		after(10 * time.Minute)
		if n := c.claims.asked(); n > 40 {
			t.Errorf("asked %d times in 10 min for what is forbidden", n)
		}
		c.claims.answer(nil)
		after(refusalMax + 6*time.Second)
		wantLive(t, c, state.SectionStorage)
		if v := c.seen.pod("default", "web-1").Storage[0]; v.CapacityBytes != 1<<30 {
			t.Errorf("claim %+v, want its capacity once it may be read", v)
		}
	})
}

func TestPortsAreReportedWithTheirTargetsOnly(t *testing.T) {
	watched(t, func(c *fakeCluster) {
		someObjects(c)
		c.slices.answer(refusal("endpointslices"))
	}, func(c *fakeCluster) {
		after(time.Minute)
		wantStale(t, c, state.SectionNetwork, ReasonForbidden, time.Time{})
		wantFacts(t, c, map[state.Kind]int{state.KindPod: 1, state.KindPort: 0})
		c.slices.answer(nil)
		after(refusalMax + 6*time.Second)
		wantLive(t, c, state.SectionNetwork)
		wantFacts(t, c, map[state.Kind]int{state.KindPort: 1, state.KindTarget: 1})
	})
}

func TestProxyThatDropsWatchesIsNotCountedAsServer(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		c.goAway()
		after(5 * time.Second)
		c.pods.with(func() { c.pods.drops = true })
		c.comeBack()
		for range 200 {
			after(300 * time.Millisecond)
			if r, _ := c.seen.last(state.SectionPods); r.Live {
				t.Fatalf("section pods is live while every watch is dropped: %+v", c.seen.all(state.SectionPods))
			}
		}
		wantLive(t, c, state.SectionNodes)
		c.pods.with(func() { c.pods.drops = false })
		after(7 * time.Second)
		wantLive(t, c, allSections...)
	})
}

func TestExpiredResourceVersionIsListedAgain(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		c.goAway()
		after(time.Minute)
		c.pods.put(testPod("web-2", "n1"))
		c.pods.remove(testPod("web-1", "n1"))
		c.pods.with(func() { c.pods.expired, c.pods.history = true, nil })
		c.comeBack()
		after(10 * time.Second)
		wantLive(t, c, allSections...)
		wantFacts(t, c, map[state.Kind]int{state.KindPod: 1})
		if c.seen.pod("default", "web-2") == nil {
			t.Error("pod web-2 is not known")
		}
	})
}

func TestUnansweredWatchIsStaleAfterReconnectGrace(t *testing.T) {
	watched(t, someObjects, func(c *fakeCluster) {
		after(time.Minute)
		lost := time.Now()
		answer := c.pods.stall()
		c.pods.closeWatches()
		after(reconnectGrace - time.Millisecond)
		wantLive(t, c, state.SectionPods)
		after(time.Millisecond)
		wantStale(t, c, state.SectionPods, ReasonDisconnected, lost)
		wantLive(t, c, state.SectionNodes)

		answer()
		after(stableTime - time.Millisecond)
		wantStale(t, c, state.SectionPods, ReasonDisconnected, lost)
		after(time.Millisecond)
		wantLive(t, c, state.SectionPods)
	})
}
