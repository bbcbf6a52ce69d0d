package admission

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
)

func TestSemaphoreServesUrgentWaitersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(1)
		release, err := s.Acquire(t.Context(), 1, never)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		urgent := false
		for _, waiterName := range []string{"first", "second", "urgent"} {
			go func() {
				release, err := s.Acquire(t.Context(), 1, func() bool { return urgent && waiterName == "urgent" })
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
		wantEqual(t, "free slots", s.Free(), 1)
	})
}

func TestSemaphoreReleasesSlotsOfCancelledWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(1)
		release, _ := s.Acquire(t.Context(), 1, never)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			_, err := s.Acquire(ctx, 1, never)
			result <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
		release()
		wantEqual(t, "free slots", s.Free(), 1)

		// If a waiter is granted a slot and cancelled at the same time, the slot is released.
		release, _ = s.Acquire(t.Context(), 1, never)
		w := &waiter{n: 1, urgent: never, granted: make(chan struct{})}
		s.waiters = append(s.waiters, w)
		release()
		wantEqual(t, "free slots while a waiter has one", s.Free(), 0)
		s.withdraw(w)
		wantEqual(t, "free slots", s.Free(), 1)
	})
}

func never() bool { return false }

func TestSemaphoreCountsWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(1)
		release, _ := s.Acquire(t.Context(), 1, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = s.Acquire(ctx, 1, nil) }()
		synctest.Wait()
		wantEqual(t, "waiting", s.Waiting(), 1)
		cancel()
		synctest.Wait()
		wantEqual(t, "waiting after the cancellation", s.Waiting(), 0)
		release()
	})
}

func TestWaiterIsNotOvertakenByLaterOnesThatNeedLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSemaphore(10)
		release, _ := s.Acquire(t.Context(), 6, nil)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = s.Acquire(ctx, 99, nil) }() // more than the size counts as the size
		synctest.Wait()
		admitted := make(chan func(), 1)
		go func() {
			release, err := s.Acquire(t.Context(), 3, nil)
			if err != nil {
				t.Error(err)
			}
			admitted <- release
		}()
		synctest.Wait()
		wantEqual(t, "waiters", s.Waiting(), 2)
		cancel() // the waiter behind it fits
		synctest.Wait()
		(<-admitted)()
		release()
		release() // may be called again
		wantEqual(t, "free", s.Free(), 10)
		all, err := s.Acquire(t.Context(), 99, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "free", s.Free(), 0)
		all()
	})
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
