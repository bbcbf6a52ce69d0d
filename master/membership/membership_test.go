package membership

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/membership/membershiptest"
)

func TestEachClusterHasOneOwner(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		var shares [3]int
		for _, owner := range t.owners(all...) {
			shares[owner]++
		}
		if slices.Min(shares[:]) < clusters/5 {
			t.Errorf("got the shares %v of %d clusters, want similar ones", shares, clusters)
		}
		if got := all[0].Alive(); !slices.Equal(got, []Member{{"a", "a-1"}, {"b", "b-1"}, {"c", "c-1"}}) {
			t.Errorf("got %v alive", got)
		}
	}, "a", "b", "c")
}

func TestOnlyTheShareOfADeadMasterMoves(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		all[2].kill()
		t.after(5 * time.Second)
		for c, owner := range before {
			if got := all[0].Owner(cluster(c)); got != (Member{all[owner].cfg.Name, all[owner].cfg.Incarnation}) {
				t.Errorf("%s moved to %v within 5 s after a master died", cluster(c), got)
			}
		}
		t.after(4 * time.Second)
		after := t.owners(all[0], all[1])
		for c, owner := range before {
			if owner != 2 && after[c] != owner {
				t.Errorf("%s moved from master %d to %d, want only clusters of the dead one to move", cluster(c), owner, after[c])
			}
		}
		t.noneOwned(all[2])
	}, "a", "b", "c")
}

func TestDrainMovesClustersAtOnce(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		if err := all[1].Drain(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		t.noneOwned(all[1])
		t.owners(all[0], all[2])
		if _, ok := t.hub.lease("b"); ok {
			t.Error("the Lease of the draining master still exists")
		}
		t.after(time.Minute)
		t.noneOwned(all[1])
		if _, ok := t.hub.lease("b"); ok {
			t.Error("the draining master created its Lease again")
		}
	}, "a", "b", "c")
}

func TestDrainWithoutRedisMovesClusters(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		for _, m := range all {
			m.channel.Cut(true)
		}
		t.after(ttl)
		before := t.owners(all...)
		if err := all[1].Drain(t.Context()); err == nil {
			t.Error("got no error of a heartbeat that was not sent")
		}
		t.after(interval)
		t.noneOwned(all[1])
		for c, owner := range t.owners(all[0], all[2]) {
			if before[c] == 0 && owner != 0 || before[c] == 2 && owner != 1 {
				t.Errorf("%s moved, want only the clusters of the draining master to move", cluster(c))
			}
		}
	}, "a", "b", "c")
}

func TestNewIncarnationReplacesTheOldOneAtOnce(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		all[1].kill()
		again := t.start("b", "b-2")
		t.after(4 * beatDelay)
		if got := t.owners(all[0], again, all[2]); got != before {
			t.Error("clusters moved to another name, want all at the new incarnation")
		}
		// A late message of the old one changes nothing.
		t.network.Publish(membershiptest.Message{Sender: "b-1", Kind: kindHeartbeat, Payload: heartbeat{Name: "b", Known: []string{"a-1", "c-1"}}.encode()})
		synctest.Wait()
		if got := t.owners(all[0], again, all[2]); got != before {
			t.Error("the old incarnation came back")
		}
	}, "a", "b", "c")
}

func TestOnlyOwnClocksAreCompared(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		for i, m := range all {
			m.hub.ahead = time.Duration(i-1) * time.Hour
		}
		before := t.owners(all...)
		for _, m := range all { // so that only the Leases are seen
			m.channel.Cut(true)
		}
		t.after(10 * time.Minute)
		if got := t.owners(all...); got != before {
			t.Error("owners changed although all masters renew their Leases")
		}
		all[2].kill()
		t.after(ttl + 2*interval)
		t.owners(all[0], all[1])
	}, "a", "b", "c")
}

