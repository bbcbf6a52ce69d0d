package session

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

// fakePeers says whether this master owns all clusters.
type fakePeers struct {
	owner atomic.Bool
}

func (p *fakePeers) Owns(string) bool { return p.owner.Load() }

func (*fakePeers) HandOver(string) {}

func (*fakePeers) Want(string, time.Duration) {}

// grantTerms makes an agent grant terms as real ones do.
func grantTerms(a *fakeAgent) {
	var last uint64
	a.setHandler(func(c *agentConn) {
		req := c.handshake()
		if req == nil {
			return
		}
		c.useBase(req)
		a.update(func() {
			if req.Owner || last == 0 {
				last = max(last+1, req.Term)
			}
		})
		g := &wire.SubscribeResponse{Session: req.Session, Period: req.Period, Duration: req.Duration, Identity: c.identity(), Term: last}
		c.send(g)
		c.serveSession(g)
	})
}

func TestSupersededSessionIsNoFailure(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		a.setHandler(func(c *agentConn) {
			g := c.grantTo(c.handshake())
			c.flush()
			<-time.After(g.Period / 2)
			c.end(wire.EndSuperseded, "another master owns the cluster now")
		})
		release := m.watch(t.Context(), "a")
		defer release()
		r := m.get("a")
		m.advance(time.Second)
		status := m.sessions.Status("a")
		wantEqual(t, "phase", status.Session.Phase, Idle)
		wantEqual(t, "last end reason", status.LastEndReason, endSuperseded)
		wantEqual(t, "ready", status.Ready, state.True)
		if again := m.get("a"); again != r {
			t.Errorf("got %v, want the last report as long as it is fresh", again)
		}
		a.setHandler(nil)
		m.advance(2 * time.Second)
		m.wantPhase("a", Reporting)
		wantEqual(t, "delay", a.requestedAt(1).Sub(a.requestedAt(0)), 2250*time.Millisecond)
		if r := m.get("a"); r.Term != a.request(1).Term || r.Term <= a.request(0).Term {
			t.Errorf("got term %d, want the requested %d, above the one before", r.Term, a.request(1).Term)
		}
		wantEqual(t, "log", m.logs.String(), "")
	})
}

// TestSupersededMastersWaitLonger has an agent that ends each session as superseded at once.
func TestSupersededMastersWaitLonger(t *testing.T) {
	peers := &fakePeers{}
	peers.owner.Store(true)
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			c.end(wire.EndSuperseded, "")
		})
		release := m.watch(t.Context(), "a")
		defer release()
		m.advance(10 * time.Minute)
		n := a.sessionCount()
		if n < 12 || n > 18 {
			t.Errorf("got %d sessions in 10 min, want 12 to 18", n)
		}
		for i := range n - 1 {
			want := min(2*time.Second<<i, time.Minute)
			if d := a.requestedAt(i + 1).Sub(a.requestedAt(i)); d < want*3/4 || d > want+time.Second {
				t.Errorf("attempt %d came after %s, want about %s", i+1, d, want)
			}
		}
		peers.owner.Store(false)
		m.sessions.OwnershipChanged()
		m.advance(guestDelay + 100*time.Millisecond)
		if a.sessionCount() == n || a.request(n).Owner {
			t.Error("the guest waited as an owner, or requested the session as one")
		}
	}, func(m *testMaster) { m.config.Peers = peers })
}

// TestOwnerStepsDownIfTheStoreHasAHigherTerm has another master take the cluster in the Store, while the agent, which grants
// no terms, keeps reporting.
func TestOwnerStepsDownIfTheStoreHasAHigherTerm(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		release := m.watch(t.Context(), "a")
		defer release()
		before := m.get("a")
		if err := m.store.TakeTerm(t.Context(), "a", before.Term+1); err != nil {
			t.Fatal(err)
		}
		a.change(1)
		m.advance(1500 * time.Millisecond)
		wantEqual(t, "last end reason", m.sessions.Status("a").LastEndReason, endSuperseded)
		if r, _ := m.sessions.LastReport("a"); r.Version() != before.Version() {
			t.Errorf("got %s, want the report before, %s", r.Version(), before.Version())
		}
		stored, err := m.store.Load(t.Context(), "a", time.Hour)
		if err != nil || stored.Version() != before.Version() {
			t.Errorf("the store has %v, %v, want %s", stored, err, before.Version())
		}
		m.advance(3 * time.Second)
		if r := m.get("a"); r.Term <= before.Term+1 {
			t.Errorf("got term %d, want one above %d", r.Term, before.Term+1)
		}
	})
}

