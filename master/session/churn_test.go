package session

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// TestNothingGoesBackOrIsLeftBehindWhateverHappens has readers, a registry and
// agents do as they like for some minutes.
func TestNothingGoesBackOrIsLeftBehindWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		act(t, func(t *testing.T, s *stage) {
			random := rand.New(rand.NewPCG(seed, 1))
			agents := map[string]*agent{}
			for i := range 4 {
				script := unsteady(rand.New(rand.NewPCG(seed, uint64(i))))
				agents[name(i)] = s.scripted(name(i), script, func(c *Cluster) { c.IdleRefresh = 20 * time.Second })
			}
			end := make(chan struct{})
			var readers sync.WaitGroup
			for i := range 12 {
				pace := time.Duration(1+random.IntN(9_000)) * time.Millisecond
				readers.Go(func() { s.readAndCompare(name(i%4), pace, end) })
			}
			for range 150 {
				s.pass(time.Duration(random.IntN(3000)) * time.Millisecond)
				n := name(random.IntN(4))
				switch random.IntN(6) {
				case 0:
					s.edit(n, func(c *Cluster) { c.Suspended = !c.Suspended })
				case 1:
					s.edit(n, func(c *Cluster) { c.Continuous = !c.Continuous })
				case 2:
					s.edit(n, func(c *Cluster) { c.SessionDuration = time.Duration(5+random.IntN(20)) * time.Second })
				default:
					agents[n].change(3)
				}
			}
			close(end)
			readers.Wait()
			for n := range agents {
				s.edit(n, func(c *Cluster) { c.Suspended = true })
			}
			s.pass(time.Minute)
			for n, a := range agents {
				s.wantIdle(n)
				_, open, _, _ := a.seen()
				want(t, "connections", open, 0)
			}
			s.sessions.summaries.mu.Lock()
			places := s.sessions.summaries.freeSlots
			s.sessions.summaries.mu.Unlock()
			want(t, "refresh places", places, maxSummaries)
			want(t, "dial places", s.sessions.handshakeSlots.free, maxHandshakes)
		})
	}
}

// readAndCompare reads now and then, and fails if a value is not fresh or a version
// goes back.
func (s *stage) readAndCompare(name string, pace time.Duration, end <-chan struct{}) {
	var last cache.Version
	for {
		select {
		case <-end:
			return
		case <-time.After(pace):
		}
		v, err := s.await(name, pace)
		var unreachable *UnreachableError
		switch {
		case err == nil:
			if !v.Fresh(time.Now()) {
				s.t.Errorf("%s: what was given expired %s ago", name, time.Since(v.ExpiresAt))
			}
			if v.version().Compare(last) < 0 {
				s.t.Errorf("%s: %s after %s", name, v.version(), last)
			}
			last = v.version()
		case !errors.Is(err, ErrSuspended) && !errors.Is(err, ErrNoReport) && !errors.As(err, &unreachable):
			s.t.Errorf("%s: %v", name, err)
		}
	}
}

// unsteady is an agent that obeys, but not for long.
func unsteady(random *rand.Rand) func(*talk) {
	var mu sync.Mutex
	return func(k *talk) {
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
				_ = k.conn.CloseNow()
			case 1:
				k.sendRaw([]byte("garbage"))
			}
		}()
		if kind == 2 {
			<-time.After(after)
		}
		k.serve()
	}
}

func TestSyncAndAwaitFromManySidesAtOnce(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for range 20 {
					switch i % 5 {
					case 0:
						s.sessions.Sync("a")
					case 1:
						s.sessions.Status("a")
						s.sessions.LastReport("a")
					case 2:
						s.sessions.Watch("a")()
					default:
						if _, err := s.await("a", 9*time.Second); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		synctest.Wait()
		want(t, "dials", s.dialsOf("a"), 1)
	})
}
