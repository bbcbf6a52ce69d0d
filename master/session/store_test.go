package session

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// watchedStore notes what is done to a Store, and can be slow or away.
type watchedStore struct {
	cache.Store
	mu     sync.Mutex
	saves  []time.Time
	now    int // saves under way
	most   int
	loads  int
	delay  time.Duration
	broken error
}

func (w *watchedStore) Save(ctx context.Context, cluster string, e cache.Entry) error {
	w.mu.Lock()
	w.saves = append(w.saves, time.Now())
	w.now++
	w.most = max(w.most, w.now)
	delay, broken := w.delay, w.broken
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	if err := pause(ctx, delay); err != nil {
		return err
	}
	if broken != nil {
		return broken
	}
	return w.Store.Save(ctx, cluster, e)
}

func (w *watchedStore) Load(ctx context.Context, cluster string, ttl time.Duration) (cache.Entry, error) {
	w.mu.Lock()
	w.loads++
	delay, broken := w.delay, w.broken
	w.mu.Unlock()
	if err := pause(ctx, delay); err != nil {
		return cache.Entry{}, err
	}
	if broken != nil {
		return cache.Entry{}, broken
	}
	return w.Store.Load(ctx, cluster, ttl)
}

func (w *watchedStore) NextTerm(ctx context.Context, cluster string) (uint64, error) {
	w.mu.Lock()
	broken := w.broken
	w.mu.Unlock()
	if broken != nil {
		return 0, broken
	}
	return w.Store.NextTerm(ctx, cluster)
}

func (w *watchedStore) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func pause(ctx context.Context, d time.Duration) error {
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

func watched(s *stage) *watchedStore {
	w := &watchedStore{Store: s.store}
	s.store = w
	return w
}

func TestRestartedMasterAnswersFromTheStoreAtOnceAndGoesOnFromIt(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		s.get("a")
		s.pass(2 * time.Second)
		before := s.get("a")
		hang := make(chan struct{})
		a.play(func(k *talk) {
			<-hang
			k.serve()
		})
		s.restart()
		start := time.Now()
		v := s.get("a")
		want(t, "waited", time.Since(start), 0)
		wantSameUnderANewTerm(t, v, before)
		want(t, "received", v.ReceivedAt, before.ReceivedAt)
		want(t, "expires", v.ExpiresAt, before.ExpiresAt)
		want(t, "uid", v.UID, before.UID)
		want(t, "session", v.Session.ID, before.Session.ID)
		want(t, "phase", v.Session.Phase, Idle)
		want(t, "nodes", v.Summary.Nodes.Total, before.Summary.Nodes.Total)
		close(hang)
		s.pass(time.Second)
		after := s.get("a")
		if b := a.report(1).Base; b == nil || b.Seq != before.State.Seq {
			t.Errorf("the new session's base is %+v", b)
		}
		if after.Term <= before.Term {
			t.Errorf("term %d after %d", after.Term, before.Term)
		}
	})
}

func TestRestartedMasterResumesFromWhatHasExpired(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		s.get("a")
		s.pass(2 * time.Second)
		before := s.get("a")
		s.stop()
		a.change(1)
		s.pass(20 * time.Second)
		s.config.Metrics = nil
		s.run()
		after := s.get("a")
		if b := a.report(1).Base; b == nil || b.Seq != before.State.Seq {
			t.Errorf("the new session's base is %+v, want seq %d", b, before.State.Seq)
		}
		want(t, "seq", after.State.Seq, a.state().Seq)
		if !after.ReceivedAt.After(before.ExpiresAt) || after.Session.Phase != Reporting {
			t.Errorf("received at %s in the phase %s; what expired at %s is no answer", after.ReceivedAt, after.Session.Phase, before.ExpiresAt)
		}
	})
}

func TestDemandThatEndedDoesNotComeBackFromTheStore(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.CacheTTL, c.SessionDuration = 10*time.Second, 30*time.Minute })
		release := s.sessions.Watch("a")
		s.pass(5 * time.Second)
		s.edit("a", func(c *Cluster) { c.Suspended = true })
		release()
		s.pass(30 * time.Second)
		before := a.sessions()
		s.edit("a", func(c *Cluster) { c.Suspended = false })
		s.pass(30 * time.Second)
		want(t, "sessions", a.sessions(), before)
		s.wantIdle("a")
	})
}

