package session

import (
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

func TestIdleClusterIsAskedForOneSummaryNowAndThen(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.IdleRefresh = 5 * time.Minute })
		synctest.Wait()
		o := s.wantReason("a", Succeeded)
		want(t, "nodes", o.Summary.Nodes.Total, 2)
		want(t, "uid", o.UID, "uid-a")
		want(t, "phase", o.Session.Phase, Idle)
		if _, ok := s.sessions.LastReport("a"); ok {
			t.Error("a summary gave a value")
		}
		_, open, summaries, _ := a.seen()
		want(t, "summaries at first sight", summaries, 1)
		want(t, "connections", open, 0)
		s.pass(time.Hour)
		_, _, summaries, _ = a.seen()
		want(t, "summaries after an hour", summaries, 13)
		want(t, "sessions", a.sessions(), 0)
		s.wantIdle("a")
	})
}

func TestWhatDidNotChangeIsNotSentAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		problems := []state.Problem{{Kind: "NodeNotReady", What: "n1", Since: 7}}
		requested := state.Resources{CPUMillis: 1500, MemoryBytes: 3 << 30, Extended: map[string]int64{"nvidia.com/gpu": 2, "hugepages-2Mi": 1 << 20}}
		left := 0
		a := s.cluster("a", func(c *Cluster) { c.IdleRefresh = 5 * time.Minute })
		a.play(func(k *talk) {
			m := k.handshake()
			if m == nil {
				return
			}
			answer := summaryOf(k.agent.state())
			answer.Summary.Problems, answer.Summary.ProblemCount = problems, 1
			answer.Summary.Requested = requested
			answer.SameProblems = m.ProblemsHash == wire.HashProblems(problems)
			answer.SameResources = m.ResourcesHash == wire.HashResources(k.identity(), &answer.Summary)
			if answer.SameProblems && answer.SameResources {
				k.agent.count(func() { left++ })
			}
			k.send(answer)
			_ = k.conn.CloseNow()
		})
		s.pass(time.Hour)
		o := s.wantReason("a", Succeeded)
		if !reflect.DeepEqual(o.Summary.Problems, problems) {
			t.Errorf("problems %+v, want %+v", o.Summary.Problems, problems)
		}
		if !reflect.DeepEqual(o.Summary.Requested, requested) {
			t.Errorf("requested %+v, want %+v", o.Summary.Requested, requested)
		}
		if left < 10 {
			t.Errorf("they were left out %d times", left)
		}
	})
}

func TestIdleRefreshOfZeroIsNever(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.pass(time.Hour)
		want(t, "dials", s.dialsOf("a"), 0)
		s.wantReason("a", AwaitingFirstContact)
		s.edit("a", func(c *Cluster) { c.IdleRefresh = time.Minute })
		s.pass(time.Hour)
		want(t, "dials", s.dialsOf("a"), 60)
		s.edit("a", func(c *Cluster) { c.IdleRefresh = 0 })
		s.pass(time.Hour)
		want(t, "dials", s.dialsOf("a"), 60)
	})
}

func TestNoSummaryIsAskedForWhileASessionIsOpen(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.IdleRefresh = time.Minute })
		release := s.sessions.Watch("a")
		s.pass(time.Hour)
		_, _, summaries, _ := a.seen()
		if summaries > 1 {
			t.Errorf("%d summaries beside a session", summaries)
		}
		release()
		s.pass(15*time.Second + time.Minute)
		_, _, after, _ := a.seen()
		want(t, "summaries after the session", after, summaries+1)
	})
}

func TestFailedRefreshIsToldButDelaysNobody(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a", func(c *Cluster) { c.IdleRefresh = 5 * time.Minute })
		o := s.wantReason("a", DialFailed)
		want(t, "ready", o.Ready, state.False)
		want(t, "phase", o.Session.Phase, Idle)
		a := newAgent(t, "a")
		s.mu.Lock()
		s.agents["a"] = a
		s.mu.Unlock()
		start := time.Now()
		s.get("a")
		want(t, "waited", time.Since(start), 0)
	})
}

func TestReaderDoesNotWaitForARefresh(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.IdleRefresh = time.Hour })
		s.pass(0)
		hang := make(chan struct{})
		a.play(func(k *talk) {
			if m := k.handshake(); m != nil && m.SummaryOnly {
				<-hang
				return
			} else if m != nil {
				k.flushUntilEnd(k.grantTo(m))
			}
		})
		s.edit("a", func(c *Cluster) { c.Endpoint = "ws://a:8443" }) // which makes a summary due
		s.pass(time.Second)
		_, open, summaries, _ := a.seen()
		want(t, "refreshes under way", open, 1)
		want(t, "summaries", summaries, 2)
		start := time.Now()
		s.get("a")
		want(t, "waited", time.Since(start), 0)
		close(hang)
		s.pass(time.Second)
		places := s.sessions.summaries
		places.mu.Lock()
		want(t, "free places", places.freeSlots, maxSummaries)
		places.mu.Unlock()
	})
}

func TestRefreshesAreBoundedAndSpread(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		const clusters = 100
		var mu sync.Mutex
		now, most := 0, 0
		slots := map[time.Duration]int{}
		start := time.Now()
		for i := range clusters {
			script := func(k *talk) {
				mu.Lock()
				now++
				most = max(most, now)
				slots[time.Since(start).Truncate(time.Minute)]++
				mu.Unlock()
				if k.handshake() != nil {
					<-time.After(time.Second)
					k.send(summaryOf(&state.State{}))
				}
				mu.Lock()
				now--
				mu.Unlock()
			}
			s.scripted(name(i), script, func(c *Cluster) { c.IdleRefresh = 10 * time.Minute })
		}
		s.pass(5*time.Second + time.Millisecond) // 100 clusters, 20 at a time, a second each
		mu.Lock()
		atOnce, first := most, slots[0]
		mu.Unlock()
		want(t, "at once", atOnce, maxSummaries)
		if first < clusters || first > clusters+2 {
			t.Errorf("%d first sights, want %d", first, clusters)
		}
		s.pass(10 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		total := 0
		for minute, n := range slots {
			total += n
			if minute > 0 && n > clusters/4 {
				t.Errorf("%d in minute %s: %v", n, minute, slots)
			}
		}
		if total < 2*clusters || total > 2*clusters+2 {
			t.Errorf("%d summaries in ten minutes, want each twice", total)
		}
	})
}

func TestGrantInsteadOfASummaryIsAnError(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) {
			k.send(&k.agent.hello)
			if m, ok := k.receive().(*wire.SubscribeRequest); ok {
				k.grantTo(m)
				k.receive()
			}
		})
		s.edit("a", func(c *Cluster) { c.IdleRefresh = time.Hour; c.Endpoint = "ws://a:1" })
		s.wantReason("a", ProtocolError)
	})
}

func TestSummarySaysUntilWhenItIsTrue(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := newAgent(t, "a")
		a.play(func(k *talk) {
			if k.handshake() == nil {
				return
			}
			m := summaryOf(&state.State{})
			m.Ages[state.SectionNodes], m.Ages[state.SectionPods] = time.Second, 7*time.Second
			k.send(m)
		})
		s.agents["a"] = a
		s.register("a", func(c *Cluster) { c.IdleRefresh = time.Hour })
		o := s.wantReason("a", Succeeded)
		want(t, "observed", time.Since(o.ObservedAt), 7*time.Second)
		want(t, "received", time.Since(o.ReceivedAt), 0)
	})
}
