package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestFairCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFairCache[int](10, 6)
		has := func(key string) bool { _, ok := c.get(key); return ok }
		c.add("few", "mine", 1, time.Hour)
		for i := range 100 {
			c.add("many", fmt.Sprint("many", i), i, time.Hour)
		}
		if !has("mine") || c.len() != 7 || has("many93") || !has("many94") {
			t.Errorf("got %d entries, has mine: %t, want mine and the last 6 of the other owner", c.len(), has("mine"))
		}
		for i := range 100 {
			c.add("more", fmt.Sprint("more", i), i, time.Hour)
		}
		if !has("mine") || c.len() != 10 {
			t.Errorf("got %d entries, has mine: %t, want mine and 9 others", c.len(), has("mine"))
		}
		c.add("few", "mine", 2, time.Minute)
		<-time.After(time.Minute)
		if has("mine") {
			t.Error("got an expired entry, want none")
		}
		<-time.After(time.Hour)
		c.add("few", "last", 3, time.Minute)
		if c.len() != 1 || len(c.owners) != 1 {
			t.Errorf("got %d entries of %d owners after expiry, want only the new one", c.len(), len(c.owners))
		}
		if c.remove("last"); has("last") || len(c.owners) != 0 {
			t.Error("got a removed entry, want none")
		}
	})
}

func TestLeastRecentlyUsedIsEvicted(t *testing.T) {
	c := newFairCache[int](10, 2)
	c.add("o", "a", 1, time.Hour)
	c.add("o", "b", 2, time.Hour)
	c.get("a")
	c.add("o", "c", 3, time.Hour)
	if _, ok := c.get("a"); !ok {
		t.Error("the more recently used entry was evicted, want it to stay")
	}
}

// newSlowQueue returns a queue that admits 10 callers a second with a burst of 2.
func newSlowQueue() *fairQueue {
	return newFairQueue(queueConfig{qps: 10, burst: 2, inFlight: 5, perKey: 3, waiting: 100, waitingPerKey: 50, timeout: time.Minute})
}

func TestBusyKeyDelaysOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newSlowQueue()
		var all sync.WaitGroup
		for range 40 {
			all.Go(func() {
				release, err := q.acquire(t.Context(), "much")
				if err != nil {
					t.Error(err)
					return
				}
				release()
			})
		}
		synctest.Wait()
		for range 5 {
			start := time.Now()
			release, err := q.acquire(t.Context(), "little")
			if elapsed := time.Since(start); err != nil || elapsed > 201*time.Millisecond {
				t.Errorf("got error %v after %s, want admission within 201ms", err, elapsed)
			}
			release()
		}
		start := time.Now()
		all.Wait()
		if elapsed := time.Since(start); elapsed < 2*time.Second {
			t.Errorf("the others were admitted after %s, want at least 2s", elapsed)
		}
		if len(q.keys) != 0 || q.ready.Len() != 0 || q.waiting != 0 || q.inFlight != 0 {
			t.Errorf("got %d keys, %d ready, %d waiting, %d in flight, want none", len(q.keys), q.ready.Len(), q.waiting, q.inFlight)
		}
	})
}

func TestInFlightLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newSlowQueue()
		for range q.config.burst {
			release, err := q.acquire(t.Context(), "first")
			if err != nil {
				t.Fatal(err)
			}
			release()
		}
		let := map[string]int{}
		var mu sync.Mutex
		for i := range 20 {
			key := []string{"a", "b", "c"}[i%3]
			go func() {
				if _, err := q.acquire(t.Context(), key); err == nil {
					mu.Lock()
					defer mu.Unlock()
					let[key]++
				}
			}()
		}
		<-time.After(30 * time.Second)
		synctest.Wait()
		mu.Lock()
		sum := let["a"] + let["b"] + let["c"]
		if mu.Unlock(); sum != 5 || slices.Max([]int{let["a"], let["b"], let["c"]}) > 2 {
			t.Errorf("got %v callers in flight, want 5 in total and at most 2 of each key", let)
		}
		<-time.After(time.Minute) // the others give up
		if q.waitingCallers() != 0 {
			t.Errorf("got %d waiting callers, want none", q.waitingCallers())
		}
	})
}

func TestWaitingLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newSlowQueue()
		ctx, cancel := context.WithCancel(t.Context())
		wait := func(key string) error {
			result := make(chan error, 1)
			go func() {
				_, err := q.acquire(ctx, key)
				result <- err
			}()
			synctest.Wait()
			select {
			case err := <-result:
				return err
			default:
				return nil
			}
		}
		refused := map[string]int{}
		for i := range 300 {
			key := []string{"a", "b", "c"}[i%3]
			if err := wait(key); errors.Is(err, errQueueFull) {
				refused[key]++
			}
		}
		if q.waiting > 103 || refused["a"] == 0 {
			t.Errorf("got %d waiting and %v rejected, want about 100 of 300 waiting", q.waiting, refused)
		}
		if err := wait("newcomer"); err != nil {
			t.Errorf("new key: got error %v, want it to wait", err)
		}
		cancel()
		synctest.Wait()
		if q.waitingCallers() != 0 {
			t.Errorf("got %d waiting callers after cancellation, want none", q.waitingCallers())
		}
		late := newFairQueue(queueConfig{qps: 0.001, burst: 1, inFlight: 1, perKey: 1, waiting: 1, waitingPerKey: 1, timeout: time.Second})
		if _, err := late.acquire(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if _, err := late.acquire(t.Context(), "a"); !errors.Is(err, errQueueTimeout) {
			t.Errorf("got %v, want %v", err, errQueueTimeout)
		}
	})
}
