package history

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Types of events, as Kubernetes' watches have them.
const (
	Added    = "ADDED"
	Modified = "MODIFIED"
	Deleted  = "DELETED"
	Bookmark = "BOOKMARK"
)

// Stream reads events of one cluster: see History.Stream.
type Stream struct {
	name, cluster string
	history       *History
	render        func(*state.State) map[string]string
	// events are all that came, in order; history.mu guards them.
	events []event
}

// event is one event, or, where began is set, the beginning of a new stream that
// holds that.
type event struct {
	kind, key, object, version string
	at                         time.Time
	began                      map[string]string
	// listing: what is held is whole at the next Bookmark only.
	listing bool
}

// List says that the reader begins with nothing, as at the very first or after 410
// Gone: it is told all there is, and then comes a Bookmark.
func (s *Stream) List(at time.Time) {
	s.add(event{at: at, began: map[string]string{}, listing: true})
}

// From says that the reader begins with objects that it has from elsewhere, of that
// version.
func (s *Stream) From(objects map[string]string, resourceVersion string, at time.Time) {
	s.add(event{at: at, began: maps.Clone(objects), version: resourceVersion})
}

// Event says what came. An event that moves the resourceVersion is the last of a
// change: with it the reader has to hold all that there was at that version.
func (s *Stream) Event(kind, key, object, resourceVersion string, at time.Time) {
	s.add(event{kind: kind, key: key, object: object, version: resourceVersion, at: at})
}

// Version says that something came that the reader holds nothing of, of that version.
func (s *Stream) Version(resourceVersion string, at time.Time) {
	s.add(event{version: resourceVersion, at: at})
}

func (s *Stream) add(e event) {
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	s.history.note(e.at)
	s.events = append(s.events, e)
}

// standing is how far the check of a stream has come.
type standing struct {
	held    map[string]any
	listing bool
	last    sighting // of the version
	begun   bool
}

// checkStream proves what one stream was told; h.mu is held.
func (h *History) checkStream(s *Stream) (found []string) {
	at := standing{held: map[string]any{}, listing: true}
	c := h.of(s.cluster)
	for i, e := range s.events {
		wrong, wanted := at.take(e, s, c)
		if wrong != "" {
			found = append(found, h.streamStory(s, c, i, wrong, wanted))
		}
	}
	return found
}

// take takes in an event, and says what is wrong with it.
func (at *standing) take(e event, s *Stream, c *cluster) (wrong, wanted string) {
	if e.began != nil {
		at.held, at.listing = map[string]any{}, e.listing
		for key, object := range e.began {
			at.held[key] = decoded(object)
		}
		if e.listing {
			return "", ""
		}
	} else if wrong, wanted = at.change(e); wrong != "" {
		return wrong, wanted
	}
	if e.version == "" && at.listing {
		return "", ""
	}
	moved, wrong, wanted := at.move(e.version)
	if wrong != "" {
		return wrong, wanted
	}
	if e.kind == Bookmark {
		at.listing, moved = false, true
	}
	if at.listing || !moved || len(c.truths) == 0 || s.render == nil {
		return "", ""
	}
	return at.compare(s, c)
}

// change does to what is held what an event says.
func (at *standing) change(e event) (wrong, wanted string) {
	held, known := at.held[e.key]
	object := decoded(e.object)
	switch e.kind {
	case Bookmark, "":
		return "", ""
	case Deleted:
		delete(at.held, e.key)
	default:
		at.held[e.key] = object
	}
	switch {
	case e.kind == Added && known:
		return "twice: it was there already", "MODIFIED, or nothing"
	case e.kind != Added && !known:
		return "lost: it was not there, so its ADDED never came, or its DELETED twice", "ADDED, or nothing"
	case e.kind == Modified && reflect.DeepEqual(held, object):
		return "twice: nothing of it changed", "nothing"
	}
	return "", ""
}

// move says whether a version is another than the last.
func (at *standing) move(version string) (moved bool, wrong, wanted string) {
	term, stamp, err := parseVersion(version)
	if err != nil {
		return false, err.Error(), "<term>.<epoch>-<seq>"
	}
	next := sighting{term: term, stamp: stamp}
	if at.begun {
		if wrong, wanted := follows(at.last, next); wrong != "" {
			return false, wrong, wanted
		}
		moved = at.last.term != term || at.last.stamp != stamp
	}
	at.last, at.begun = next, true
	return moved, "", ""
}

// compare holds what the reader has against what the cluster was.
func (at *standing) compare(s *Stream, c *cluster) (wrong, wanted string) {
	i, known := c.byStamp[at.last.stamp]
	if !known {
		return "the cluster never was so", c.near(at.last.stamp)
	}
	want := map[string]any{}
	for key, object := range s.render(c.truths[i].state) {
		want[key] = decoded(object)
	}
	var lines []string
	for _, key := range sortedKeys(want) {
		if held, ok := at.held[key]; !ok {
			lines = append(lines, "lost: "+key+" is missing")
		} else if !reflect.DeepEqual(held, want[key]) {
			lines = append(lines, fmt.Sprintf("lost: the last change of %s: held is %s, wanted %s", key, encoded(held), encoded(want[key])))
		}
	}
	for _, key := range sortedKeys(at.held) {
		if _, ok := want[key]; !ok {
			lines = append(lines, "lost: the DELETED of "+key)
		}
	}
	at.held = want // the next violation is a new one
	if len(lines) == 0 {
		return "", ""
	}
	if more := len(lines) - maxDifferences; more > 0 {
		lines = append(lines[:maxDifferences], fmt.Sprintf("… and %d more", more))
	}
	return "with it the reader does not hold what the cluster was:" + indented(lines), "all as it was at " + at.last.stamp.String()
}

func (h *History) streamStory(s *Stream, c *cluster, i int, wrong, wanted string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "stream %s of cluster %s: %s", s.name, s.cluster, wrong)
	for _, e := range s.events[max(i-3, 0):i] {
		fmt.Fprintf(&b, "\n  before: %s", h.eventText(e))
	}
	fmt.Fprintf(&b, "\n  came:   %s\n  wanted: %s", h.eventText(s.events[i]), wanted)
	h.tellFaults(&b, c, s.events[i].at)
	return b.String()
}

func (h *History) eventText(e event) string {
	switch {
	case e.listing:
		return "a new list at " + h.clock(e.at)
	case e.began != nil:
		return fmt.Sprintf("a new stream from %s at %s", e.version, h.clock(e.at))
	}
	return fmt.Sprintf("%s %s %s at %s", e.kind, e.key, e.version, h.clock(e.at))
}

// decoded is JSON as a value that can be compared; what is none is a text.
func decoded(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b[:min(len(b), 300)])
}
