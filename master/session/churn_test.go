package session

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/session/admission"

	"rollcall.dev/rollcall/master/report"
)

// TestVersionsGrowAndNothingLeaksUnderRandomChanges runs readers against agents that fail at random, and
// changes the clusters at random for some minutes.
func TestVersionsGrowAndNothingLeaksUnderRandomChanges(t *testing.T) {
	for seed := range uint64(4) {
		withMaster(t, func(t *testing.T, m *testMaster) {
			random := rand.New(rand.NewPCG(seed, 1))
			agents := map[string]*fakeAgent{}
			for i := range 4 {
				handle := unreliable(rand.New(rand.NewPCG(seed, uint64(i))))
				agents[clusterName(i)] = m.addClusterWithHandler(clusterName(i), handle, func(c *Cluster) { c.IdleRefresh = 20 * time.Second })
			}
			done := make(chan struct{})
			var readers sync.WaitGroup
			for i := range 12 {
				interval := time.Duration(1+random.IntN(9_000)) * time.Millisecond
				readers.Go(func() { m.readAndCheck(clusterName(i%4), interval, done) })
			}
			for range 150 {
				m.advance(time.Duration(random.IntN(3000)) * time.Millisecond)
				n := clusterName(random.IntN(4))
				switch random.IntN(6) {
				case 0:
					m.edit(n, func(c *Cluster) { c.Suspended = !c.Suspended })
				case 1:
					m.edit(n, func(c *Cluster) { c.Continuous = !c.Continuous })
				case 2:
					m.edit(n, func(c *Cluster) { c.SessionDuration = time.Duration(5+random.IntN(20)) * time.Second })
				default:
					agents[n].change(3)
				}
			}
			close(done)
			readers.Wait()
			for n := range agents {
				m.edit(n, func(c *Cluster) { c.Suspended = true })
			}
			m.advance(time.Minute)
			for n, a := range agents {
				m.wantIdle(n)
				_, open, _, _ := a.counts()
				wantEqual(t, "connections", open, 0)
			}
			// The scheduler has one slot, with which it waits for the next summary.
			wantEqual(t, "free summary slots", m.sessions.limits.Summaries.Free(), admission.MaxSummaries-1)
			wantEqual(t, "free handshake slots", m.sessions.limits.Handshakes.Free(), admission.MaxHandshakes)
		})
	}
}

// readAndCheck requests a report after each interval, and fails the test if it is not fresh or its version is
// older than that of the one before.
func (m *testMaster) readAndCheck(name string, interval time.Duration, done <-chan struct{}) {
	var last report.Version
	for {
		select {
		case <-done:
			return
		case <-time.After(interval):
		}
		r, err := m.await(name, interval)
		var unreachable *UnreachableError
		switch {
		case err == nil:
			if !r.Fresh(time.Now()) {
				m.t.Errorf("%s: got a report that expired %s ago", name, time.Since(r.ExpiresAt))
			}
			if r.Version().Compare(last) < 0 {
				m.t.Errorf("%s: got version %s after %s", name, r.Version(), last)
			}
			last = r.Version()
		case !errors.Is(err, ErrSuspended) && !errors.Is(err, ErrNoReport) && !errors.As(err, &unreachable):
			m.t.Errorf("%s: %v", name, err)
		}
	}
}

// unreliable returns a handler that follows the protocol until it fails in one of several ways.
func unreliable(random *rand.Rand) func(*agentConn) {
	var mu sync.Mutex
	return func(c *agentConn) {
		mu.Lock()
		kind, after := random.IntN(5), time.Duration(random.IntN(12_000))*time.Millisecond
		mu.Unlock()
		gone := make(chan struct{})
		defer close(gone)
		go func() {
			select {
			case <-gone:
				return
			case <-time.After(after):
			}
			switch kind {
			case 0:
				_ = c.CloseNow()
			case 1:
				c.sendRaw([]byte("garbage"))
			}
		}()
		if kind == 2 {
			<-time.After(after)
		}
		c.serve()
	}
}

func TestConcurrentCalls(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for range 20 {
					switch i % 5 {
					case 0:
						m.sessions.Sync("a")
					case 1:
						m.sessions.Status("a")
						m.sessions.LastReport("a")
					case 2:
						m.watch(t.Context(), "a")()
					default:
						if _, err := m.await("a", 9*time.Second); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		synctest.Wait()
		wantEqual(t, "dials", m.dials("a"), 1)
	})
}
