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

func (f *fakeStore) NextTerm(ctx context.Context, _ string) (uint64, error) {
	if err := f.call(ctx, "term"); err != nil {
		return 0, err
	}
	f.lastTerm++
	return f.lastTerm, nil
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

func TestTermsGrowAcrossFailuresOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{lastTerm: 1 << 50} // above the Unix time
		s := newStore(f)
		var last uint64
		for i := range 6 {
			f.err = nil
			if i%3 == 1 {
				f.err = cache.ErrUnavailable
			}
			term := s.NextTerm(t.Context(), "a")
			if term <= last {
				t.Errorf("term %d: got %d after %d, want a higher one", i, term, last)
			}
			last = term
			f.lastTerm = max(f.lastTerm, last) // a cache.Store keeps its terms above those of this process
		}
	})
}

func TestSlowStoreIsGivenUpAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(&fakeStore{delay: time.Hour})
		start := time.Now()
		if _, err := s.Load(t.Context(), "a", time.Minute, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the error of a deadline", err)
		}
		if s.NextTerm(t.Context(), "a") == 0 {
			t.Error("got no term")
		}
		if took := time.Since(start); took != 2*Timeout {
			t.Errorf("two calls took %s, want %s", took, 2*Timeout)
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

func TestWriterSavesTheLatestReportOncePerPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		w := newStore(f).NewWriter("a")
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		const period = 5 * time.Second
		w.Save(reportWithSeq("a", 1), period)
		wantCalls(t, f, "first report", "save 1.1-1")
		for seq := range uint64(100) {
			<-time.After(period / 10)
			w.Save(reportWithSeq("a", seq+2), period)
		}
		synctest.Wait()
		for i := 1; i < len(f.savedAt); i++ {
			if gap := f.savedAt[i].Sub(f.savedAt[i-1]); gap < period {
				t.Errorf("save %d came %s after the one before, want at least %s", i, gap, period)
			}
		}
		if calls := f.taken(); len(calls) != 10 {
			t.Errorf("got %d saves in ten periods, want 10: %q", len(calls), calls)
		}
		<-time.After(period)
		w.Save(reportWithSeq("a", 500), period)
		w.Save(reportWithSeq("a", 501), period)
		cancel() // the last report is written although the master shuts down
		w.Close()
		if calls := f.taken(); len(calls) == 0 || calls[len(calls)-1] != "save 1.1-501" {
			t.Errorf("got calls %q at the end, want the last report", calls)
		}
	})
}

func TestDeletedClusterIsNotSavedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{}
		w := newStore(f).NewWriter("a")
		go w.Run(t.Context())
		w.Save(reportWithSeq("a", 1), time.Hour)
		wantCalls(t, f, "first report", "save 1.1-1")
		w.Save(reportWithSeq("a", 2), time.Hour)
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
		w.Save(reportWithSeq("a", 1), time.Second)
		wantCalls(t, f, "while the store fails", "save 1.1-1")
		f.mu.Lock()
		f.err = nil
		f.mu.Unlock()
		<-time.After(time.Second)
		w.Save(reportWithSeq("a", 2), time.Second)
		wantCalls(t, f, "after that", "save 1.1-2")
		w.Close()
	})
}
