package keysecret

import (
	"context"
	"errors"
	"time"
)

const (
	// Period is the time between two synchronizations in a running process. RetryPeriod replaces it
	// until the process is ready.
	Period      = time.Minute
	RetryPeriod = 2 * time.Second
)

// Loop keeps a process and its objects in agreement.
type Loop struct {
	// Sync synchronizes once.
	Sync func(context.Context) error
	// Ready returns an error if the process has no key yet.
	Ready func() error
	// LogError logs an error of Sync.
	LogError func(error)
	// Wake makes a running process synchronize at once when it receives a value. It may be nil.
	Wake <-chan struct{}

	// lastError is the last error that was logged, or "" after a success.
	lastError string
}

// Run calls Once now and then each Period until ctx ends, or after RetryPeriod while Ready returns an error.
func (l *Loop) Run(ctx context.Context) error {
	for {
		l.Once(ctx)
		wait := Period
		if l.Ready() != nil {
			wait = RetryPeriod
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		case <-l.Wake:
		}
	}
}

// Once calls Sync. It logs an error, unless it is the same as before.
func (l *Loop) Once(ctx context.Context) {
	err := l.Sync(ctx)
	switch {
	case err == nil:
		l.lastError = ""
	case err.Error() != l.lastError && !errors.Is(err, context.Canceled):
		l.lastError = err.Error()
		l.LogError(err)
	}
}
