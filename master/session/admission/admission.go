// Package admission limits how much work the sessions of all clusters do at a time. Each limit is a
// Semaphore, except that of starting clusters, which is a Limiter. Limits has all of them.
package admission

import "runtime"

const (
	// MaxHandshakes is how many sessions may be between their dial and their first report. Otherwise the
	// first snapshots of 1,000 agents would be in memory at the same time.
	MaxHandshakes = 64
	// MaxSummaries is how many summaries are requested at a time.
	MaxSummaries = 20
	// startRate is how many clusters without requests start per second, for each processor. Otherwise all
	// would start at once when the master starts. MaxHandshakes of them start immediately.
	startRate = 100
)

// Limits has the limits of one master.
type Limits struct {
	// Handshakes limits sessions from the dial to the first report.
	Handshakes *Semaphore
	// CPU limits work that uses a processor for milliseconds. Half of the processors are reserved for
	// readers.
	CPU *Semaphore
	// StoreLoads limits loads from the Store, which are decoded.
	StoreLoads *Semaphore
	// Summaries limits requests for summaries.
	Summaries *Semaphore
	// Messages limits the memory of messages that are being read or decoded.
	Messages *MessageMemory
	// Starts limits the clusters that start per second.
	Starts *Limiter
}

// New returns the limits for this machine.
func New() *Limits {
	processors := max(1, runtime.GOMAXPROCS(0)/2)
	return &Limits{
		Handshakes: NewSemaphore(MaxHandshakes),
		CPU:        NewSemaphore(int64(processors)),
		StoreLoads: NewSemaphore(int64(processors)),
		Summaries:  NewSemaphore(MaxSummaries),
		Messages:   newMessageMemory(),
		Starts:     newLimiter(startRate*processors, MaxHandshakes),
	}
}