func TestOneWayToSeeEachOtherIsEnough(t *testing.T) {
	for name, cut := range map[string]func(*testMaster, bool){
		"hub away":   func(m *testMaster, cut bool) { m.hub.setCut(cut) },
		"redis away": func(m *testMaster, cut bool) { m.channel.Cut(cut) },
	} {
		for affected := 1; affected <= 3; affected += 2 {
			t.Run(name, func(t *testing.T) {
				run(t, func(t *masters, all []*testMaster) {
					before, changes := t.owners(all...), all[0].changes()
					for _, m := range all[:affected] {
						cut(m, true)
					}
					for range 10 {
						t.after(30 * time.Second)
						if got := t.owners(all...); got != before {
							t.Fatal("owners changed")
						}
						if all[0].Frozen() {
							t.Fatal("the view is frozen")
						}
					}
					for _, m := range all[:affected] {
						cut(m, false)
					}
					t.after(time.Minute)
					if got := t.owners(all...); got != before || all[0].changes() != changes {
						t.Errorf("owners changed; OnChange was called %d times", all[0].changes()-changes)
					}
				}, "a", "b", "c")
			})
		}
	}
}

func TestMasterThatSeesNobodyKeepsItsView(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		for _, m := range all {
			m.hub.setCut(true)
			m.channel.Cut(true)
		}
		for range 20 {
			t.after(15 * time.Second)
			if got := t.owners(all...); got != before {
				t.Fatal("owners changed")
			}
		}
		for _, m := range all {
			if !m.Frozen() || !strings.Contains(m.log.String(), "keeps its last view") {
				t.Errorf("%s: frozen: %v, log: %s", m.cfg.Name, m.Frozen(), m.log)
			}
		}
		all[0].channel.Cut(false)
		all[1].hub.setCut(false)
		for _, m := range all[1:] {
			t.after(700 * time.Millisecond)
			m.channel.Cut(false)
		}
		for range 20 {
			t.after(500 * time.Millisecond)
			if got := t.owners(all...); got != before {
				t.Fatal("owners changed when the network was restored")
			}
		}
		if all[0].Frozen() {
			t.Error("the view is still frozen")
		}
	}, "a", "b", "c")
}

func TestMasterCutFromAllOthersLosesItsClusters(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		before := t.owners(all...)
		all[0].hub.setCut(true)
		all[0].channel.Cut(true)
		t.after(ttl + time.Second)
		t.owners(all[1], all[2])
		if !all[0].Frozen() {
			t.Error("the view of the master that sees nobody is not frozen")
		}
		all[0].channel.Cut(false)
		synctest.Wait()
		t.after(interval)
		if got := t.owners(all...); got != before {
			t.Error("clusters did not return")
		}
	}, "a", "b", "c")
}

func TestNewMasterOwnsNothingUntilItHasSeenTheOthers(t *testing.T) {
	for _, tc := range []struct {
		name         string
		hub, channel bool // that it reaches
		owns         time.Duration
	}{
		{"hub and redis", true, true, 0},
		{"hub", true, false, 0},
		{"redis", false, true, settleTime},
		{"neither", false, false, time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, func(t *masters, _ []*testMaster) {
				t.cut = !tc.hub
				m := t.start("b", "b-1")
				m.channel.Cut(!tc.channel)
				start := time.Now()
				for owned := false; !owned && time.Since(start) < time.Minute; owned = m.owns("b") {
					t.after(100 * time.Millisecond)
				}
				if got := time.Since(start).Truncate(time.Second); got != min(tc.owns, time.Minute) {
					t.Errorf("owns clusters after %s, want %s", got, tc.owns)
				}
			}, "a")
		})
	}
}

// owns reports whether m is one of the masters that may own clusters.
func (m *testMaster) owns(name string) bool {
	return slices.ContainsFunc(m.Alive(), func(a Member) bool { return a.Name == name })
}

func TestWantsReachTheOthers(t *testing.T) {
	run(t, func(t *masters, all []*testMaster) {
		got := map[string]time.Duration{}
		all[1].cfg.OnWant = func(cluster string, d time.Duration) { got[cluster] = d }
		for i := range 500 {
			all[0].Want(cluster(i), time.Minute)
		}
		all[0].Want("forever", 1000*time.Hour)
		t.after(time.Second)
		if len(got) != 501 || got["cluster-1"] != time.Minute || got["forever"] != maxWant {
			t.Errorf("got %d wants, cluster-1 for %s, forever for %s", len(got), got["cluster-1"], got["forever"])
		}
	}, "a", "b")
}
