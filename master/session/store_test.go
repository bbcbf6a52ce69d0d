package session

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/reportstore"

	"rollcall.dev/rollcall/master/cache"
)

// recordingStore records calls, and can be slow or fail.
type recordingStore struct {
	cache.Store
	mu        sync.Mutex
	saves     []time.Time
	active    int // saves in progress
	maxActive int
	loads     int
	delay     time.Duration
	err       error
}

func (w *recordingStore) Save(ctx context.Context, r *Report) error {
	w.mu.Lock()
	w.saves = append(w.saves, time.Now())
	w.active++
	w.maxActive = max(w.maxActive, w.active)
	delay, broken := w.delay, w.err
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.active--
		w.mu.Unlock()
	}()
	if err := sleep(ctx, delay); err != nil {
		return err
	}
	if broken != nil {
		return broken
	}
	return w.Store.Save(ctx, r)
}

func (w *recordingStore) Load(ctx context.Context, cluster string, ttl time.Duration) (*Report, error) {
	w.mu.Lock()
	w.loads++
	delay, broken := w.delay, w.err
	w.mu.Unlock()
	if err := sleep(ctx, delay); err != nil {
		return nil, err
	}
	if broken != nil {
		return nil, broken
	}
	return w.Store.Load(ctx, cluster, ttl)
}

func (w *recordingStore) LastTerm(ctx context.Context, cluster string) (uint64, error) {
	w.mu.Lock()
	broken := w.err
	w.mu.Unlock()
	if broken != nil {
		return 0, broken
	}
	return w.Store.LastTerm(ctx, cluster)
}

func (w *recordingStore) TakeTerm(ctx context.Context, cluster string, term uint64) error {
	w.mu.Lock()
	broken := w.err
	w.mu.Unlock()
	if broken != nil {
		return broken
	}
	return w.Store.TakeTerm(ctx, cluster, term)
}

func (w *recordingStore) update(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func withRecordingStore(m *testMaster) *recordingStore {
	w := &recordingStore{Store: m.store}
	m.store = w
	return w
}

func TestRestartedMasterServesFromTheStoreAndResumes(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		m.get("a")
		m.advance(2 * time.Second)
		before := m.get("a")
		hang := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			<-hang
			c.serve()
		})
		m.restart()
		start := time.Now()
		r := m.get("a")
		wantEqual(t, "waited", time.Since(start), 0)
		wantEqual(t, "version", r.Version(), before.Version())
		wantEqual(t, "received", r.ReceivedAt, before.ReceivedAt)
		wantEqual(t, "expires", r.ExpiresAt, before.ExpiresAt)
		wantEqual(t, "uid", r.UID, before.UID)
		wantEqual(t, "session", r.Session.ID, before.Session.ID)
		wantEqual(t, "phase", r.Session.Phase, Idle)
		wantEqual(t, "nodes", r.Summary.Nodes.Total, before.Summary.Nodes.Total)
		close(hang)
		m.advance(time.Second)
		after := m.get("a")
		if b := a.request(1).Base; b == nil || b.Seq != before.Seq {
			t.Errorf("the new session's base is %+v, want the stored report", b)
		}
		if after.Term <= before.Term {
			t.Errorf("got term %d after %d, want a higher one", after.Term, before.Term)
		}
	})
}

func TestRestartedMasterResumesFromAnExpiredReport(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		m.get("a")
		m.advance(2 * time.Second)
		before := m.get("a")
		m.stop()
		a.change(1)
		m.advance(20 * time.Second)
		m.config.Metrics = nil
		m.start()
		after := m.get("a")
		if b := a.request(1).Base; b == nil || b.Seq != before.Seq {
			t.Errorf("the new session's base is %+v, want seq %d", b, before.Seq)
		}
		wantEqual(t, "seq", after.Seq, a.state().Seq)
		if !after.ReceivedAt.After(before.ExpiresAt) || after.Session.Phase != Reporting {
			t.Errorf("got a report received at %s in the phase %s, want one received after %s", after.ReceivedAt, after.Session.Phase, before.ExpiresAt)
		}
	})
}

func TestEndedDemandIsNotRestored(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL, c.SessionDuration = 10*time.Second, 30*time.Minute })
		release := m.watch(t.Context(), "a")
		m.advance(5 * time.Second)
		m.edit("a", func(c *Cluster) { c.Suspended = true })
		release()
		m.advance(30 * time.Second)
		before := a.sessionCount()
		m.edit("a", func(c *Cluster) { c.Suspended = false })
		m.advance(30 * time.Second)
		wantEqual(t, "sessions", a.sessionCount(), before)
		m.wantIdle("a")
	})
}

