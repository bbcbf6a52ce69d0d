package session

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateLetsTheUrgentInFirstAndTheOthersInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newPrioritySemaphore(1)
		leave, err := g.acquire(t.Context(), never)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		urgent := false
		for _, who := range []string{"first", "second", "urgent"} {
			go func() {
				leave, err := g.acquire(t.Context(), func() bool { return urgent && who == "urgent" })
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, who)
				mu.Unlock()
				leave()
			}()
			synctest.Wait()
		}
		urgent = true // as when a reader comes while it queues
		leave()
		synctest.Wait()
		if len(order) != 3 || order[0] != "urgent" || order[1] != "first" {
			t.Errorf("the order was %v", order)
		}
		want(t, "free", g.free, 1)
	})
}

func TestGateKeepsNoPlaceForWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newPrioritySemaphore(1)
		leave, _ := g.acquire(t.Context(), never)
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error)
		go func() {
			_, err := g.acquire(ctx, never)
			gaveUp <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		leave()
		want(t, "free", g.free, 1)

		// Called and cancelled at the same time: the place is handed on.
		leave, _ = g.acquire(t.Context(), never)
		ticket := &waiter{urgent: never, granted: make(chan struct{})}
		g.waiters = append(g.waiters, ticket)
		leave()
		want(t, "free while somebody is called", g.free, 0)
		g.withdraw(ticket)
		want(t, "free", g.free, 1)
	})
}

func never() bool { return false }

func TestHandshakesAreBoundedAndReadersComeFirst(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		var mu sync.Mutex
		now, most := 0, 0
		slow := func(k *talk) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-time.After(5 * time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			k.serve()
		}
		for i := range 90 {
			s.scripted(name(i), slow, func(c *Cluster) { c.Continuous = true })
		}
		s.scripted("read", slow)
		s.pass(time.Second)
		start := time.Now()
		s.get("read")
		if waited := time.Since(start); waited > 10*time.Second {
			t.Errorf("the reader waited %s behind clusters that nobody reads", waited)
		}
		mu.Lock()
		n := most
		mu.Unlock()
		want(t, "at once", n, maxHandshakes)
	})
}

func TestGateTellsHowManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newPrioritySemaphore(1)
		leave, _ := g.acquire(t.Context(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = g.acquire(ctx, nil) }()
		synctest.Wait()
		want(t, "waiting", g.waiting(), 1)
		cancel()
		synctest.Wait()
		want(t, "waiting, after it gave up", g.waiting(), 0)
		leave()
	})
}
