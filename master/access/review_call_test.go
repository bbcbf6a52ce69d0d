package access

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// immediate is an acquireFunc that does not wait.
func immediate(context.Context) (func(), error) { return func() {}, nil }

// uncachedCall returns a call whose result is not stored.
func uncachedCall(put func(context.Context) (string, error)) reviewCall[string] {
	return reviewCall[string]{key: "may jane?", acquire: immediate, review: put, store: func(string) {}}
}

func TestIdenticalReviewsAreSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := reviewGroup[string]{outage: newOutage(func(error) {})}
		put := 0
		what := uncachedCall(func(context.Context) (string, error) {
			put++
			<-time.After(time.Second)
			return "yes", nil
		})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := q.do(t.Context(), what); got != "yes" || err != nil {
					t.Errorf("got %q and error %v, want yes", got, err)
				}
			})
		}
		impatient, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := q.do(impatient, what); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled caller: got error %v, want %v", err, context.Canceled)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		if put != 1 {
			t.Errorf("got %d calls, want 1", put)
		}
	})
}

func TestFirstCallerMayCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := reviewGroup[string]{outage: newOutage(func(error) {})}
		what := uncachedCall(func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Second):
				return "yes", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		first, cancel := context.WithCancel(t.Context())
		go func() { _, _ = q.do(first, what) }()
		synctest.Wait()
		time.AfterFunc(time.Millisecond, cancel)
		if got, err := q.do(t.Context(), what); got != "yes" || err != nil {
			t.Errorf("second caller: got %q and error %v, want yes", got, err)
		}
	})
}

func TestErrorsAreNotCached(t *testing.T) {
	q := reviewGroup[string]{outage: newOutage(func(error) {})}
	remembered, put := "", 0
	what := uncachedCall(func(context.Context) (string, error) {
		put++
		return map[bool]string{true: "yes"}[put > 1], map[bool]error{true: errors.New("away")}[put == 1]
	})
	what.store = func(result string) { remembered = result }
	if _, err := q.do(t.Context(), what); err == nil || remembered != "" {
		t.Fatalf("got error %v and stored %q, want an error and nothing stored", err, remembered)
	}
	if got, err := q.do(t.Context(), what); got != "yes" || err != nil || remembered != "yes" {
		t.Errorf("got %q, error %v, stored %q, want yes, returned and stored", got, err, remembered)
	}
}

// TestEachAttemptIsAdmitted checks that retries against a busy hub count for the limits.
func TestEachAttemptIsAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := reviewGroup[string]{outage: newOutage(func(error) {})}
		admissions, held := 0, 0
		what := uncachedCall(func(context.Context) (string, error) {
			return "", apierrors.NewTooManyRequests("busy", 0)
		})
		what.acquire = func(context.Context) (func(), error) {
			admissions++
			held++
			return func() { held-- }, nil
		}
		if _, err := q.do(t.Context(), what); err == nil || admissions != retryBackoff().Steps || held != 0 {
			t.Errorf("got error %v after %d admissions, %d not released, want an error after %d, all released", err, admissions, held, retryBackoff().Steps)
		}
	})
}
