package view

import (
	"sync"
	"sync/atomic"
)

// maxCachedScopes is the number of scopes for which the bytes of one change are kept. Further scopes are
// encoded for each reader.
const maxCachedScopes = 64

// scopedEvents holds the events of one change, or the initial events of a view, by scope. They are
// encoded by the first reader of a scope and shared.
type scopedEvents struct {
	cluster  string
	from, to string
	// encode returns the events of a scope as lines.
	encode func(s Scope) ([]byte, error)

	bytes   atomic.Int64
	mu      sync.Mutex
	byScope map[Scope]*encodedEvents
	// closed is set after drop: no bytes are kept any more.
	closed bool
}

// encodedEvents holds the events of one scope, as lines and in other framings.
type encodedEvents struct {
	once  sync.Once
	lines []byte
	err   error

	framings [numFramings]struct {
		once  sync.Once
		bytes []byte
	}
}

// get returns the events of a scope in a framing; empty if the scope has none.
func (s *scopedEvents) get(scope Scope, f Framing) ([]byte, error) {
	events := s.entry(scope)
	events.once.Do(func() {
		events.lines, events.err = s.encode(scope)
		s.bytes.Add(int64(len(events.lines)))
	})
	if events.err != nil || f == JSONLines {
		return events.lines, events.err
	}
	other := &events.framings[f]
	other.once.Do(func() {
		other.bytes = frame(events.lines, f, s.cluster, s.from, s.to)
		s.bytes.Add(int64(len(other.bytes)))
	})
	return other.bytes, nil
}

func (s *scopedEvents) entry(scope Scope) *encodedEvents {
	s.mu.Lock()
	defer s.mu.Unlock()
	events := s.byScope[scope]
	if events == nil {
		events = &encodedEvents{}
		if s.byScope == nil {
			s.byScope = map[Scope]*encodedEvents{}
		}
		if len(s.byScope) < maxCachedScopes && !s.closed {
			s.byScope[scope] = events
		}
	}
	return events
}

// drop releases the bytes. Readers that still use them are not affected.
func (s *scopedEvents) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byScope, s.closed = nil, true
	s.bytes.Store(0)
}
