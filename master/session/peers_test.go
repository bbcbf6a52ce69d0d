package session

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/cache/cachetest"
)

// testPeers are several masters that share a Store and the agents. The first owns all clusters at the beginning.
type testPeers struct {
	t       *testing.T
	store   *cachetest.Shared
	feeds   []*cachetest.SharedFeed
	masters []*testMaster

	mu      sync.Mutex
	owner   map[string]int // by cluster
	handed  []string
	cutWant bool
}

// peersOf implements Peers for one master.
type peersOf struct {
	all   *testPeers
	index int
}

func (p peersOf) Owns(cluster string) bool {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	return p.all.owner[cluster] == p.index
}

func (p peersOf) HandOver(cluster string) {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	p.all.handed = append(p.all.handed, cluster)
}

func (p peersOf) Want(cluster string, d time.Duration) {
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	if p.all.cutWant {
		return
	}
	for i, m := range p.all.masters {
		if i != p.index {
			go m.sessions.PeerWants(cluster, d)
		}
	}
}

// withPeers calls f with n running masters in virtual time. The options change the settings of a master before it starts.
func withPeers(t *testing.T, n int, f func(t *testing.T, p *testPeers), options ...func(i int, m *testMaster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &testPeers{t: t, store: cachetest.NewShared(), owner: map[string]int{}}
		agents := map[string]*fakeAgent{}
		for i := range n {
			m := newTestMaster(t, func(m *testMaster) {
				feed := p.store.Feed()
				p.feeds = append(p.feeds, feed)
				m.store, m.agents = feed, agents
				m.config.Peers, m.config.Holder = peersOf{p, i}, string(rune('a'+i))
				for _, f := range options {
					f(i, m)
				}
			})
			p.masters = append(p.masters, m)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for i := range p.masters {
			go p.sendStatuses(ctx, i)
		}
		defer func() {
			cancel()
			for _, m := range p.masters {
				m.close()
			}
		}()
		f(t, p)
	})
}

// addCluster registers a cluster at all masters.
func (p *testPeers) addCluster(name string, change ...func(*Cluster)) *fakeAgent {
	a := p.masters[0].addCluster(name, change...)
	for _, m := range p.masters[1:] {
		m.register(name, change...)
	}
	return a
}

// setOwner makes a master the owner of a cluster.
func (p *testPeers) setOwner(cluster string, index int) {
	p.mu.Lock()
	p.owner[cluster] = index
	p.mu.Unlock()
	for _, m := range p.masters {
		m.sessions.OwnershipChanged()
	}
	synctest.Wait()
}

// cutStore sets whether the Store is unavailable.
func (p *testPeers) cutStore(cut bool) {
	for _, f := range p.feeds {
		f.Cut(cut)
	}
}

// kill ends a master without a word to the others: its sessions and its Store end.
func (p *testPeers) kill(index int) { p.masters[index].stop() }

func TestEachMasterAnswersBySessionsOfTheOwner(t *testing.T) {
	withPeers(t, 3, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c")
		for i, m := range slices.Backward(p.masters) {
			start := time.Now()
			r := m.get("c")
			if took := time.Since(start); took > 0 {
				t.Errorf("master %d: the first answer took %s", i, took)
			}
			wantEqual(t, "seq", r.Seq, a.state().Seq)
		}
		wantEqual(t, "sessions", a.sessionCount(), 1)
		wantEqual(t, "holder of the session", p.masters[0].sessions.Status("c").Session.Holder, "a")
		for range 5 {
			a.change(2)
			p.masters[0].advance(time.Second)
			want := p.masters[0].get("c")
			for i, m := range p.masters {
				r := m.get("c")
				if r.Version() != want.Version() || !r.ExpiresAt.Equal(want.ExpiresAt) {
					t.Errorf("master %d has %s until %s, the owner %s until %s", i, r.Version(), r.ExpiresAt, want.Version(), want.ExpiresAt)
				}
				if status := m.sessions.Status("c"); status.Session.Phase != Reporting || status.Summary == nil || status.Reason != Succeeded {
					t.Errorf("master %d: got the status %+v", i, status)
				}
			}
		}
		wantEqual(t, "sessions", a.sessionCount(), 1)
	})
}

