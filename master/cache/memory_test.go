package cache_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
)

func TestMemory(t *testing.T) {
	cachetest.Run(t, func(*testing.T) cache.Store { return cache.NewMemory() })
}

func TestMemoryKeepsTheReportItselfUntilRetainUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := cache.NewMemory()
		r := cachetest.Report(1, statetest.New(1, 1, 3).State)
		if err := m.Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Until(cache.RetainUntil(r)) - time.Nanosecond)
		if got, err := m.Load(t.Context(), "a", time.Hour); err != nil || got != r {
			t.Fatalf("just before RetainUntil: got another report or error %v, want the saved one", err)
		}
		<-time.After(time.Nanosecond)
		if _, err := m.Load(t.Context(), "a", time.Hour); !errors.Is(err, cache.ErrMiss) {
			t.Fatalf("at RetainUntil: got %v, want a miss", err)
		}
	})
}
