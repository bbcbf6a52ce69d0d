package owner_test

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/master/session"
)

// reporting returns the masters that have a session with the agent.
func reporting(masters ...*master) (with []*master) {
	for _, m := range masters {
		if m.sessions.Status(name).Session.Phase == session.Reporting {
			with = append(with, m)
		}
	}
	return with
}

// wantStored fails the test unless the Store has what a reader of the master has seen.
func (m *master) wantStored() {
	m.env.t.Helper()
	r, err := m.env.store.Load(m.env.t.Context(), name, time.Hour)
	if err != nil || r.Version() != m.last {
		m.env.t.Fatalf("the Store has %v, %v; want what %s has, %s", r, err, m.name, m.last)
	}
}

func TestTwoMastersThatBelieveToOwnAClusterDoNotFight(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		a, b := env.startMaster("a"), env.startMaster("b")
		env.observe(10*time.Minute, a, b)
		if n := a.dials + b.dials; n > 50 {
			t.Errorf("the masters have dialed %d times in 10 min", n)
		}
		if with := reporting(a, b); len(with) != 1 || env.agent.sessions(t) != 1 {
			t.Fatalf("%d masters are reporting, and the agent has %v sessions, want one", len(with), env.agent.sessions(t))
		}
		reporting(a, b)[0].wantStored()
		for _, m := range []*master{a, b} {
			if s := m.sessions.Status(name); s.Reason != session.Succeeded {
				t.Errorf("%s is %s: %s", m.name, s.Reason, s.Message)
			}
			m.stop()
		}
	})
}

// TestOwnerThatWasStoppedChangesNothing stops the owner for 2.5 s, in which another master takes the cluster. After
// 3 s its session would count as silent.
func TestOwnerThatWasStoppedChangesNothing(t *testing.T) {
	for name, storeAway := range map[string]bool{"with the Store": false, "while the Store is away": true} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, env *environment) {
				a := env.startMaster("a")
				env.observe(5*time.Second, a)
				env.store.set(storeAway, false)
				a.pause()
				env.observe(500*time.Millisecond, a)
				before := a.last
				b := env.startMaster("b")
				env.observe(2*time.Second, a, b)
				if b.last.Term <= before.Term || b.last.Seq <= before.Seq {
					t.Fatalf("the next owner has %s after %s", b.last, before)
				}
				a.resume()
				a.look()
				b.look()
				if a.last.Term > before.Term {
					t.Errorf("the owner that was stopped has %s, in the term of the next owner", a.last)
				}
				if reason := a.sessions.Status("prod-eu").LastEndReason; reason != "superseded" {
					t.Errorf("its session ended as %q, want superseded", reason)
				}
				if len(reporting(a)) > 0 || len(reporting(b)) != 1 || env.agent.sessions(t) != 1 {
					t.Errorf("%d of the next owner and %d of the other are reporting; the agent has %v sessions", len(reporting(b)), len(reporting(a)), env.agent.sessions(t))
				}
				if !storeAway {
					b.wantStored()
				}
				a.stop()
				b.stop()
			})
		})
	}
}

// TestTermsGrowWithoutTheStore takes the cluster in turn while the Store is away, after it was flushed, after the agent
// has restarted, and from a master whose clock is an hour ahead.
func TestTermsGrowWithoutTheStore(t *testing.T) {
	run(t, func(t *testing.T, env *environment) {
		ahead := uint64(time.Now().Add(time.Hour).UnixMilli())
		if err := env.store.TakeTerm(t.Context(), name, ahead); err != nil {
			t.Fatal(err)
		}
		var last uint64
		take := func(what string) *master {
			t.Helper()
			m := env.startMaster(what)
			env.observe(3*time.Second, m)
			if m.last.Term <= last {
				t.Fatalf("%s: got term %d after %d", what, m.last.Term, last)
			}
			last = m.last.Term
			return m
		}
		first := take("after a master whose clock is ahead")
		if last <= ahead {
			t.Errorf("got term %d, want one above %d", last, ahead)
		}
		first.stop()
		env.store.set(true, false)
		take("while the Store is away").stop()
		env.store.set(false, true)
		second := take("after the Store was flushed")
		env.observe(5*time.Second, second)
		second.wantStored()
		env.agent.stop()
		env.agent = env.startAgent(2)
		env.observe(time.Minute, second)
		if second.last.Term <= last || second.last.Epoch != 2 {
			t.Errorf("after the agent has restarted: got %s after term %d", second.last, last)
		}
		second.wantStored()
		second.stop()
	})
}
