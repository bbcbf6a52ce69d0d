package token

import (
	"sync"
	"time"
)

// maxRemembered is the largest number of used tokens that are remembered.
const maxRemembered = 10_000

// replayCache remembers used tokens until they would be refused because of their age.
type replayCache struct {
	limit int

	mu   sync.Mutex
	used map[string]bool
	// order has the tokens in the order of use. Their expiry is nearly in the same order, so
	// expired ones are removed from the front.
	order []usedToken
}

type usedToken struct {
	id    string
	until time.Time
}

// use records a token. It returns ErrReplayed if the token was used before, and ErrTooManyTokens
// if the cache is full.
func (m *replayCache) use(id string, until, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	switch {
	case m.used[id]:
		return ErrReplayed
	case len(m.order) >= m.limit:
		return ErrTooManyTokens
	case m.used == nil:
		m.used = map[string]bool{}
	}
	m.used[id] = true
	m.order = append(m.order, usedToken{id, until})
	return nil
}

func (m *replayCache) forget(now time.Time) {
	for len(m.order) > 0 && !now.Before(m.order[0].until) {
		delete(m.used, m.order[0].id)
		m.order = m.order[1:]
	}
}
