package reportstore

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// TestRequestedTermsGrow has a Store that fails at times, loses its terms, or has those of a master whose clock is ahead.
func TestRequestedTermsGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		s := newStore(f)
		now := uint64(time.Now().UnixMilli())
		for _, step := range []struct {
			name         string
			stored       uint64
			err          error
			known, wants uint64
		}{
			{"nothing is known", 0, nil, 0, now},
			{"an older term is stored", now - 10, nil, now - 20, now},
			{"the stored term is of a clock that is ahead", now + 3_600_000, nil, now, now + 3_600_001},
			{"the store has lost it", 0, nil, now + 3_600_001, now + 3_600_002},
			{"the store cannot be read", now + 9_000_000, cache.ErrUnavailable, now + 3_600_001, now + 3_600_002},
			{"the store cannot be read, and nothing is known", now + 9_000_000, cache.ErrUnavailable, 0, now},
		} {
			f.lastTerm, f.err = step.stored, step.err
			if got := s.NextTerm(t.Context(), "a", step.known); got != step.wants {
				t.Errorf("%s: got %d, want %d", step.name, got, step.wants)
			}
		}
	})
}

func TestTakenTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := uint64(time.Now().UnixMilli())
		limit := cache.MaxTerm(time.Now())
		for _, tc := range []struct {
			name                       string
			stored, requested, granted uint64
			err                        error
			want                       uint64 // 0 if another master owns the cluster
		}{
			{"the agent grants the request", 0, now, now, nil, now},
			{"the agent grants a higher term", 0, now, now + 3_600_000, nil, now + 3_600_000},
			{"the agent grants no terms", 0, now, 0, nil, now},
			{"the agent's clock is far behind", 0, now, 86_400_000, nil, now},
			{"at the limit", 0, now, limit, nil, limit},
			{"a hostile agent", 0, now, limit + 1, nil, now},
			{"another master took the same term", now, now, 0, nil, 0},
			{"another master took a higher term", now + 5, now, now + 1, nil, 0},
			{"the store cannot be reached", now + 5, now, now + 1, cache.ErrUnavailable, now + 1},
		} {
			f := &fakeStore{lastTerm: tc.stored, err: tc.err}
			got, err := newStore(f).TakeTerm(t.Context(), "a", tc.requested, tc.granted)
			if superseded := errors.Is(err, cache.ErrSuperseded); got != tc.want || superseded != (tc.want == 0) {
				t.Errorf("%s: got term %d, error %v, want %d", tc.name, got, err, tc.want)
			}
		}
	})
}

func TestGuestReportsUnderTheOwnersTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := uint64(time.Now().UnixMilli())
		for _, tc := range []struct {
			name    string
			granted uint64
			last    report.Version
			want    uint64
		}{
			{"nothing is known", now - 5, report.Version{}, now - 5},
			{"reports of the owner are known", now - 5, report.Version{Term: now - 5, Epoch: 1}, now - 5},
			{"a newer owner", now - 5, report.Version{Term: now - 50, Epoch: 1}, now - 5},
			{"lower than what readers have", now - 5, report.Version{Term: now - 4, Epoch: 2}, now},
			{"far ahead", cache.MaxTerm(time.Now()) + 1, report.Version{}, now},
			{"no terms", 0, report.Version{}, now},
			{"no terms, the same agent process", 0, report.Version{Term: now - 5, Epoch: 1}, now - 5},
			{"no terms, another agent process", 0, report.Version{Term: now - 5, Epoch: 2}, now},
		} {
			if got := GuestTerm(now, tc.granted, 1, tc.last); got != tc.want {
				t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
			}
		}
	})
}

// TestSupersededWriterRefusesTheTerm has a Store that refuses a report whose Save did not wait for it.
func TestSupersededWriterRefusesTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{delay: 500 * time.Millisecond, err: cache.ErrSuperseded}
		w := newStore(f).NewWriter("a")
		go w.Run(t.Context())
		defer w.Close()
		if err := w.Save(reportWithSeq("a", 1)); err == nil || errors.Is(err, cache.ErrSuperseded) {
			t.Errorf("while the store is slow: got %v", err)
		}
		<-time.After(time.Second)
		f.set(0, nil)
		if err := w.Save(reportWithSeq("a", 2)); !errors.Is(err, cache.ErrSuperseded) {
			t.Errorf("after the store has refused the term: got %v, want ErrSuperseded", err)
		}
		next := reportWithSeq("a", 2)
		next.Term = 2
		if err := w.Save(next); err != nil {
			t.Errorf("a higher term: %v", err)
		}
	})
}
