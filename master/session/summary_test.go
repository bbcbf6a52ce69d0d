package session

import (
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/session/admission"

	"rollcall.dev/rollcall/master/session/dial"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

func TestIdleClusterIsAskedForSummaries(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.IdleRefresh = 5 * time.Minute })
		synctest.Wait()
		status := m.wantReason("a", Succeeded)
		wantEqual(t, "nodes", status.Summary.Nodes.Total, 2)
		wantEqual(t, "uid", status.UID, "uid-a")
		wantEqual(t, "phase", status.Session.Phase, Idle)
		if _, ok := m.sessions.LastReport("a"); ok {
			t.Error("got a report from a summary")
		}
		_, open, summaries, _ := a.counts()
		wantEqual(t, "summaries after the registration", summaries, 1)
		wantEqual(t, "connections", open, 0)
		m.advance(time.Hour)
		_, _, summaries, _ = a.counts()
		wantEqual(t, "summaries after an hour", summaries, 13)
		wantEqual(t, "sessions", a.sessionCount(), 0)
		m.wantIdle("a")
	})
}

func TestUnchangedPartsOfASummaryAreReused(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		problems := []state.Problem{{Kind: "NodeNotReady", What: "n1", Since: 7}}
		requested := state.Resources{CPUMillis: 1500, MemoryBytes: 3 << 30, Extended: map[string]int64{"nvidia.com/gpu": 2, "hugepages-2Mi": 1 << 20}}
		reused := 0
		a := m.addCluster("a", func(c *Cluster) { c.IdleRefresh = 5 * time.Minute })
		a.setHandler(func(c *agentConn) {
			req := c.handshake()
			if req == nil {
				return
			}
			answer := summaryOf(c.agent.state())
			answer.Summary.Problems, answer.Summary.ProblemCount = problems, 1
			answer.Summary.Requested = requested
			answer.SameProblems = req.ProblemsHash == wire.HashProblems(problems)
			answer.SameResources = req.ResourcesHash == wire.HashResources(c.identity(), &answer.Summary)
			if answer.SameProblems && answer.SameResources {
				c.agent.update(func() { reused++ })
			}
			c.send(answer)
			_ = c.CloseNow()
		})
		m.advance(time.Hour)
		status := m.wantReason("a", Succeeded)
		if !reflect.DeepEqual(status.Summary.Problems, problems) {
			t.Errorf("problems %+v, want %+v", status.Summary.Problems, problems)
		}
		if !reflect.DeepEqual(status.Summary.Requested, requested) {
			t.Errorf("requested %+v, want %+v", status.Summary.Requested, requested)
		}
		if reused < 10 {
			t.Errorf("parts were reused %d times, want at least 10", reused)
		}
	})
}

func TestIdleRefreshOfZeroDisablesSummaries(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.advance(time.Hour)
		wantEqual(t, "dials", m.dials("a"), 0)
		m.wantReason("a", AwaitingFirstContact)
		m.edit("a", func(c *Cluster) { c.IdleRefresh = time.Minute })
		m.advance(time.Hour)
		wantEqual(t, "dials", m.dials("a"), 60)
		m.edit("a", func(c *Cluster) { c.IdleRefresh = 0 })
		m.advance(time.Hour)
		wantEqual(t, "dials", m.dials("a"), 60)
	})
}

func TestNoSummaryIsRequestedDuringASession(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.IdleRefresh = time.Minute })
		release := m.watch(t.Context(), "a")
		m.advance(time.Hour)
		_, _, summaries, _ := a.counts()
		if summaries > 1 {
			t.Errorf("got %d summaries during a session, want at most 1", summaries)
		}
		release()
		m.advance(15*time.Second + time.Minute)
		_, _, after, _ := a.counts()
		wantEqual(t, "summaries after the session", after, summaries+1)
	})
}

