package main

import (
	"runtime/debug"
	"testing"
)

func TestGOGCWinsOverOurOwnSetting(t *testing.T) {
	for env, want := range map[string]struct{ first, then int }{"": {gcPercent, gcPercentSettled}, "77": {77, 77}} {
		t.Setenv("GOGC", env)
		before := debug.SetGCPercent(77)
		settle := saveMemory()
		first := debug.SetGCPercent(77)
		settle()
		if then := debug.SetGCPercent(before); first != want.first || then != want.then {
			t.Errorf("GOGC=%q leaves %d, then %d, want %+v", env, first, then, want)
		}
	}
}