// TestOwnerWithoutTheTermInTheStoreEnds has another master take the cluster during the handshake.
func TestOwnerWithoutTheTermInTheStoreEnds(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		first := true
		a.setHandler(func(c *agentConn) {
			req := c.handshake()
			if first {
				first = false
				if err := m.store.TakeTerm(t.Context(), "a", req.Term); err != nil {
					t.Error(err)
				}
			}
			c.serveSession(c.grantTo(req))
		})
		release := m.watch(t.Context(), "a")
		defer release()
		m.advance(time.Second)
		status := m.sessions.Status("a")
		wantEqual(t, "last end reason", status.LastEndReason, endSuperseded)
		wantEqual(t, "phase", status.Session.Phase, Idle)
		m.advance(2 * time.Second)
		if r := m.get("a"); r.Term != a.request(0).Term+1 && r.Term != a.request(1).Term {
			t.Errorf("got term %d after %d", r.Term, a.request(0).Term)
		}
		if stops := a.stops(); len(stops) != 1 || stops[0] != stopMessages[endSuperseded] {
			t.Errorf("the agent got the Stops %q, want one", stops)
		}
	})
}

func TestGuestWritesNothingToTheStore(t *testing.T) {
	peers := &fakePeers{}
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		grantTerms(a)
		r := m.get("a")
		m.advance(2 * time.Second)
		if a.request(0).Owner || r.Term != a.request(0).Term {
			t.Errorf("got term %d for the request %+v, want that of a guest before all owners", r.Term, a.request(0))
		}
		if _, err := m.store.Load(t.Context(), "a", time.Hour); !errors.Is(err, cache.ErrMiss) {
			t.Errorf("the store has a report: %v", err)
		}
		if last, err := m.store.LastTerm(t.Context(), "a"); last != 0 || err != nil {
			t.Errorf("the store has the term %d, %v", last, err)
		}
	}, func(m *testMaster) { m.config.Peers = peers })
}

// TestOwnerGoesOnWhileTheStoreIsAway has a Store that fails for some minutes, and then is empty.
func TestOwnerGoesOnWhileTheStoreIsAway(t *testing.T) {
	var store *recordingStore
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		grantTerms(a)
		release := m.watch(t.Context(), "a")
		defer release()
		last := m.get("a").Version()
		for i := range 200 {
			switch i {
			case 10:
				store.update(func() { store.err = cache.ErrUnavailable })
			case 180:
				store.update(func() { store.Store, store.err = cache.NewMemory(), nil })
			}
			a.change(1)
			m.advance(time.Second)
			r := m.get("a")
			if r.Version().Compare(last) <= 0 {
				t.Fatalf("after %d s: got %s after %s", i, r.Version(), last)
			}
			last = r.Version()
		}
		stored, err := store.Store.Load(t.Context(), "a", time.Hour)
		if err != nil || stored.Version() != last {
			t.Errorf("the store has %v, %v, want %s", stored, err, last)
		}
	}, func(m *testMaster) { store = withRecordingStore(m) })
}

func TestAgentWithoutTermsIsOrderedByTheStore(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.update(func() { a.hello.ProtocolMin, a.hello.ProtocolMax = wire.ProtocolMin, wire.ProtocolTerms-1 })
		before := m.get("a")
		if r := a.request(0); r.Owner || r.Term != 0 || r.Protocol != wire.ProtocolTerms-1 {
			t.Errorf("got the request %+v, want one without owner and term", r)
		}
		last, err := m.store.LastTerm(t.Context(), "a")
		if err != nil || last != before.Term || last == 0 {
			t.Errorf("the store has the term %d, %v; the report %d", last, err, before.Term)
		}
		m.restart()
		m.advance(20 * time.Second)
		if after := m.get("a"); after.Term <= before.Term {
			t.Errorf("after a restart: got term %d after %d", after.Term, before.Term)
		}
	})
}
