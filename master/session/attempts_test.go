package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"rollcall.dev/rollcall/api/wire"
)

func TestUnreachableAgentFailsImmediatelyDuringBackoff(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("a")
		u := m.wantUnreachable("a", dial.DialFailed, "connection refused", "ws://a:7443")
		wantEqual(t, "retry after", u.RetryAfter, 250*time.Millisecond)
		for range 100 {
			m.wantUnreachable("a", dial.DialFailed)
		}
		wantEqual(t, "dials", m.dials("a"), 1)
	})
}

func TestOutageAndItsEndAreLoggedOnce(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("a", func(c *Cluster) { c.Continuous = true })
		m.advance(10 * time.Minute)
		a := newFakeAgent(t, "a")
		m.mu.Lock()
		m.agents["a"] = a
		m.mu.Unlock()
		m.advance(time.Minute)
		m.wantPhase("a", Reporting)
		lines := strings.Split(strings.TrimSpace(m.logs.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "cannot be reached") || !strings.Contains(lines[0], "reason=DialFailed") || !strings.Contains(lines[1], "can be reached again") {
			t.Errorf("log is %q, want one line for the outage and one for its end", lines)
		}
	})
}

func TestNothingIsLoggedInNormalOperation(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a", func(c *Cluster) { c.IdleRefresh = time.Minute })
		for range 50 {
			m.advance(7 * time.Second)
			m.get("a")
			m.advance(20 * time.Second)
		}
		m.stop()
		wantEqual(t, "log", m.logs.String(), "")
		m.config.Metrics = nil
		m.start()
	})
}

func TestBackoffDoublesUpToItsMaximumAndEndsWithoutDemand(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("a", func(c *Cluster) { c.CacheTTL = time.Minute }) // demand lasts for 3 min
		start := time.Now()
		var at []time.Duration
		m.config.DialContext = nil
		_, _ = m.await("a", time.Second)
		for n := m.dials("a"); time.Since(start) < 4*time.Minute; {
			<-time.After(125 * time.Millisecond)
			synctest.Wait()
			if dials := m.dials("a"); dials != n {
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
				t.Fatalf("delays are %v, want delay %d to be %d ms", gaps, i, want)
			}
		}
		if last > 3*time.Minute {
			t.Errorf("the last dial was %s after the only request, want at most 3 min", last)
		}
		m.wantIdle("a")
		_, _ = m.await("a", time.Second)
		wantEqual(t, "dials after another request", m.dials("a"), len(at)+2)
		u := m.wantUnreachable("a", dial.DialFailed)
		wantEqual(t, "retry after", u.RetryAfter, 250*time.Millisecond)
	})
}

func TestBackoffEndsWithANewGenerationOrAReport(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("a")
		m.wantUnreachable("a", dial.DialFailed)
		m.advance(4 * time.Second) // more failures
		m.edit("a", func(c *Cluster) { c.Endpoint = "ws://other:7443" })
		synctest.Wait()
		wantEqual(t, "dials of the new endpoint", m.dials("other"), 1)
		u := m.wantUnreachable("a", dial.DialFailed)
		wantEqual(t, "retry after", u.RetryAfter, 250*time.Millisecond)
		m.advance(4 * time.Second)
		b := newFakeAgent(t, "a")
		m.mu.Lock()
		m.agents["other"] = b
		m.mu.Unlock()
		m.advance(10 * time.Second)
		m.wantPhase("a", Reporting)
		wantEqual(t, "failures", m.sessions.cluster("a").attempts.failures, 0)
	})
}

func TestLostSessionWithoutDemandIsNotDialedAgain(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) {
			go func() {
				<-time.After(12 * time.Second)
				_ = c.CloseNow()
			}()
			c.serve()
		})
		m.get("a")
		m.advance(time.Minute)
		wantEqual(t, "dials", m.dials("a"), 1)
		m.wantIdle("a")
		m.wantReason("a", dial.DialFailed)
	})
}

func TestAgentThatEndsSessionsTooEarlyIsNotDialedInALoop(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			c.end(wire.EndExpired, "")
		})
		m.get("a")
		m.wantReason("a", dial.ProtocolError)
		m.advance(5 * time.Second)
		if n := a.sessionCount(); n > 25 {
			t.Errorf("got %d sessions in 5 s, want at most 25", n)
		}
	})
}
