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

// atOnce is a turn that nobody waits for.
func atOnce(context.Context) (func(), error) { return func() {}, nil }

// forgotten is a question of which the answer is not remembered.
func forgotten(put func(context.Context) (string, error)) question[string] {
	return question[string]{key: "may jane?", turn: atOnce, put: put, remember: func(string) {}}
}

func TestOneQuestionOfManyIsPutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q questions[string]
		put := 0
		what := forgotten(func(context.Context) (string, error) {
			put++
			<-time.After(time.Second)
			return "yes", nil
		})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := q.ask(t.Context(), what); got != "yes" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		impatient, leave := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := q.ask(impatient, what); !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up got %v", err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
		if put != 1 {
			t.Errorf("put %d times, want once", put)
		}
	})
}

func TestTheFirstWhoAsksMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q questions[string]
		what := forgotten(func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Second):
				return "yes", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		})
		first, leave := context.WithCancel(t.Context())
		go func() { _, _ = q.ask(first, what) }()
		synctest.Wait()
		time.AfterFunc(time.Millisecond, leave)
		if got, err := q.ask(t.Context(), what); got != "yes" || err != nil {
			t.Errorf("the second got %q, %v", got, err)
		}
	})
}

func TestOnlyAnswersAreRemembered(t *testing.T) {
	var q questions[string]
	remembered, put := "", 0
	what := forgotten(func(context.Context) (string, error) {
		put++
		return map[bool]string{true: "yes"}[put > 1], map[bool]error{true: errors.New("away")}[put == 1]
	})
	what.remember = func(answer string) { remembered = answer }
	if _, err := q.ask(t.Context(), what); err == nil || remembered != "" {
		t.Fatalf("%v, remembered %q", err, remembered)
	}
	if got, err := q.ask(t.Context(), what); got != "yes" || err != nil || remembered != "yes" {
		t.Errorf("%q, %v, remembered %q; want an answer", got, err, remembered)
	}
}

// TestEachAttemptTakesATurn holds that a hub which is busy is not asked more often than one
// which is not.
func TestEachAttemptTakesATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q questions[string]
		turns, held := 0, 0
		what := forgotten(func(context.Context) (string, error) {
			return "", apierrors.NewTooManyRequests("busy", 0)
		})
		what.turn = func(context.Context) (func(), error) {
			turns++
			held++
			return func() { held-- }, nil
		}
		if _, err := q.ask(t.Context(), what); err == nil || turns != retries().Steps || held != 0 {
			t.Errorf("%v, %d turns, %d of them kept; want %d turns", err, turns, held, retries().Steps)
		}
	})
}
