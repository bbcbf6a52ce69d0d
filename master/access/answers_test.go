package access

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneQuestionOfManyIsPutOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, asked := newAnswers[string](), 0
		ask := func(context.Context) (string, error) {
			asked++
			<-time.After(time.Second)
			return "yes", nil
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := a.to(t.Context(), []byte("may jane?"), ask); got != "yes" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		impatient, leave := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := a.to(impatient, []byte("may jane?"), ask); !errors.Is(err, context.Canceled) {
				t.Errorf("who gave up got %v", err)
			}
		})
		synctest.Wait()
		leave()
		all.Wait()
		if asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
	})
}

func TestTheFirstWhoAsksMayLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAnswers[string]()
		ask := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(time.Second):
				return "yes", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		first, leave := context.WithCancel(t.Context())
		go func() { _, _ = a.to(first, []byte("q"), ask) }()
		synctest.Wait()
		time.AfterFunc(time.Millisecond, leave)
		if got, err := a.to(t.Context(), []byte("q"), ask); got != "yes" || err != nil {
			t.Errorf("the second got %q, %v", got, err)
		}
	})
}

func TestWhatWasNotAnsweredIsAskedAgain(t *testing.T) {
	a, asked := newAnswers[bool](), 0
	ask := func(context.Context) (bool, error) {
		asked++
		return asked > 1, map[bool]error{true: errors.New("away")}[asked == 1]
	}
	if _, err := a.to(t.Context(), []byte("q"), ask); err == nil {
		t.Fatal("no error")
	}
	if got, err := a.to(t.Context(), []byte("q"), ask); !got || err != nil {
		t.Errorf("%v, %v; want an answer", got, err)
	}
	if _, _ = a.to(t.Context(), []byte("q"), ask); asked != 2 {
		t.Errorf("asked %d times, want that the answer is remembered", asked)
	}
}
