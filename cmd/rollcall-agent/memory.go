package main

import (
	"os"
	"runtime/debug"
)

// How much garbage there may be for all that is alive before it is collected. Most of an
// agent's memory is facts that stay, and Go's own 100 would be memory that is never
// needed again.
const (
	// gcPercent is that of the start: less would have the first lists, which make much
	// garbage, be read for twice as long.
	gcPercent = 20
	// gcPercentSettled is that of ever after, when there is little garbage.
	gcPercentSettled = 10
)

// saveMemory has the collector keep to gcPercent, and from settle on to
// gcPercentSettled, unless GOGC says otherwise. A GOMEMLIMIT holds beside it, as ever.
func saveMemory() (settle func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(gcPercent)
	return func() { debug.SetGCPercent(gcPercentSettled) }
}
