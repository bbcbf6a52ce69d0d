package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFirstGetDialsAndTheNextIsAHit(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		v := s.get("a")
		want(t, "seq", v.State.Seq, a.state().Seq)
		want(t, "uid", v.UID, "uid-a")
		want(t, "phase", v.Session.Phase, Reporting)
		if again := s.get("a"); again != v {
			t.Error("the second GET got another value")
		}
		want(t, "dials", s.dialsOf("a"), 1)
		s.wantReason("a", Succeeded)
	})
}

func TestTwoHundredClientsMakeOneDial(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		release := make(chan struct{})
		a.play(func(k *talk) {
			<-release
			k.serve()
		})
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if _, err := s.await("a", 9*time.Second); err != nil {
					t.Errorf("await: %v", err)
				}
			})
		}
		gone, leave := context.WithCancel(context.Background())
		left := make(chan error, 1)
		go func() {
			_, err := s.sessions.Await(gone, "a")
			left <- err
		}()
		s.pass(time.Second)
		leave()
		if err := <-left; !errors.Is(err, ErrNoReport) || !errors.Is(err, context.Canceled) {
			t.Errorf("the one who left got %v", err)
		}
		close(release)
		all.Wait()
		want(t, "dials", s.dialsOf("a"), 1)
		want(t, "sessions", a.sessions(), 1)
	})
}

func TestSessionRunsOutAfterOneGet(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		first := a.report(0).Session
		s.pass(15*time.Second + time.Millisecond)
		_, open, _, renewals := a.seen()
		want(t, "connections", open, 0)
		want(t, "renewals", renewals, 0)
		want(t, "last end", s.sessions.Status("a").LastEndReason, endExpired)
		s.wantPhase("a", Idle)
		if v, ok := s.sessions.LastReport("a"); !ok || !v.Fresh(time.Now()) {
			t.Error("the value is gone before its TTL")
		}
		s.pass(3 * time.Second)
		s.wantIdle("a")
		if v, ok := s.sessions.LastReport("a"); !ok || v.State != nil || v.Fresh(time.Now()) || v.Summary.Nodes.Total == 0 {
			t.Errorf("after its TTL the value is %+v", v)
		}
		s.get("a")
		want(t, "sessions", a.sessions(), 2)
		if a.report(1).Session == first {
			t.Error("the next session has the id of the first")
		}
	})
}

func TestSessionIsRenewedWhileReadAndNoGetWaits(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		for range 30 {
			s.pass(4 * time.Second)
			start := time.Now()
			s.get("a")
			want(t, "waited", time.Since(start), 0)
		}
		upgrades, _, _, renewals := a.seen()
		want(t, "connections", upgrades, 1)
		if renewals < 7 {
			t.Errorf("%d renewals in two minutes", renewals)
		}
		o := s.sessions.Status("a")
		if left := time.Until(o.Session.ExpiresAt); left <= 0 || left > 15*time.Second {
			t.Errorf("the session ends in %s", left)
		}
	})
}

func TestDemandBehindFiveSixthsRenewsToo(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		s.pass(14 * time.Second)
		s.get("a")
		s.pass(3 * time.Second)
		_, open, _, renewals := a.seen()
		want(t, "connections", open, 1)
		want(t, "renewals", renewals, 1)
	})
}

func TestSessionThatRanOutWithDemandGoesOnUnderItsID(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) { // an agent that cannot renew
			m := k.handshake()
			k.begin(m)
			g := k.grantTo(m)
			end := time.After(g.Duration)
			go func() {
				for k.receive() != nil {
				}
			}()
			for {
				k.flush()
				select {
				case <-time.After(g.Period):
				case <-end:
					k.send(k.agent.endMessage())
					_ = k.conn.CloseNow()
					return
				}
			}
		})
		s.get("a")
		started := s.sessions.Status("a").Session.StartedAt
		s.pass(14 * time.Second)
		for range 8 {
			v := s.get("a")
			want(t, "started", v.Session.StartedAt, started)
			s.pass(time.Second)
		}
		want(t, "sessions", a.sessions(), 2)
		want(t, "id", a.report(1).Session, a.report(0).Session)
		if a.report(1).Base == nil || a.report(1).Base.Seq != a.state().Seq {
			t.Errorf("the second Report has the base %+v", a.report(1).Base)
		}
		want(t, "redialed after", a.called(1).Sub(a.called(0)), 15*time.Second)
	})
}

func TestValueCountsFromItsReceiptAndExpires(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.SessionDuration = time.Hour })
		silent := make(chan struct{})
		a.play(func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			<-silent
		})
		v := s.get("a")
		want(t, "expires", v.ExpiresAt, v.ReceivedAt.Add(3*time.Second))
		s.pass(3*time.Second - time.Nanosecond)
		s.get("a")
		<-time.After(time.Nanosecond)
		if got, err := s.await("a", 0); err == nil {
			t.Errorf("an expired value was given, %s old", time.Since(got.ReceivedAt))
		}
		close(silent)
	})
}