// TestDemandOfOtherMastersKeepsTheSession: a watch at a master that does not own the cluster lasts longer than the
// session, and the session ends some time after it.
func TestDemandOfOtherMastersKeepsTheSession(t *testing.T) {
	withPeers(t, 2, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c")
		owner, other := p.masters[0], p.masters[1]
		release := other.watch(t.Context(), "c")
		for range 60 {
			other.advance(time.Second)
			if current, _ := other.sessions.Current("c"); current.Report == nil || !current.Report.Fresh(time.Now()) {
				t.Fatal("the watcher has no fresh report")
			}
		}
		wantEqual(t, "dials of the other master", other.dials("c"), 0)
		release()
		owner.advance(wantTTL + 2*15*time.Second)
		owner.wantPhase("c", Idle)
		other.wantPhase("c", Idle)
		if _, open, _, _ := a.counts(); open != 0 {
			t.Errorf("got %d open sessions without demand", open)
		}
	})
}

func TestNextOwnerContinuesWithDemandAndBase(t *testing.T) {
	withPeers(t, 3, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c")
		release := p.masters[2].watch(t.Context(), "c")
		defer release()
		p.masters[2].advance(3 * time.Second)
		p.kill(0)
		p.masters[2].advance(2 * time.Second)
		before, _ := p.masters[2].sessions.Current("c")
		p.setOwner("c", 1)
		p.masters[2].advance(time.Second)
		after, _ := p.masters[2].sessions.Current("c")
		if !after.Report.Fresh(time.Now()) || after.Report.Version().Compare(before.Report.Version()) < 0 {
			t.Fatalf("got %s, fresh until %s, want one that follows %s", after.Report.Version(), after.Report.ExpiresAt, before.Report.Version())
		}
		wantEqual(t, "sessions", a.sessionCount(), 2)
		last := a.request(1)
		if last.Base == nil || last.Base.Seq != before.Report.Seq {
			t.Errorf("the next owner requested the base %+v, want seq %d", last.Base, before.Report.Seq)
		}
		wantEqual(t, "dials of the master that follows", p.masters[2].dials("c"), 0)
	})
}

// TestGuestDialsWhenTheOwnerDoesNotReport: readers wait two seconds for the owner at most.
func TestGuestDialsWhenTheOwnerDoesNotReport(t *testing.T) {
	withPeers(t, 2, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c")
		p.kill(0) // nobody notices
		other := p.masters[1]
		start := time.Now()
		other.get("c")
		wantEqual(t, "wait for the first answer", time.Since(start), guestDelay)
		_, err := p.store.Load(t.Context(), "c", time.Minute)
		if err == nil {
			t.Error("the guest has written to the Store")
		}
		other.advance(time.Second)
		if _, open, _, _ := a.counts(); open != 0 {
			t.Error("the guest's session lasts longer than its reader")
		}
		// A watch keeps it, until the owner is back.
		release := other.watch(t.Context(), "c")
		defer release()
		other.advance(10 * time.Second)
		if _, open, _, _ := a.counts(); open != 1 {
			t.Errorf("got %d sessions, want that of the guest", open)
		}
		p.setOwner("c", 1)
		other.advance(time.Second)
		if _, open, _, _ := a.counts(); open != 1 {
			t.Errorf("got %d sessions, want that of the new owner", open)
		}
		if _, err := p.store.Load(t.Context(), "c", time.Minute); err != nil {
			t.Errorf("the new owner does not write to the Store: %v", err)
		}
	})
}

