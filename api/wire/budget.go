package wire

import "errors"

// Budget limits the memory that one cluster uses in this process, in bytes. A Receiver reserves
// memory before it decodes objects. The amounts are estimates, some percent above the actual use.
// Reserve is called by one goroutine at a time.
type Budget interface {
	// Reserve reserves n bytes for objects that are about to be decoded. Its error wraps ErrBudget
	// and says how to make the memory available.
	Reserve(n int64) error
}

// ErrBudget is returned if a cluster needs more memory than its Budget allows.
var ErrBudget = errors.New("the cluster takes too much of the master's memory")

// unlimitedBudget is the default Budget of a Receiver.
type unlimitedBudget struct{}

func (unlimitedBudget) Reserve(int64) error { return nil }
