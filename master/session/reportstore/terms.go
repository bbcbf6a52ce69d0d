package reportstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// NextTerm returns the term to request from the agent for the next session of a cluster, as package wire specifies it.
// known is the highest term that this process knows of the cluster. While the cache.Store cannot be read, known and the
// time suffice: the agent grants a higher one if another master was granted it.
func (s *Store) NextTerm(ctx context.Context, cluster string, known uint64) uint64 {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	last, err := s.store.LastTerm(ctx, cluster)
	if err != nil {
		s.log.Debug("cannot read the last term from the store", "cluster", cluster, "error", err)
	}
	return max(known+1, last+1, uint64(max(time.Now().UnixMilli(), 1)))
}

// TakeTerm records the term of an owner's session in the cache.Store, and returns it: the granted one, or the requested
// one if the agent grants no terms or its clock is wrong. The error wraps cache.ErrSuperseded if another master owns the
// cluster. A Store that cannot be reached causes no error, since the agent has ended the sessions of other owners.
func (s *Store) TakeTerm(ctx context.Context, cluster string, requested, granted uint64) (uint64, error) {
	term := granted
	if granted < requested || granted > cache.MaxTerm(time.Now()) {
		term = requested
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	err := s.store.TakeTerm(ctx, cluster, term)
	switch {
	case errors.Is(err, cache.ErrSuperseded):
		return 0, fmt.Errorf("take term %d: %w", term, err)
	case err != nil:
		s.log.Debug("cannot write the term to the store", "cluster", cluster, "error", err)
	}
	return term, nil
}

// GuestTerm returns the term of a guest's session: that of the owner, which the agent has granted. An agent that grants
// no terms is reported under the term of the last report if it is the same agent process, and else under the requested
// one.
func GuestTerm(requested, granted uint64, epoch uint64, last report.Version) uint64 {
	switch {
	case granted > 0 && granted >= last.Term && granted <= cache.MaxTerm(time.Now()):
		return granted
	case last.Term > 0 && last.Epoch == epoch:
		return last.Term
	}
	return requested
}