func TestFailedSummaryDoesNotDelayRequests(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("a", func(c *Cluster) { c.IdleRefresh = 5 * time.Minute })
		status := m.wantReason("a", dial.DialFailed)
		wantEqual(t, "ready", status.Ready, state.False)
		wantEqual(t, "phase", status.Session.Phase, Idle)
		a := newFakeAgent(t, "a")
		m.mu.Lock()
		m.agents["a"] = a
		m.mu.Unlock()
		start := time.Now()
		m.get("a")
		wantEqual(t, "waited", time.Since(start), 0)
	})
}

func TestRequestDoesNotWaitForASummary(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.IdleRefresh = time.Hour })
		m.advance(0)
		hang := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			if req := c.handshake(); req != nil && req.SummaryOnly {
				<-hang
				return
			} else if req != nil {
				c.serveSession(c.grantTo(req))
			}
		})
		m.edit("a", func(c *Cluster) { c.Endpoint = "ws://a:8443" }) // makes a summary due
		m.advance(time.Second)
		_, open, summaries, _ := a.counts()
		wantEqual(t, "open connections", open, 1)
		wantEqual(t, "summaries", summaries, 2)
		start := time.Now()
		m.get("a")
		wantEqual(t, "waited", time.Since(start), 0)
		close(hang)
		m.advance(time.Second)
		wantEqual(t, "free slots", m.sessions.limits.Summaries.Free(), admission.MaxSummaries-1) // the scheduler has one
	})
}

func TestSummariesAreLimitedAndSpread(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		const clusters = 100
		var mu sync.Mutex
		active, maximum := 0, 0
		slots := map[time.Duration]int{}
		start := time.Now()
		for i := range clusters {
			handle := func(c *agentConn) {
				mu.Lock()
				active++
				maximum = max(maximum, active)
				slots[time.Since(start).Truncate(time.Minute)]++
				mu.Unlock()
				if c.handshake() != nil {
					<-time.After(time.Second)
					c.send(summaryOf(&state.State{}))
				}
				mu.Lock()
				active--
				mu.Unlock()
			}
			m.addClusterWithHandler(clusterName(i), handle, func(c *Cluster) { c.IdleRefresh = 10 * time.Minute })
		}
		m.advance(5*time.Second + time.Millisecond) // 100 clusters, 20 at a time, 1 s each
		mu.Lock()
		atOnce, first := maximum, slots[0]
		mu.Unlock()
		wantEqual(t, "summaries at a time", atOnce, admission.MaxSummaries)
		if first < clusters || first > clusters+2 {
			t.Errorf("got %d summaries in the first minute, want %d", first, clusters)
		}
		m.advance(10 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		total := 0
		for minute, n := range slots {
			total += n
			if minute > 0 && n > clusters/4 {
				t.Errorf("got %d summaries in minute %s, want at most a quarter: %v", n, minute, slots)
			}
		}
		if total < 2*clusters || total > 2*clusters+2 {
			t.Errorf("got %d summaries in ten minutes, want two per cluster", total)
		}
	})
}

func TestGrantInsteadOfASummaryIsAnError(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) {
			c.send(&c.agent.hello)
			if req, ok := c.receive().(*wire.SubscribeRequest); ok {
				c.grantTo(req)
				c.receive()
			}
		})
		m.edit("a", func(c *Cluster) { c.IdleRefresh = time.Hour; c.Endpoint = "ws://a:1" })
		m.wantReason("a", dial.ProtocolError)
	})
}

func TestSummaryHasItsObservationTime(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := newFakeAgent(t, "a")
		a.setHandler(func(c *agentConn) {
			if c.handshake() == nil {
				return
			}
			m := summaryOf(&state.State{})
			m.Ages[state.SectionNodes], m.Ages[state.SectionPods] = time.Second, 7*time.Second
			c.send(m)
		})
		m.agents["a"] = a
		m.register("a", func(c *Cluster) { c.IdleRefresh = time.Hour })
		status := m.wantReason("a", Succeeded)
		wantEqual(t, "observed", time.Since(status.ObservedAt), 7*time.Second)
		wantEqual(t, "received", time.Since(status.ReceivedAt), 0)
	})
}
