// Package reportstore keeps the reports of clusters in a cache.Store for other processes. Readers get a report after the
// Store has it, so that the next process has what they were told, and under the same version. A Store that is slow or
// cannot be reached delays them by MaxWait at most: writing has a goroutine of its own, and each call a timeout.
package reportstore

import (
	"context"
	"log/slog"
	"time"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session/admission"
)

// Timeout limits each call of the cache.Store.
const Timeout = time.Second

// Store reads and writes the reports of all clusters.
type Store struct {
	store cache.Store
	loads *admission.Semaphore
	log   *slog.Logger
}

// New returns a Store that uses store. loads limits how many reports are loaded at a time.
func New(store cache.Store, loads *admission.Semaphore, log *slog.Logger) *Store {
	return &Store{store: store, loads: loads, log: log}
}

// Load returns the report of a cluster, as cache.Store.Load. It waits for its turn. urgent reports whether a
// reader waits for the result.
func (s *Store) Load(ctx context.Context, cluster string, ttl time.Duration, urgent func() bool) (*report.Report, error) {
	release, err := s.loads.Acquire(ctx, 1, urgent)
	if err != nil {
		return nil, err
	}
	defer release()
	timed, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return s.store.Load(timed, cluster, ttl)
}
