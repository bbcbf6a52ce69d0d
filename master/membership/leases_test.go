package membership

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLeaseNamesTheProcessAndItsPod(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		if all[0].cfg.PodUID != "" {
			t.Fatal("this test sets the pod itself")
		}
		l, _ := t.hub.lease("a")
		if *l.Spec.HolderIdentity != "a-1" || *l.Spec.LeaseDurationSeconds != 8 || l.Spec.AcquireTime == nil || len(l.OwnerReferences) != 0 {
			t.Errorf("got %+v", l)
		}
		first, _ := strconv.Atoi(l.ResourceVersion)
		t.after(20 * time.Second)
		l, _ = t.hub.lease("a")
		last, _ := strconv.Atoi(l.ResourceVersion)
		if got := last - first; got != 10 {
			t.Errorf("the Lease was renewed %d times in 20 s, want 10 times", got)
		}
	}, "a")
	k := leaseKeeper{config: &Config{Name: "a", Incarnation: "a-1", PodName: "a", PodUID: "uid"}}
	got := k.next(&coordinationv1.Lease{}).OwnerReferences
	if len(got) != 1 || got[0] != (metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: "a", UID: "uid"}) {
		t.Errorf("got the owners %v, want the pod", got)
	}
}

func TestMasterWhoseLeaseIsTakenOwnsNothing(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		second := t.start("a", "a-2")
		t.after(2 * interval)
		t.noneOwned(all[0])
		t.owners(second, all[1])
		if !strings.Contains(all[0].log.String(), "another process has taken the Lease") {
			t.Errorf("got the log %s", all[0].log)
		}
		t.after(time.Minute)
		t.noneOwned(all[0])
		t.owners(second, all[1])
	}, "a", "b")
}

func TestDeletedLeaseIsCreatedAgain(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		t.hub.change(func(leases map[string]coordinationv1.Lease) { clear(leases) })
		for range 10 {
			t.after(time.Second)
			if got := t.owners(all...); got != before {
				t.Fatal("owners changed")
			}
		}
		if t.hub.count() != 2 {
			t.Errorf("got %d Leases, want 2", t.hub.count())
		}
	}, "a", "b")
}

func TestLeaseChangedBySomeoneElseIsRenewed(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		t.hub.change(func(leases map[string]coordinationv1.Lease) {
			l := leases[LeasePrefix+"a"]
			l.ResourceVersion, l.Labels = "changed", nil
			leases[LeasePrefix+"a"] = l
		})
		t.after(interval)
		if got, _ := t.hub.lease("a"); got.ResourceVersion == "changed" || got.Labels[leaseLabel] == "" {
			t.Errorf("got %+v, want that it was renewed", got)
		}
		t.owners(all...)
	}, "a", "b")
}

func TestLeaseOfADeadMasterIsDeleted(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		all[1].kill() // which does not delete its Lease
		t.after(staleAfter - time.Minute)
		if t.hub.count() != 2 {
			t.Errorf("got %d Leases before 10 minutes, want 2", t.hub.count())
		}
		t.after(2 * time.Minute)
		if _, ok := t.hub.lease("b"); ok || t.hub.count() != 1 {
			t.Errorf("got %d Leases, want only the own one", t.hub.count())
		}
	}, "a", "b")
}

func TestForeignLeasesAreIgnored(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		foreign := map[string]coordinationv1.Lease{}
		for name, holder := range map[string]*string{
			"rollcall-master": new("x"), "other": new("x"), LeasePrefix + "none": nil, LeasePrefix + "empty": new(""),
			LeasePrefix + "long": new(strings.Repeat("x", maxIncarnationLen+1)),
		} {
			l := coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: holder}}
			l.Name, l.ResourceVersion = name, "1"
			foreign[name] = l
		}
		t.hub.change(func(leases map[string]coordinationv1.Lease) { maps.Copy(leases, foreign) })
		t.after(interval)
		if got := t.owners(all...); got != before {
			t.Error("owners changed")
		}
	}, "a", "b")
}

func TestLeaseErrorsAreLoggedOnce(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		all[0].hub.setCut(true)
		t.after(time.Minute)
		all[0].hub.setCut(false)
		t.after(time.Minute)
		log := all[0].log.String()
		if strings.Count(log, "cannot renew or list the Leases") != 1 || strings.Count(log, "can be renewed and listed again") != 1 {
			t.Errorf("got the log %s", log)
		}
	}, "a")
}
