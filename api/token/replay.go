package token

import (
	"sync"
	"time"
)

// maxRemembered is how many tokens are remembered at once.
const maxRemembered = 10_000

// replayMemory remembers the tokens that were used until they would be refused
// for their age anyway.
type replayMemory struct {
	limit int

	mu   sync.Mutex
	used map[string]bool
	// order is the tokens as they came. Their ends differ by little more than two
	// clocks do, so forgetting from the front forgets in time.
	order []usedToken
}

type usedToken struct {
	id    string
	until time.Time
}

// use remembers a token. It is ErrReplayed if it already is, and ErrOverrun if
// there is no room.
func (m *replayMemory) use(id string, until, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(now)
	switch {
	case m.used[id]:
		return ErrReplayed
	case len(m.order) >= m.limit:
		return ErrOverrun
	case m.used == nil:
		m.used = map[string]bool{}
	}
	m.used[id] = true
	m.order = append(m.order, usedToken{id, until})
	return nil
}

func (m *replayMemory) forget(now time.Time) {
	for len(m.order) > 0 && !now.Before(m.order[0].until) {
		delete(m.used, m.order[0].id)
		m.order = m.order[1:]
	}
}