func TestClusterThatWasWantedIsDialedAgainAfterARestart(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		b := s.cluster("b", func(c *Cluster) { c.CacheTTL, c.SessionDuration = 10*time.Second, 2*time.Minute })
		s.get("a")
		s.get("b")
		s.pass(25 * time.Second)
		s.get("a")
		s.pass(10 * time.Second) // b is still reporting, but nobody wants it any more
		s.restart()
		s.sessions.Sync("a")
		s.sessions.Sync("b")
		s.pass(time.Second)
		s.wantPhase("a", Reporting)
		s.wantPhase("b", Idle)
		if a.sessions() < 2 || b.sessions() != 1 {
			t.Errorf("%d and %d sessions", a.sessions(), b.sessions())
		}
		if v, ok := s.sessions.LastReport("b"); !ok || !v.Fresh(time.Now()) {
			t.Error("what the Store has of b is not there")
		}
	})
}

func TestWhatTheStoreHasOfAnotherClusterIsLeftAlone(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a", func(c *Cluster) { c.CacheTTL = 10 * time.Second })
		s.get("a")
		s.stop()
		c, _ := s.registry.Cluster("a")
		c.ExpectedUID = "uid-other"
		s.registry.set(c)
		s.config.Metrics = nil
		s.run()
		s.wantUnreachable("a", ClusterUIDMismatch)
	})
}

func TestReportsAreSavedOnceAPeriodAndOneAtATime(t *testing.T) {
	var w *watchedStore
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		w.set(func() { w.delay = 700 * time.Millisecond })
		a.play(func(k *talk) { // ten flushes a second
			g := k.grantTo(k.handshake())
			g.Period = 100 * time.Millisecond
			k.flushUntilEnd(g)
		})
		s.get("a")
		for range 100 {
			a.change(1)
			s.pass(100 * time.Millisecond)
		}
		w.mu.Lock()
		saves, most := w.saves, w.most
		w.mu.Unlock()
		want(t, "at once", most, 1)
		if n := len(saves); n < 5 || n > 11 {
			t.Errorf("%d saves in 10 s", n)
		}
		for i := 1; i < len(saves); i++ {
			if gap := saves[i].Sub(saves[i-1]); gap < time.Second {
				t.Errorf("save %d came %s after the one before", i, gap)
			}
		}
		s.stop()
		e, err := w.Store.Load(context.Background(), "a", time.Hour)
		if err != nil || e.State.Seq != a.state().Seq {
			t.Errorf("what is left is %v, want seq %d: %v", e.State, a.state().Seq, err)
		}
		s.config.Metrics = nil
		s.run()
	}, func(s *stage) { w = watched(s) })
}

func TestStoreThatHangsOrFailsHoldsNobodyUp(t *testing.T) {
	for name, spoil := range map[string]func(*watchedStore){
		"hangs": func(w *watchedStore) { w.delay = time.Hour },
		"fails": func(w *watchedStore) { w.broken = cache.ErrUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			var w *watchedStore
			act(t, func(t *testing.T, s *stage) {
				spoil(w)
				s.cluster("a")
				s.pass(time.Second)
				start := time.Now()
				first := s.get("a")
				if waited := time.Since(start); waited > storeTimeout {
					t.Errorf("the first GET waited %s", waited)
				}
				for range 20 {
					s.pass(time.Second)
					s.get("a")
				}
				if first.Term == 0 {
					t.Error("there was no term")
				}
				start = time.Now()
				s.stop()
				if took := time.Since(start); took > 3*time.Second {
					t.Errorf("the end took %s", took)
				}
				s.config.Metrics = nil
				s.run()
			}, func(s *stage) { w = watched(s) })
		})
	}
}

func TestStoreIsAskedOnlyWhenNothingIsHeld(t *testing.T) {
	var w *watchedStore
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.get("a")
		for range 50 {
			s.pass(time.Second)
			s.get("a")
		}
		synctest.Wait()
		w.mu.Lock()
		loads := w.loads
		w.mu.Unlock()
		if loads > 2 {
			t.Errorf("%d loads", loads)
		}
	}, func(s *stage) { w = watched(s) })
}

// wantSameUnderANewTerm is about a value that came from the Store: its writer may have
// shown newer ones, so what is told of it comes behind all of them.
func wantSameUnderANewTerm(t *testing.T, got, before *Report) {
	t.Helper()
	want(t, "epoch", got.State.Epoch, before.State.Epoch)
	want(t, "seq", got.State.Seq, before.State.Seq)
	if got.Term <= before.Term {
		t.Errorf("term %d is not above %d", got.Term, before.Term)
	}
}
