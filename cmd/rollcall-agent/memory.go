package main

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage there may be for all that is alive before it is
// collected. Most of an agent's memory is facts that stay, and it makes little garbage
// once it has read its cluster: Go's own 100 would be memory that is never needed
// again, and 20 costs some collections more while the first lists are read.
const gcPercent = 20

// saveMemory has the collector keep to gcPercent, unless GOGC says otherwise. A
// GOMEMLIMIT holds beside it, as ever.
func saveMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
