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
		// footprints has pairs of what is held and what was allocated since the previous pair, in MiB.
		footprints [][2]uint64
		want       []bool
	}{
		{"the start is a burst", [][2]uint64{{40, 300}, {40, 1}}, []bool{false, true}},
		{"nothing is returned twice", [][2]uint64{{40, 0}, {40, 0}, {47, 0}}, []bool{true, false, false}},
		{"a burst and idleness", [][2]uint64{{40, 0}, {130, 400}, {130, 0}, {60, 0}}, []bool{true, false, true, false}},
		{"memory that is needed again is kept", [][2]uint64{{40, 0}, {60, 4}, {60, 4}, {60, 3}}, []bool{true, false, false, true}},
		{"the runtime returned some by itself", [][2]uint64{{100, 0}, {40, 1}, {47, 1}, {48, 1}}, []bool{true, false, false, true}},
	} {
		var r releaser
		allocated := uint64(0)
		for i, pair := range tc.footprints {
			allocated += pair[1] * mib
			now := footprint{held: pair[0] * mib, allocated: allocated}
			got := r.shouldRelease(now)
			if got != tc.want[i] {
				t.Errorf("%s: footprint %d: %t, want %t", tc.name, i+1, got, tc.want[i])
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
