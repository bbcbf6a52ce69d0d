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

	"rollcall.dev/rollcall/master/session/admission"
)

func TestFirstRequestDialsAndTheNextIsAHit(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		r := m.get("a")
		wantEqual(t, "seq", r.Seq, a.state().Seq)
		wantEqual(t, "uid", r.UID, "uid-a")
		wantEqual(t, "phase", r.Session.Phase, Reporting)
		if again := m.get("a"); again != r {
			t.Error("the second request got another report")
		}
		wantEqual(t, "dials", m.dials("a"), 1)
		m.wantReason("a", Succeeded)
	})
}

func TestConcurrentRequestsShareOneDial(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		release := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			<-release
			c.serve()
		})
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if _, err := m.await("a", 9*time.Second); err != nil {
					t.Errorf("await: %v", err)
				}
			})
		}
		ctx, cancel := context.WithCancel(context.Background())
		result := make(chan error, 1)
		go func() {
			_, err := m.sessions.Await(ctx, "a")
			result <- err
		}()
		m.advance(time.Second)
		cancel()
		if err := <-result; !errors.Is(err, ErrNoReport) || !errors.Is(err, context.Canceled) {
			t.Errorf("the cancelled request got %v, want ErrNoReport and context.Canceled", err)
		}
		close(release)
		all.Wait()
		wantEqual(t, "dials", m.dials("a"), 1)
		wantEqual(t, "sessions", a.sessionCount(), 1)
	})
}

func TestSessionExpiresAfterOneRequest(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		first := a.request(0).Session
		m.advance(15*time.Second + time.Millisecond)
		_, open, _, renewals := a.counts()
		wantEqual(t, "connections", open, 0)
		wantEqual(t, "renewals", renewals, 0)
		wantEqual(t, "last end reason", m.sessions.Status("a").LastEndReason, endExpired)
		m.wantPhase("a", Idle)
		if r, ok := m.sessions.LastReport("a"); !ok || !r.Fresh(time.Now()) {
			t.Error("there is no fresh report before the TTL has passed")
		}
		m.advance(3 * time.Second)
		m.wantIdle("a")
		if r, ok := m.sessions.LastReport("a"); !ok || r.HasState() || r.Fresh(time.Now()) || r.Summary.Nodes.Total == 0 {
			t.Errorf("after the TTL the report is %+v, want its summary only", r)
		}
		m.get("a")
		wantEqual(t, "sessions", a.sessionCount(), 2)
		if a.request(1).Session == first {
			t.Error("the next session has the ID of the first")
		}
	})
}

func TestSessionWithReadersIsRenewedAndNoRequestWaits(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		for range 30 {
			m.advance(4 * time.Second)
			start := time.Now()
			m.get("a")
			wantEqual(t, "waited", time.Since(start), 0)
		}
		upgrades, _, _, renewals := a.counts()
		wantEqual(t, "connections", upgrades, 1)
		if renewals < 7 {
			t.Errorf("got %d renewals in two minutes, want at least 7", renewals)
		}
		status := m.sessions.Status("a")
		if left := time.Until(status.Session.ExpiresAt); left <= 0 || left > 15*time.Second {
			t.Errorf("the session ends in %s, want at most 15 s", left)
		}
	})
}

func TestDemandInTheLastSixthRenews(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.advance(14 * time.Second)
		m.get("a")
		m.advance(3 * time.Second)
		_, open, _, renewals := a.counts()
		wantEqual(t, "connections", open, 1)
		wantEqual(t, "renewals", renewals, 1)
	})
}

func TestExpiredSessionWithDemandContinuesUnderItsID(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) { // an agent that ignores renewals
			req := c.handshake()
			c.useBase(req)
			g := c.grantTo(req)
			end := time.After(g.Duration)
			go func() {
				for c.receive() != nil {
				}
			}()
			for {
				c.flush()
				select {
				case <-time.After(g.Period):
				case <-end:
					c.send(c.agent.expiredMessage())
					_ = c.CloseNow()
					return
				}
			}
		})
		m.get("a")
		started := m.sessions.Status("a").Session.StartedAt
		m.advance(14 * time.Second)
		for range 8 {
			r := m.get("a")
			wantEqual(t, "started", r.Session.StartedAt, started)
			m.advance(time.Second)
		}
		wantEqual(t, "sessions", a.sessionCount(), 2)
		wantEqual(t, "id", a.request(1).Session, a.request(0).Session)
		if a.request(1).Base == nil || a.request(1).Base.Seq != a.state().Seq {
			t.Errorf("the base of the second session is %+v, want the last report", a.request(1).Base)
		}
		wantEqual(t, "redialed after", a.requestedAt(1).Sub(a.requestedAt(0)), 15*time.Second)
	})
}

func TestReportExpiresAfterItsTTL(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.SessionDuration = time.Hour })
		silent := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			<-silent
		})
		r := m.get("a")
		wantEqual(t, "expires", r.ExpiresAt, r.ReceivedAt.Add(3*time.Second))
		m.advance(3*time.Second - time.Nanosecond)
		m.get("a")
		<-time.After(time.Nanosecond)
		if got, err := m.await("a", 0); err == nil {
			t.Errorf("got an expired report, %s old", time.Since(got.ReceivedAt))
		}
		close(silent)
	})
}

