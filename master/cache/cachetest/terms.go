package cachetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// wantSuperseded fails the test unless the Store refuses a report because of its term.
func wantSuperseded(t *testing.T, s cache.Store, r *report.Report) {
	t.Helper()
	if err := s.Save(t.Context(), r); !errors.Is(err, cache.ErrSuperseded) {
		t.Fatalf("save in term %d: got %v, want ErrSuperseded", r.Term, err)
	}
}

func testOlderTermAfterExpiry(t *testing.T, s cache.Store) {
	w := statetest.New(9, 1, 5)
	e := Report(5, w.State)
	e.ExpiresAt = time.Now().Add(100 * time.Millisecond)
	e.DemandUntil = time.Time{}
	save(t, s, "a", e)
	w.Step(1)
	wantSuperseded(t, s, Report(4, w.State))
	Eventually(t, "the entry is removed", func() bool {
		_, err := s.Load(t.Context(), "a", LongTTL)
		return errors.Is(err, cache.ErrMiss)
	})
	wantSuperseded(t, s, Report(4, w.State))
	wantMiss(t, s, "a")
	save(t, s, "a", Report(5, w.State))
	WantState(t, load(t, s, "a"), w.State)
}

func testTakeTerm(t *testing.T, s cache.Store) {
	wantLast := func(cluster string, want uint64) {
		t.Helper()
		if got, err := s.LastTerm(t.Context(), cluster); err != nil || got != want {
			t.Errorf("got the last term %d of %s, error %v; want %d", got, cluster, err, want)
		}
	}
	wantLast("a", 0)
	for round := range uint64(20) {
		term := uint64(time.Now().UnixMilli()) + 10*round
		var taken atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				err := s.TakeTerm(context.Background(), "a", term)
				switch {
				case err == nil:
					taken.Add(1)
				case !errors.Is(err, cache.ErrSuperseded):
					t.Errorf("got %v, want ErrSuperseded", err)
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != 1 {
			t.Fatalf("%d of four have taken term %d, want one", n, term)
		}
		if err := s.TakeTerm(t.Context(), "a", term-1); !errors.Is(err, cache.ErrSuperseded) {
			t.Errorf("a lower term: got %v, want ErrSuperseded", err)
		}
		wantLast("a", term)
	}
	wantLast("b", 0)
}

func testTakenTermRefusesOlderReports(t *testing.T, s cache.Store) {
	w := statetest.New(12, 1, 5)
	save(t, s, "a", Report(5, w.State))
	if err := s.TakeTerm(t.Context(), "a", 7); err != nil {
		t.Fatal(err)
	}
	before := w.State
	w.Step(1)
	wantSuperseded(t, s, Report(5, w.State))
	wantSuperseded(t, s, Report(6, w.State))
	WantState(t, load(t, s, "a"), before)
	save(t, s, "a", Report(7, w.State))
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	wantSuperseded(t, s, Report(6, w.State))
	save(t, s, "a", Report(8, w.State))
	if last, err := s.LastTerm(t.Context(), "a"); err != nil || last != 8 {
		t.Errorf("got the last term %d, error %v; want that of the last report, 8", last, err)
	}
}
