package session

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPrioritySemaphoreServesUrgentWaitersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPrioritySemaphore(1)
		release, err := s.acquire(t.Context(), never)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		urgent := false
		for _, waiterName := range []string{"first", "second", "urgent"} {
			go func() {
				release, err := s.acquire(t.Context(), func() bool { return urgent && waiterName == "urgent" })
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, waiterName)
				mu.Unlock()
				release()
			}()
			synctest.Wait()
		}
		urgent = true // a reader arrives while it waits
		release()
		synctest.Wait()
		if len(order) != 3 || order[0] != "urgent" || order[1] != "first" {
			t.Errorf("order is %v, want the urgent waiter first", order)
		}
		wantEqual(t, "free slots", s.free, 1)
	})
}

func TestPrioritySemaphoreReleasesSlotsOfCancelledWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPrioritySemaphore(1)
		release, _ := s.acquire(t.Context(), never)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			_, err := s.acquire(ctx, never)
			result <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		release()
		wantEqual(t, "free slots", s.free, 1)

		// If a waiter is granted a slot and cancelled at the same time, the slot is released.
		release, _ = s.acquire(t.Context(), never)
		w := &waiter{urgent: never, granted: make(chan struct{})}
		s.waiters = append(s.waiters, w)
		release()
		wantEqual(t, "free slots while a waiter has one", s.free, 0)
		s.withdraw(w)
		wantEqual(t, "free slots", s.free, 1)
	})
}

func never() bool { return false }

func TestHandshakesAreLimitedAndReadersComeFirst(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		var mu sync.Mutex
		active, maximum := 0, 0
		slow := func(c *agentConn) {
			mu.Lock()
			active++
			maximum = max(maximum, active)
			mu.Unlock()
			<-time.After(5 * time.Second)
			mu.Lock()
			active--
			mu.Unlock()
			c.serve()
		}
		for i := range 90 {
			m.addClusterWithHandler(clusterName(i), slow, func(c *Cluster) { c.Continuous = true })
		}
		m.addClusterWithHandler("read", slow)
		m.advance(time.Second)
		start := time.Now()
		m.get("read")
		if waited := time.Since(start); waited > 10*time.Second {
			t.Errorf("the request waited %s, want at most 10 s", waited)
		}
		mu.Lock()
		n := maximum
		mu.Unlock()
		wantEqual(t, "handshakes at a time", n, maxHandshakes)
	})
}

func TestPrioritySemaphoreCountsWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newPrioritySemaphore(1)
		release, _ := s.acquire(t.Context(), nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = s.acquire(ctx, nil) }()
		synctest.Wait()
		wantEqual(t, "waiting", s.waiting(), 1)
		cancel()
		synctest.Wait()
		wantEqual(t, "waiting after the cancellation", s.waiting(), 0)
		release()
	})
}