func TestOwnerHandsOverWhatItCannotDial(t *testing.T) {
	withPeers(t, 2, func(t *testing.T, p *testPeers) {
		for i, m := range p.masters {
			m.register("gone")
			_ = i
		}
		release := p.masters[0].watch(t.Context(), "gone")
		defer release()
		p.masters[0].advance(10 * time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.handed) == 0 || p.handed[0] != "gone" {
			t.Errorf("got %q handed over, want the cluster", p.handed)
		}
	})
}

// TestOwnersGoOnWithoutTheStore: others dial for their readers only.
func TestOwnersGoOnWithoutTheStore(t *testing.T) {
	withPeers(t, 2, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c")
		owner, other := p.masters[0], p.masters[1]
		release := owner.watch(t.Context(), "c")
		defer release()
		owner.advance(3 * time.Second)
		p.cutStore(true)
		p.mu.Lock()
		p.cutWant = true
		p.mu.Unlock()
		a.change(1)
		owner.advance(5 * time.Second)
		wantEqual(t, "seq of the owner", owner.get("c").Seq, a.state().Seq)
		wantEqual(t, "dials of the other master", other.dials("c"), 0)
		wantEqual(t, "seq of the other master", other.get("c").Seq, a.state().Seq)
		p.cutStore(false)
		a.change(1)
		owner.advance(5 * time.Second)
		wantEqual(t, "seq of the other master", other.get("c").Seq, a.state().Seq)
		if _, open, _, _ := a.counts(); open != 1 {
			t.Errorf("got %d sessions, want that of the owner", open)
		}
	})
}

func TestOnlyTheOwnerRequestsSummaries(t *testing.T) {
	withPeers(t, 3, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c", func(c *Cluster) { c.IdleRefresh = time.Minute })
		p.masters[0].advance(10 * time.Minute)
		if _, _, summaries, _ := a.counts(); summaries < 10 || summaries > 11 {
			t.Errorf("got %d summaries in ten minutes, want one a minute and the first", summaries)
		}
	})
}

func TestOnlyTheOwnerFeedsSinks(t *testing.T) {
	var mu sync.Mutex
	calls := map[string]int{}
	record := func(what string) EventHandler {
		count := func() {
			mu.Lock()
			defer mu.Unlock()
			calls[what]++
		}
		return EventHandler{
			OwnedOnly: what[1:] == " sink",
			OnReport:  func(*Report, bool) { count() }, OnSessionEnd: func(string, time.Time) { count() },
		}
	}
	withPeers(t, 2, func(t *testing.T, p *testPeers) {
		p.addCluster("c")
		p.masters[1].get("c")
		p.masters[1].advance(10 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if n := calls["a sink"]; n < 3 || calls["b sink"] != 0 || calls["a history"] != n || calls["b history"] != n {
			t.Errorf("got the calls %v, want none for the sinks of b, and the same number for all others", maps.Collect(maps.All(calls)))
		}
	}, func(i int, m *testMaster) {
		m.config.EventHandlers = []EventHandler{record(string(rune('a'+i)) + " sink"), record(string(rune('a'+i)) + " history")}
	})
}

// TestMastersDoNotFightForAReport: reports of another master that are older than what this one has are ignored.
func TestOlderReportsOfOtherMastersAreIgnored(t *testing.T) {
	withPeers(t, 2, func(t *testing.T, p *testPeers) {
		a := p.addCluster("c")
		other := p.masters[1]
		old := other.get("c")
		a.change(3)
		other.advance(2 * time.Second)
		r := other.get("c")
		other.sessions.receiveFollowed(old)
		foreign := *r
		foreign.UID, foreign.Term = "another", r.Term+1
		other.edit("c", func(c *Cluster) { c.ExpectedUID = r.UID })
		other.sessions.receiveFollowed(&foreign)
		synctest.Wait()
		if got := other.get("c"); got.Version() != r.Version() || got.UID != r.UID {
			t.Errorf("got %s of %s, want %s", got.Version(), got.UID, r.Version())
		}
	})
}
