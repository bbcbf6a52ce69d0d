package cachetest

import (
	"context"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
)

func testWatchOrder(t *testing.T, s cache.Store) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := statetest.New(13, 2, 20)
	states := map[uint64]*state.State{w.State.Seq: w.State}
	save(t, s, "a", Entry(1, w.State))
	var last uint64
	steps := 0
	for e, err := range s.Watch(ctx, "a", LongTTL, cache.Version{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.State.Seq <= last {
			t.Fatalf("got seq %d after %d, want a greater one", e.State.Seq, last)
		}
		last = e.State.Seq
		WantState(t, e.State, states[last])
		if steps++; steps == 12 {
			return
		}
		w.Step(3)
		states[w.State.Seq] = w.State
		save(t, s, "a", Entry(1, w.State))
	}
	t.Fatalf("the watch ended after %d updates: %v", steps, ctx.Err())
}

func testWatchSkipsOlder(t *testing.T, s cache.Store) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := statetest.New(14, 2, 20)
	save(t, s, "a", Entry(3, w.State))
	after := Entry(3, w.State).Version()
	after.Seq++
	done := make(chan cache.Entry, 1)
	go func() {
		defer close(done)
		for e, err := range s.Watch(ctx, "a", LongTTL, after) {
			if err == nil {
				done <- e
			}
			return
		}
	}()
	w.Step(9)
	save(t, s, "a", Entry(3, w.State))
	if e := <-done; e.State == nil || e.State.Seq != w.State.Seq {
		t.Errorf("got %+v, want the State at seq %d", e, w.State.Seq)
	}
}

func testWatchEnds(t *testing.T, s cache.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for _, err := range s.Watch(ctx, "a", LongTTL, cache.Version{}) {
			ended <- err
			return
		}
		ended <- nil
	}()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the watch ended with %v, want no error", err)
	}
}
