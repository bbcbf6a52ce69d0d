package view

import (
	"sync"
	"sync/atomic"
)

// maxShared is for how many scopes the bytes of one change are kept; those of others
// are made for each reader.
const maxShared = 64

// shared are the events of one change, or of a whole state, by scope: made by the
// first who reads them, for all.
type shared struct {
	cluster  string
	from, to string
	// make gives the lines.
	make func(s Scope) ([]byte, error)

	bytes atomic.Int64
	mu    sync.Mutex
	made  map[Scope]*framed
	// past: nobody is to come who would share.
	past bool
}

// framed are lines and what becomes of them.
type framed struct {
	once  sync.Once
	lines []byte
	err   error

	framings [numFramings]struct {
		once  sync.Once
		bytes []byte
	}
}

// get are the events that a scope sees, framed; empty where it sees none.
func (s *shared) get(scope Scope, f Framing) ([]byte, error) {
	m := s.of(scope)
	m.once.Do(func() {
		m.lines, m.err = s.make(scope)
		s.bytes.Add(int64(len(m.lines)))
	})
	if m.err != nil || f == Lines {
		return m.lines, m.err
	}
	other := &m.framings[f]
	other.once.Do(func() {
		other.bytes = frame(m.lines, f, s.cluster, s.from, s.to)
		s.bytes.Add(int64(len(other.bytes)))
	})
	return other.bytes, nil
}

func (s *shared) of(scope Scope) *framed {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.made[scope]
	if m == nil {
		m = &framed{}
		if s.made == nil {
			s.made = map[Scope]*framed{}
		}
		if len(s.made) < maxShared && !s.past {
			s.made[scope] = m
		}
	}
	return m
}

// drop lets go of the bytes; who reads them goes on undisturbed.
func (s *shared) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made, s.past = nil, true
	s.bytes.Store(0)
}