func TestEveryReportRenewsTheValue(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		first := s.get("a")
		s.pass(5 * time.Second)
		second := s.get("a")
		want(t, "version", second.ResourceVersion(), first.ResourceVersion())
		want(t, "received", second.ReceivedAt.Sub(first.ReceivedAt), 5*time.Second)
		changed := a.change(3)
		s.pass(time.Second)
		third := s.get("a")
		want(t, "seq", third.State.Seq, changed.Seq)
		want(t, "count", third.State.Count(), changed.Count())
		if third.ResourceVersion() == first.ResourceVersion() {
			t.Error("the version did not move")
		}
		s.pass(time.Second)
		a.mu.Lock()
		defer a.mu.Unlock()
		if n := len(a.acks); n < 6 || a.acks[n-1] != changed.Seq {
			t.Errorf("acks: %v", a.acks)
		}
	})
}

func TestTimeoutOfACallerEndsItsOwnWaitOnly(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) {
			<-time.After(5 * time.Second)
			k.serve()
		})
		start := time.Now()
		_, err := s.await("a", time.Second)
		var late *NoReportError
		if !errors.As(err, &late) || late.Phase != Connecting || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		want(t, "waited", time.Since(start), time.Second)
		s.get("a")
		want(t, "waited", time.Since(start), 5*time.Second)
		want(t, "dials", s.dialsOf("a"), 1)
	})
}

func TestUnknownClusterIsRefused(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		if _, err := s.await("nobody", time.Second); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v", err)
		}
		if _, ok := s.sessions.LastReport("nobody"); ok {
			t.Error("there is a value")
		}
		want(t, "phase", s.sessions.Status("nobody").Session.Phase, Idle)
		s.sessions.Watch("nobody")()
	})
}

func TestWatchIsDemand(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		release := s.sessions.Watch("a")
		s.pass(2 * time.Minute)
		upgrades, open, _, _ := a.seen()
		want(t, "connections", upgrades, 1)
		want(t, "open", open, 1)
		release()
		release()
		s.pass(20 * time.Second)
		s.wantIdle("a")
	})
}

func TestContinuousClusterIsDialedByItself(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.Continuous = true })
		start := time.Now()
		s.pass(10 * time.Minute)
		upgrades, open, _, _ := a.seen()
		want(t, "connections", upgrades, 1)
		want(t, "open", open, 1)
		want(t, "dialed after", a.called(0).Sub(start), 0)
		s.edit("a", func(c *Cluster) { c.Continuous = false })
		s.pass(20 * time.Second)
		s.wantIdle("a")
	})
}

func TestManyClustersDoNotBeginAtOnceUnlessSomebodyWaits(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		names := make([]string, maxHandshakes+2*startupRate*maxCPUSlots())
		for i := range names {
			names[i] = fmt.Sprintf("c-%04d", i)
			s.cluster(names[i], continuous)
			s.sessions.Sync(names[i])
		}
		idle := func() []string {
			return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return s.sessions.Status(name).Session.Phase == Reporting })
		}
		reporting := func() int { return len(names) - len(idle()) }
		s.pass(time.Millisecond)
		want(t, "at once", reporting(), maxHandshakes)
		start, waiting := time.Now(), idle()
		s.get(waiting[0])
		defer s.sessions.Watch(waiting[1])()
		s.sessions.RegisterDemand(waiting[2])
		synctest.Wait()
		want(t, "waited", time.Since(start), 0)
		want(t, "with those that are asked for", reporting(), maxHandshakes+3)
		s.pass(time.Second)
		if n, most := reporting(), maxHandshakes+startupRate*maxCPUSlots()+4; n < most-4 || n > most {
			t.Errorf("%d report after a second, want %d", n, most)
		}
		s.pass(time.Second)
		want(t, "after all turns", reporting(), len(names))
	})
}

func TestStopTellsAgentsAndReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		a, b := s.cluster("a"), s.cluster("b")
		b.script = func(k *talk) { k.receive() }
		s.get("a")
		waits := make(chan error, 1)
		go func() {
			_, err := s.await("b", time.Minute)
			waits <- err
		}()
		synctest.Wait()
		start := time.Now()
		s.stop()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
		if err := <-waits; !errors.Is(err, ErrStopping) {
			t.Errorf("the reader got %v", err)
		}
		if _, err := s.await("b", time.Minute); !errors.Is(err, ErrStopping) {
			t.Errorf("a late reader got %v", err)
		}
		a.close()
		b.close()
		want(t, "stops", len(a.stopped()), 1)
		want(t, "words", a.stopped()[0], stopMessages[endStopping])
		want(t, "last end", s.sessions.Status("a").LastEndReason, endStopping)
	})
}
