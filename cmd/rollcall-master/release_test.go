package main

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsReturnedAfterABurst(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct {
		name string
		// looks are what is held and what was allocated since the look before, in MiB.
		looks [][2]uint64
		want  []bool
	}{
		{"the start is a burst", [][2]uint64{{40, 300}, {40, 1}}, []bool{false, true}},
		{"nothing is returned twice", [][2]uint64{{40, 0}, {40, 0}, {47, 0}}, []bool{true, false, false}},
		{"a burst and silence", [][2]uint64{{40, 0}, {130, 400}, {130, 0}, {60, 0}}, []bool{true, false, true, false}},
		{"what is needed again at once stays", [][2]uint64{{40, 0}, {60, 4}, {60, 4}, {60, 3}}, []bool{true, false, false, true}},
		{"the runtime returned some by itself", [][2]uint64{{100, 0}, {40, 1}, {47, 1}, {48, 1}}, []bool{true, false, false, true}},
	} {
		var r releaser
		allocated := uint64(0)
		for i, look := range tc.looks {
			allocated += look[1] * mib
			now := footprint{held: look[0] * mib, allocated: allocated}
			got := r.shouldRelease(now)
			if got != tc.want[i] {
				t.Errorf("%s: look %d: %t, want %t", tc.name, i+1, got, tc.want[i])
			}
			if got {
				r.released(now)
			}
		}
	}
}

func TestReleaseMemoryEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { releaseMemory(ctx) })
		<-time.After(3 * releaseInterval)
		cancel()
		all.Wait()
	})
}
