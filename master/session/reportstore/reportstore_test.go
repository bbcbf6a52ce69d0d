package reportstore

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session/admission"
)

// fakeStore is a cache.Store that records its calls, and can be slow or fail.
type fakeStore struct {
	mu       sync.Mutex
	calls    []string
	savedAt  []time.Time
	delay    time.Duration
	err      error
	lastTerm uint64
}

func (f *fakeStore) call(ctx context.Context, what string) error {
	f.mu.Lock()
	f.calls = append(f.calls, what)
	delay, err := f.delay, f.err
	f.mu.Unlock()
	select {
	case <-time.After(delay):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// set makes calls take some time, and fail unless err is nil.
func (f *fakeStore) set(delay time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay, f.err = delay, err
}

func (f *fakeStore) Load(ctx context.Context, cluster string, _ time.Duration) (*report.Report, error) {
	if err := f.call(ctx, "load "+cluster); err != nil {
		return nil, err
	}
	return reportWithSeq(cluster, 1), nil
}

func (f *fakeStore) Save(ctx context.Context, r *report.Report) error {
	f.mu.Lock()
	f.savedAt = append(f.savedAt, time.Now())
	f.mu.Unlock()
	return f.call(ctx, "save "+r.Version().String())
}

func (f *fakeStore) Delete(ctx context.Context, cluster string) error {
	return f.call(ctx, "delete "+cluster)
}

func (f *fakeStore) LastTerm(ctx context.Context, _ string) (uint64, error) {
	if err := f.call(ctx, "term"); err != nil {
		return 0, err
	}
	return f.lastTerm, nil
}

func (f *fakeStore) TakeTerm(ctx context.Context, _ string, term uint64) error {
	if err := f.call(ctx, "take"); err != nil {
		return err
	}
	if term <= f.lastTerm {
		return cache.ErrSuperseded
	}
	f.lastTerm = term
	return nil
}

// taken returns the calls since the last one of taken.
func (f *fakeStore) taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func reportWithSeq(cluster string, seq uint64) *report.Report {
	return &report.Report{Cluster: cluster, Term: 1, LazyState: wire.NewLazyState(&state.State{Epoch: 1, Seq: seq})}
}

func wantCalls(t *testing.T, f *fakeStore, when string, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := f.taken(); !slices.Equal(got, want) {
		t.Errorf("%s: got calls %q, want %q", when, got, want)
	}
}

func newStore(f *fakeStore) *Store {
	return New(f, admission.New().StoreLoads, slog.New(slog.DiscardHandler))
}

func TestSlowStoreIsGivenUpAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(&fakeStore{delay: time.Hour})
		start := time.Now()
		if _, err := s.Load(t.Context(), "a", time.Minute, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the error of a deadline", err)
		}
		if s.NextTerm(t.Context(), "a", 0) == 0 {
			t.Error("got no term")
		}
		if term, err := s.TakeTerm(t.Context(), "a", 7, 9); term != 9 || err != nil {
			t.Errorf("got term %d, error %v, want 9", term, err)
		}
		if took := time.Since(start); took != 3*Timeout {
			t.Errorf("three calls took %s, want %s", took, 3*Timeout)
		}
	})
}

func TestUrgentLoadsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{delay: time.Millisecond}
		slots := admission.New().StoreLoads
		s := New(f, slots, slog.New(slog.DiscardHandler))
		var releases []func()
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			release, err := slots.Acquire(ctx, 1, nil)
			cancel()
			if err != nil {
				break // all slots are taken
			}
			releases = append(releases, release)
		}
		load := func(cluster string, urgent bool) {
			go func() { _, _ = s.Load(t.Context(), cluster, time.Minute, func() bool { return urgent }) }()
			synctest.Wait()
		}
		load("idle-1", false)
		load("idle-2", false)
		load("read", true)
		releases[0]()
		<-time.After(time.Second)
		wantCalls(t, f, "one slot", "load read", "load idle-1", "load idle-2")
		for _, release := range releases[1:] {
			release()
		}
	})
}

func TestSaveWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		w := newStore(f).NewWriter("a")
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		save := func(seq uint64, stored bool, wait time.Duration) {
			t.Helper()
			start := time.Now()
			got := w.Save(reportWithSeq("a", seq)) == nil
			if took := time.Since(start); got != stored || took != wait {
				t.Errorf("seq %d: got %t after %s, want %t after %s", seq, got, took, stored, wait)
			}
			<-time.After(saveInterval)
		}
		save(1, true, 0)
		f.set(40*time.Millisecond, nil)
		save(2, true, 40*time.Millisecond)
		f.set(500*time.Millisecond, nil)
		save(3, false, MaxWait)
		save(4, false, 0) // the Store is late
		save(5, false, 0)
		<-time.After(time.Second) // until it has 3 and 5
		wantCalls(t, f, "slow", "save 1.1-1", "save 1.1-2", "save 1.1-3", "save 1.1-5")
		f.set(0, nil)
		save(6, true, 0)
		f.set(0, cache.ErrUnavailable)
		save(7, false, 0)
		f.set(0, nil)
		save(8, true, 0)
		f.set(time.Minute, nil)
		save(9, false, MaxWait)
		save(10, false, 0)
		f.set(0, nil)
		cancel() // the last report is written although the master shuts down
		w.Close()
		if calls := f.taken(); len(calls) == 0 || calls[len(calls)-1] != "save 1.1-10" {
			t.Errorf("got calls %q at the end, want the last report", calls)
		}
	})
}

// TestSavesOfAClusterAreLimited saves 1,000 reports at once, as an agent could cause.
func TestSavesOfAClusterAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		w := newStore(f).NewWriter("a")
		go w.Run(t.Context())
		start := time.Now()
		for seq := range uint64(1000) {
			_ = w.Save(reportWithSeq("a", seq+1))
			<-time.After(time.Millisecond)
		}
		w.Close()
		elapsed := time.Since(start)
		if limit := saveBurst + int(elapsed/saveInterval) + 2; len(f.savedAt) > limit {
			t.Errorf("got %d saves in %s, want at most %d", len(f.savedAt), elapsed, limit)
		}
	})
}

func TestDeletedClusterIsNotSavedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		w := newStore(f).NewWriter("a")
		go w.Run(t.Context())
		_ = w.Save(reportWithSeq("a", 1))
		wantCalls(t, f, "first report", "save 1.1-1")
		f.set(time.Second, nil)
		_ = w.Save(reportWithSeq("a", 2))
		wantCalls(t, f, "second report", "save 1.1-2")
		_ = w.Save(reportWithSeq("a", 3))
		w.Delete()
		w.Close()
		wantCalls(t, f, "after Delete", "delete a")
	})
}

func TestWriterContinuesAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{err: cache.ErrUnavailable}
		w := newStore(f).NewWriter("a")
		go w.Run(t.Context())
		_ = w.Save(reportWithSeq("a", 1))
		wantCalls(t, f, "while the store fails", "save 1.1-1")
		f.set(0, nil)
		<-time.After(time.Second)
		_ = w.Save(reportWithSeq("a", 2))
		wantCalls(t, f, "after that", "save 1.1-2")
		w.Close()
	})
}
