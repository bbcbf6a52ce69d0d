package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// script is a hand-written stream of events.
type script struct {
	*record
	*Stream
	clock int
}

// newScript returns a script with a new record.
func newScript(t *testing.T) *script {
	r := newRecord(t)
	return &script{record: r, Stream: r.Stream("a watch", cluster1, pods)}
}

// now returns the time of the next event, a second after the last one.
func (s *script) now() time.Time { s.clock++; return s.at(s.clock) }

// version returns the resourceVersion of a state.
func version(term uint64, s *state.State) string {
	return observation{term: term, revision: revision{s.Epoch, s.Seq}}.version()
}

// recordList records all events of a list of a state.
func (s *script) recordList(term uint64, of *state.State) {
	s.List(s.now())
	for _, key := range sortedKeys(pods(of)) {
		s.Event(Added, key, pods(of)[key], "", s.now())
	}
	s.Event(Bookmark, "", "", version(term, of), s.now())
}

// recordChange records the events from one state to another; edit may modify them.
func (s *script) recordChange(from, to *state.State, before, after string, edit func([]event) []event) {
	var events []event
	old, next := pods(from), pods(to)
	for _, key := range sortedKeys(old) {
		if object, ok := next[key]; !ok {
			events = append(events, event{kind: Deleted, key: key, object: old[key]})
		} else if object != old[key] {
			events = append(events, event{kind: Modified, key: key, object: object})
		}
	}
	for _, key := range sortedKeys(next) {
		if _, ok := old[key]; !ok {
			events = append(events, event{kind: Added, key: key, object: next[key]})
		}
	}
	if edit != nil {
		events = edit(events)
	}
	for i, e := range events {
		v := before
		if i == len(events)-1 {
			v = after
		}
		s.Event(e.kind, e.key, e.object, v, s.now())
	}
	if len(events) == 0 {
		s.Event(Bookmark, "", "", after, s.now())
	}
}

// recordAllChanges records the events of all states of both epochs.
func (s *script) recordAllChanges(edit func([]event) []event) {
	s.recordList(1, s.first[0])
	at, last := s.first[0], version(1, s.first[0])
	for i, next := range append(s.first[1:len(s.first):len(s.first)], s.second...) {
		term := uint64(1 + i/4)
		v := version(term, next)
		if next == s.second[4] {
			s.recordChange(at, next, last, v, edit)
		} else {
			s.recordChange(at, next, last, v, nil)
		}
		at, last = next, v
	}
}

func TestCorrectStreamPasses(t *testing.T) {
	s := newScript(t)
	s.recordAllChanges(nil)
	s.recordList(9, s.second[4])
	s.From(pods(s.second[3]), version(9, s.second[4]), s.now())
	s.wantViolation(t)
}

func TestLostAndRepeatedEventsAreFound(t *testing.T) {
	for name, tc := range map[string]struct {
		edit  func([]event) []event
		parts []string
	}{
		"lost": {
			func(e []event) []event { return e[1:] },
			[]string{"stream a watch of cluster prod-eu: the reader's objects differ from the state of the cluster", "lost:", "before:", "got: ", "wanted: the state at 2-"},
		},
		"twice": {
			func(e []event) []event { return append(e, e[len(e)-1]) },
			[]string{"repeated"},
		},
		"added twice": {
			func(e []event) []event { e[len(e)-1].kind = Added; return append(e, e[len(e)-1]) },
			[]string{"repeated: the object exists already", "wanted: MODIFIED, or nothing"},
		},
		"never added": {
			func(e []event) []event {
				return append([]event{{kind: Modified, key: "a/b", object: "{}"}, {kind: Deleted, key: "a/b"}}, e...)
			},
			[]string{"lost: the object does not exist", "wanted: ADDED"},
		},
		"deleted twice": {
			func(e []event) []event { return append([]event{{kind: Deleted, key: "a/b"}}, e...) },
			[]string{"DELETED repeated"},
		},
		"half of a change": {
			func(e []event) []event {
				e[len(e)-1].object = strings.Replace(e[len(e)-1].object, `"phase":"`, `"phase":"X`, 1)
				return e
			},
			[]string{"lost: the last change of", "got", "wanted"},
		},
		"surplus": {
			func(e []event) []event { return append([]event{{kind: Added, key: "a/b", object: "{}"}}, e...) },
			[]string{"lost: the DELETED of a/b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.recordAllChanges(tc.edit)
			s.wantViolation(t, tc.parts...)
		})
	}
}

func TestStreamWithDecreasingVersionIsFound(t *testing.T) {
	s := newScript(t)
	s.recordList(3, s.second[4])
	s.Event(Bookmark, "", "", version(2, s.second[4]), s.now())
	s.wantViolation(t, "the version goes back", "got:    BOOKMARK", "wanted: 3.2-")
}

func TestStreamWithUnknownRevisionIsFound(t *testing.T) {
	s := newScript(t)
	s.recordList(3, s.second[4])
	s.Event(Bookmark, "", "", fmt.Sprintf("3.2-%d", s.second[4].Seq+1), s.now())
	s.wantViolation(t, "the cluster never had this revision")
}

func TestStreamHeals(t *testing.T) {
	s := newScript(t)
	s.RequireHealing(cluster1, 30*time.Second)
	s.Fault(cluster1, "a cut", s.at(-1))
	s.recordAllChanges(nil)
	s.wantViolation(t)
	s.Fault(cluster1, "a cut", s.now())
	s.wantViolation(t, "not healed within 30s", "got:    none")
}
