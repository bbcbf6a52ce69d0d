package wire

import "errors"

// Budget bounds what one cluster takes of this process's memory, in bytes. A Receiver asks
// it before it decodes objects; what it asks for is an estimate, some percent above what
// they take.
//
// It is called by one goroutine at a time.
type Budget interface {
	// Reserve takes n bytes for what is about to be decoded. Its error wraps ErrBudget and
	// says what would make room.
	Reserve(n int64) error
}

// ErrBudget says that a cluster would take more memory than it may.
var ErrBudget = errors.New("the cluster takes too much of the master's memory")

// unbounded is the Budget of a Receiver that was given none.
type unbounded struct{}

func (unbounded) Reserve(int64) error { return nil }