func TestEveryReportIsPublished(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		first := m.get("a")
		m.advance(5 * time.Second)
		second := m.get("a")
		wantEqual(t, "version", second.ResourceVersion(), first.ResourceVersion())
		wantEqual(t, "received", second.ReceivedAt.Sub(first.ReceivedAt), 5*time.Second)
		changed := a.change(3)
		m.advance(time.Second)
		third := m.get("a")
		wantEqual(t, "seq", third.Seq, changed.Seq)
		wantEqual(t, "count", third.Count(), changed.Count())
		if third.ResourceVersion() == first.ResourceVersion() {
			t.Error("the version did not change")
		}
		m.advance(time.Second)
		a.mu.Lock()
		defer a.mu.Unlock()
		if n := len(a.acks); n < 6 || a.acks[n-1] != changed.Seq {
			t.Errorf("got acks %v, want at least 6, up to the last seq", a.acks)
		}
	})
}

func TestTimeoutEndsOnlyTheCallersWait(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) {
			<-time.After(5 * time.Second)
			c.serve()
		})
		start := time.Now()
		_, err := m.await("a", time.Second)
		var late *NoReportError
		if !errors.As(err, &late) || late.Phase != Connecting || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
		wantEqual(t, "waited", time.Since(start), time.Second)
		m.get("a")
		wantEqual(t, "waited", time.Since(start), 5*time.Second)
		wantEqual(t, "dials", m.dials("a"), 1)
	})
}

func TestUnknownClusterIsNotFound(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		if _, err := m.await("unknown", time.Second); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		if _, ok := m.sessions.LastReport("unknown"); ok {
			t.Error("got a report of an unknown cluster")
		}
		wantEqual(t, "phase", m.sessions.Status("unknown").Session.Phase, Idle)
		if _, err := m.sessions.Watch(t.Context(), "unknown"); !errors.Is(err, ErrNotFound) {
			t.Errorf("watch: got error %v, want ErrNotFound", err)
		}
	})
}

func TestWatchCreatesDemand(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		release := m.watch(t.Context(), "a")
		m.advance(2 * time.Minute)
		upgrades, open, _, _ := a.counts()
		wantEqual(t, "connections", upgrades, 1)
		wantEqual(t, "open", open, 1)
		release()
		release()
		m.advance(20 * time.Second)
		m.wantIdle("a")
	})
}

func TestContinuousClusterIsDialedWithoutRequests(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.Continuous = true })
		start := time.Now()
		m.advance(10 * time.Minute)
		upgrades, open, _, _ := a.counts()
		wantEqual(t, "connections", upgrades, 1)
		wantEqual(t, "open", open, 1)
		wantEqual(t, "dialed after", a.requestedAt(0).Sub(start), 0)
		m.edit("a", func(c *Cluster) { c.Continuous = false })
		m.advance(20 * time.Second)
		m.wantIdle("a")
	})
}

func TestStartupIsLimitedExceptForClustersWithReaders(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		perSecond := m.sessions.limits.Starts.PerSecond()
		names := make([]string, admission.MaxHandshakes+2*perSecond)
		for i := range names {
			names[i] = fmt.Sprintf("c-%04d", i)
			m.addCluster(names[i], continuous)
			m.sessions.Sync(names[i])
		}
		idle := func() []string {
			return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return m.sessions.Status(name).Session.Phase == Reporting })
		}
		reporting := func() int { return len(names) - len(idle()) }
		m.advance(time.Millisecond)
		wantEqual(t, "reporting immediately", reporting(), admission.MaxHandshakes)
		start, waiting := time.Now(), idle()
		m.get(waiting[0])
		defer m.watch(t.Context(), waiting[1])()
		m.sessions.RegisterDemand(t.Context(), waiting[2])
		synctest.Wait()
		wantEqual(t, "waited", time.Since(start), 0)
		wantEqual(t, "reporting with the requested clusters", reporting(), admission.MaxHandshakes+3)
		m.advance(time.Second)
		if n, most := reporting(), admission.MaxHandshakes+perSecond+4; n < most-4 || n > most {
			t.Errorf("%d clusters report after a second, want %d", n, most)
		}
		m.advance(time.Second)
		wantEqual(t, "reporting after two seconds", reporting(), len(names))
	})
}

func TestShutdownStopsSessionsAndFailsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMaster(t)
		a, b := m.addCluster("a"), m.addCluster("b")
		b.handle = func(c *agentConn) { c.receive() }
		m.get("a")
		waits := make(chan error, 1)
		go func() {
			_, err := m.await("b", time.Minute)
			waits <- err
		}()
		synctest.Wait()
		start := time.Now()
		m.stop()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the shutdown took %s, want at most 2 s", took)
		}
		if err := <-waits; !errors.Is(err, ErrStopping) {
			t.Errorf("the waiting request got %v, want ErrStopping", err)
		}
		if _, err := m.await("b", time.Minute); !errors.Is(err, ErrStopping) {
			t.Errorf("a request after the shutdown got %v, want ErrStopping", err)
		}
		a.close()
		b.close()
		wantEqual(t, "stops", len(a.stops()), 1)
		wantEqual(t, "message", a.stops()[0], stopMessages[endStopping])
		wantEqual(t, "last end reason", m.sessions.Status("a").LastEndReason, endStopping)
	})
}
