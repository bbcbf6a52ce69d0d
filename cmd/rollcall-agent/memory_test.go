package main

import (
	"runtime/debug"
	"testing"
)

func TestGOGCWinsOverOurOwnSetting(t *testing.T) {
	for env, want := range map[string]int{"": gcPercent, "77": 77} {
		t.Setenv("GOGC", env)
		before := debug.SetGCPercent(77)
		saveMemory()
		if got := debug.SetGCPercent(before); got != want {
			t.Errorf("GOGC=%q leaves %d, want %d", env, got, want)
		}
	}
}
