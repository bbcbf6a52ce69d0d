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
	// order has the tokens in the order of use. They expire in nearly the same order, so expired
	// ones are removed from the front.
	order []usedToken
}

type usedToken struct {
	id    string
	until time.Time
}

// use records a token. It returns ErrReplayed if the token was used before, and ErrTooManyTokens
// if the cache is full.
func (c *replayCache) use(id string, until, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(now)
	switch {
	case c.used[id]:
		return ErrReplayed
	case len(c.order) >= c.limit:
		return ErrTooManyTokens
	case c.used == nil:
		c.used = map[string]bool{}
	}
	c.used[id] = true
	c.order = append(c.order, usedToken{id, until})
	return nil
}

// forget removes the tokens that would be refused because of their age.
func (c *replayCache) forget(now time.Time) {
	for len(c.order) > 0 && !now.Before(c.order[0].until) {
		delete(c.used, c.order[0].id)
		c.order = c.order[1:]
	}
}
