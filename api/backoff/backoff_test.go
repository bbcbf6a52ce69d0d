package backoff

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestDelayDoublesUpToMax(t *testing.T) {
	for _, tc := range []struct {
		failures       int
		jitter, random float64
		want           time.Duration
	}{
		{1, 0, 0, 500 * time.Millisecond},
		{2, 0, 0.9, time.Second},
		{6, 0, 0, 16 * time.Second},
		{7, 0, 0, 30 * time.Second},
		{1 << 30, 0, 0, 30 * time.Second},
		{2, 1, 0, 0},
		{2, 1, 0.25, 250 * time.Millisecond},
		{2, 0.5, 0, 500 * time.Millisecond},
		{2, 0.5, 0.5, 750 * time.Millisecond},
	} {
		b := Backoff{Min: 500 * time.Millisecond, Max: 30 * time.Second, Jitter: tc.jitter}
		if got := b.Delay(tc.failures, tc.random); got != tc.want {
			t.Errorf("jitter %v: got %s after %d failures with the random number %v, want %s", tc.jitter, got, tc.failures, tc.random, tc.want)
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if !Sleep(ctx, 59*time.Second) {
			t.Error("Sleep was interrupted before its context ended")
		}
		if Sleep(ctx, time.Hour) {
			t.Error("Sleep returned true, although its context ended")
		}
	})
}