func TestDemandIsRestoredAfterARestart(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		b := m.addCluster("b", func(c *Cluster) { c.CacheTTL, c.SessionDuration = 10*time.Second, 2*time.Minute })
		m.get("a")
		m.get("b")
		m.advance(25 * time.Second)
		m.get("a")
		m.advance(10 * time.Second) // b still reports, but has no demand
		m.restart()
		m.sessions.Sync("a")
		m.sessions.Sync("b")
		m.advance(time.Second)
		m.wantPhase("a", Reporting)
		m.wantPhase("b", Idle)
		if a.sessionCount() < 2 || b.sessionCount() != 1 {
			t.Errorf("got %d and %d sessions, want at least 2 and 1", a.sessionCount(), b.sessionCount())
		}
		if r, ok := m.sessions.LastReport("b"); !ok || !r.Fresh(time.Now()) {
			t.Error("the stored report of b was not restored")
		}
	})
}

func TestStoredReportOfAnotherClusterIsIgnored(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		m.get("a")
		m.stop()
		c, _ := m.registry.Cluster("a")
		c.ExpectedUID = "uid-other"
		m.registry.set(c)
		m.config.Metrics = nil
		m.start()
		m.wantUnreachable("a", dial.ClusterUIDMismatch)
	})
}

// TestReadersGetReportsAfterTheStore changes a cluster ten times a second. Each save takes 30 ms.
func TestReadersGetReportsAfterTheStore(t *testing.T) {
	var store *recordingStore
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		store.update(func() { store.delay = 30 * time.Millisecond })
		release := m.watch(t.Context(), "a")
		defer release()
		m.get("a")
		for range 100 {
			a.change(1)
			for range 10 {
				m.advance(10 * time.Millisecond)
				r, _ := m.sessions.LastReport("a")
				if e, err := store.Store.Load(t.Context(), "a", time.Hour); err != nil || e.Version().Compare(r.Version()) < 0 {
					t.Fatalf("readers have %s, and the Store has %v, %v", r.Version(), e, err)
				}
			}
		}
		r, _ := m.sessions.LastReport("a")
		wantEqual(t, "seq", r.Seq, a.state().Seq)
	}, func(m *testMaster) { store = withRecordingStore(m) })
}

// TestSlowStoreDoesNotDelayReports has saves that take 700 ms. They run one at a time, and skip reports.
func TestSlowStoreDoesNotDelayReports(t *testing.T) {
	var store *recordingStore
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		store.update(func() { store.delay = 700 * time.Millisecond })
		a.setHandler(func(c *agentConn) { // ten reports per second
			g := c.grantTo(c.handshake())
			g.Period = 100 * time.Millisecond
			c.serveSession(g)
		})
		release := m.watch(t.Context(), "a")
		defer release()
		m.get("a")
		for range 100 {
			a.change(1)
			m.advance(200 * time.Millisecond)
			if r, _ := m.sessions.LastReport("a"); r.Seq != a.state().Seq {
				t.Fatalf("readers have seq %d 200 ms after seq %d", r.Seq, a.state().Seq)
			}
		}
		store.mu.Lock()
		saves, maxActive := store.saves, store.maxActive
		store.mu.Unlock()
		wantEqual(t, "saves at a time", maxActive, 1)
		if n := len(saves); n < 25 || n > 30 {
			t.Errorf("got %d saves in 20 s, want 25 to 30", n)
		}
		m.stop()
		e, err := store.Store.Load(context.Background(), "a", time.Hour)
		if err != nil || e.Seq != a.state().Seq {
			t.Errorf("the stored report is %+v, want seq %d; error: %v", e, a.state().Seq, err)
		}
		m.config.Metrics = nil
		m.start()
	}, func(m *testMaster) { store = withRecordingStore(m) })
}

func TestSlowOrFailingStoreDoesNotDelayRequests(t *testing.T) {
	for name, breakStore := range map[string]func(*recordingStore){
		"hangs": func(store *recordingStore) { store.delay = time.Hour },
		"fails": func(store *recordingStore) { store.err = cache.ErrUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			var store *recordingStore
			withMaster(t, func(t *testing.T, m *testMaster) {
				breakStore(store)
				m.addCluster("a")
				m.advance(time.Second)
				start := time.Now()
				first := m.get("a")
				if waited := time.Since(start); waited > reportstore.Timeout+reportstore.MaxWait {
					t.Errorf("the first request waited %s", waited)
				}
				for range 20 {
					m.advance(time.Second)
					m.get("a")
				}
				if first.Term == 0 {
					t.Error("the report has no term")
				}
				start = time.Now()
				m.stop()
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("the shutdown took %s, want at most 3 s", took)
				}
				m.config.Metrics = nil
				m.start()
			}, func(m *testMaster) { store = withRecordingStore(m) })
		})
	}
}

func TestStoreIsLoadedOnlyWithoutAReport(t *testing.T) {
	var store *recordingStore
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.get("a")
		for range 50 {
			m.advance(time.Second)
			m.get("a")
		}
		synctest.Wait()
		store.mu.Lock()
		loads := store.loads
		store.mu.Unlock()
		if loads > 2 {
			t.Errorf("got %d loads, want at most 2", loads)
		}
	}, func(m *testMaster) { store = withRecordingStore(m) })
}
