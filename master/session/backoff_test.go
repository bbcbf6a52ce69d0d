package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

func TestNobodyThereIsToldAtOnceWhileBackingOff(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a")
		u := s.wantUnreachable("a", DialFailed, "connection refused", "ws://a:7443")
		want(t, "retry after", u.RetryAfter, 250*time.Millisecond)
		for range 100 {
			s.wantUnreachable("a", DialFailed)
		}
		want(t, "dials", s.dialsOf("a"), 1)
	})
}

func TestOutageIsLoggedOnceAndItsEndToo(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a", func(c *Cluster) { c.Continuous = true })
		s.pass(10 * time.Minute)
		a := newAgent(t, "a")
		s.mu.Lock()
		s.agents["a"] = a
		s.mu.Unlock()
		s.pass(time.Minute)
		s.wantPhase("a", Reporting)
		lines := strings.Split(strings.TrimSpace(s.logged.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "cannot be reached") || !strings.Contains(lines[0], "reason=DialFailed") || !strings.Contains(lines[1], "can be reached again") {
			t.Errorf("logged %q", lines)
		}
	})
}

func TestAllIsQuietWhenAllIsWell(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a", func(c *Cluster) { c.IdleRefresh = time.Minute })
		for range 50 {
			s.pass(7 * time.Second)
			s.get("a")
			s.pass(20 * time.Second)
		}
		s.stop()
		want(t, "log", s.logged.String(), "")
		s.config.Metrics = nil
		s.run()
	})
}

func TestBackoffDoublesUntilItsCeilingAndDecaysWithoutDemand(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a", func(c *Cluster) { c.CacheTTL = time.Minute }) // demand lasts 3 min
		start := time.Now()
		var at []time.Duration
		s.config.DialContext = nil
		_, _ = s.await("a", time.Second)
		for n := s.dialsOf("a"); time.Since(start) < 4*time.Minute; {
			<-time.After(125 * time.Millisecond)
			synctest.Wait()
			if dials := s.dialsOf("a"); dials != n {
				n = dials
				at = append(at, time.Since(start))
			}
		}
		var gaps []time.Duration
		last := time.Duration(0)
		for _, d := range at {
			gaps = append(gaps, d-last)
			last = d
		}
		for i, want := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000} {
			if i >= len(gaps) || gaps[i] != want*time.Millisecond {
				t.Fatalf("the pauses were %v; number %d should be %d ms", gaps, i, want)
			}
		}
		if last > 3*time.Minute {
			t.Errorf("the last dial was %s after the only GET", last)
		}
		s.wantIdle("a")
		_, _ = s.await("a", time.Second)
		want(t, "dials after it was idle", s.dialsOf("a"), len(at)+2)
		u := s.wantUnreachable("a", DialFailed)
		want(t, "retry after", u.RetryAfter, 250*time.Millisecond)
	})
}

func TestNewGenerationAndFirstReportEndBackoff(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a")
		s.wantUnreachable("a", DialFailed)
		s.pass(4 * time.Second) // some more failures
		s.edit("a", func(c *Cluster) { c.Endpoint = "ws://other:7443" })
		synctest.Wait()
		want(t, "dials at once", s.dialsOf("other"), 1)
		u := s.wantUnreachable("a", DialFailed)
		want(t, "retry after", u.RetryAfter, 250*time.Millisecond)
		s.pass(4 * time.Second)
		b := newAgent(t, "a")
		s.mu.Lock()
		s.agents["other"] = b
		s.mu.Unlock()
		s.pass(10 * time.Second)
		s.wantPhase("a", Reporting)
		want(t, "failures", s.sessions.cluster("a").retained.failures, 0)
	})
}

func TestLostSessionThatNobodyWantsIsNotDialedAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) {
			go func() {
				<-time.After(12 * time.Second)
				_ = k.conn.CloseNow()
			}()
			k.serve()
		})
		s.get("a")
		s.pass(time.Minute)
		want(t, "dials", s.dialsOf("a"), 1)
		s.wantIdle("a")
		s.wantReason("a", DialFailed)
	})
}

func TestAgentThatEndsSessionsTooEarlyIsNotDialedInALoop(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			k.end(wire.EndExpired, "")
		})
		s.get("a")
		s.wantReason("a", ProtocolError)
		s.pass(5 * time.Second)
		if n := a.sessions(); n > 25 {
			t.Errorf("%d sessions in 5 s", n)
		}
	})
}
