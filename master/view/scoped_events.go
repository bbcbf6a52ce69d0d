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
	framings [numFramings]lazyBytes
}

// get returns the events of a scope in a framing; empty if the scope has none.
func (s *scopedEvents) get(scope Scope, f Framing) ([]byte, error) {
	events := s.entry(scope)
	lines, err := events.framings[JSONLines].get(s.counted(func() ([]byte, error) { return s.encode(scope) }))
	if err != nil || f == JSONLines {
		return lines, err
	}
	return events.framings[f].get(s.counted(func() ([]byte, error) { return frame(lines, f, s.cluster, s.from, s.to), nil }))
}

// counted returns a function that counts the bytes that encode returns.
func (s *scopedEvents) counted(encode func() ([]byte, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		b, err := encode()
		s.bytes.Add(int64(len(b)))
		return b, err
	}
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
