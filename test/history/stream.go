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

// Types of events, as in Kubernetes' watches.
const (
	Added    = "ADDED"
	Modified = "MODIFIED"
	Deleted  = "DELETED"
	Bookmark = "BOOKMARK"
)

// Stream records the events of one cluster that one reader reads; see History.Stream.
type Stream struct {
	name, cluster string
	history       *History
	render        func(*state.State) map[string]string
	// events has all events, in order. history.mu guards it.
	events []event
}

// event is an event or, if initial is not nil, the start of a new stream with those objects.
type event struct {
	kind, key, object, version string
	at                         time.Time
	initial                    map[string]string
	// listing is true if the objects are complete only at the next Bookmark.
	listing bool
}

// List records the start of a stream without objects, such as the first one or one after
// 410 Gone. All objects follow as events, and then a Bookmark.
func (s *Stream) List(at time.Time) {
	s.add(event{at: at, initial: map[string]string{}, listing: true})
}

// From records the start of a stream with objects that the reader has already, at that
// version.
func (s *Stream) From(objects map[string]string, resourceVersion string, at time.Time) {
	s.add(event{at: at, initial: maps.Clone(objects), version: resourceVersion})
}

// Event records an event. An event that changes the resourceVersion is the last of a
// change: after it the reader must have all objects of that version.
func (s *Stream) Event(kind, key, object, resourceVersion string, at time.Time) {
	s.add(event{kind: kind, key: key, object: object, version: resourceVersion, at: at})
}

// Version records an event of another kind of object, with its version.
func (s *Stream) Version(resourceVersion string, at time.Time) {
	s.add(event{version: resourceVersion, at: at})
}

// add appends an event.
func (s *Stream) add(e event) {
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	s.history.updateStart(e.at)
	s.events = append(s.events, e)
}

// streamState is the state of the check of a stream: the reader's objects and version.
type streamState struct {
	objects    map[string]any
	listing    bool
	last       observation // the version only
	hasVersion bool
}

// checkStream checks the events of a stream. The caller must hold h.mu.
func (h *History) checkStream(s *Stream) (found []string) {
	at := streamState{objects: map[string]any{}, listing: true}
	c := h.clusterRecord(s.cluster)
	for i, e := range s.events {
		wrong, wanted := at.handle(e, s, c)
		if wrong != "" {
			found = append(found, h.describeStream(s, c, i, wrong, wanted))
		}
	}
	return found
}

// handle applies an event and checks the result.
func (at *streamState) handle(e event, s *Stream, c *cluster) (wrong, wanted string) {
	if e.initial != nil {
		at.objects, at.listing = map[string]any{}, e.listing
		for key, object := range e.initial {
			at.objects[key] = decoded(object)
		}
		if e.listing {
			return "", ""
		}
	} else if wrong, wanted = at.apply(e); wrong != "" {
		return wrong, wanted
	}
	if e.version == "" && at.listing {
		return "", ""
	}
	changed, wrong, wanted := at.setVersion(e.version)
	if wrong != "" {
		return wrong, wanted
	}
	if e.kind == Bookmark {
		at.listing, changed = false, true
	}
	if at.listing || !changed || len(c.states) == 0 || s.render == nil {
		return "", ""
	}
	return at.compare(s, c)
}

// apply applies an event to the objects.
func (at *streamState) apply(e event) (wrong, wanted string) {
	old, known := at.objects[e.key]
	object := decoded(e.object)
	switch e.kind {
	case Bookmark, "":
		return "", ""
	case Deleted:
		delete(at.objects, e.key)
	default:
		at.objects[e.key] = object
	}
	switch {
	case e.kind == Added && known:
		return "repeated: the object exists already", "MODIFIED, or nothing"
	case e.kind != Added && !known:
		return "lost: the object does not exist, so its ADDED was lost, or its DELETED repeated", "ADDED, or nothing"
	case e.kind == Modified && reflect.DeepEqual(old, object):
		return "repeated: the object has not changed", "nothing"
	}
	return "", ""
}

// setVersion checks a version, and reports whether it differs from the last one.
func (at *streamState) setVersion(version string) (changed bool, wrong, wanted string) {
	term, revision, err := parseVersion(version)
	if err != nil {
		return false, err.Error(), "<term>.<epoch>-<seq>"
	}
	next := observation{term: term, revision: revision}
	if at.hasVersion {
		if wrong, wanted := checkOrder(at.last, next); wrong != "" {
			return false, wrong, wanted
		}
		changed = at.last.term != term || at.last.revision != revision
	}
	at.last, at.hasVersion = next, true
	return changed, "", ""
}

// compare compares the reader's objects with the state of the cluster.
func (at *streamState) compare(s *Stream, c *cluster) (wrong, wanted string) {
	i, known := c.byRevision[at.last.revision]
	if !known {
		return "the cluster never had this revision", c.nearestRevisions(at.last.revision)
	}
	want := map[string]any{}
	for key, object := range s.render(c.states[i].state) {
		want[key] = decoded(object)
	}
	var lines []string
	for _, key := range sortedKeys(want) {
		if objects, ok := at.objects[key]; !ok {
			lines = append(lines, "lost: "+key+" is missing")
		} else if !reflect.DeepEqual(objects, want[key]) {
			lines = append(lines, fmt.Sprintf("lost: the last change of %s: got %s, wanted %s", key, encoded(objects), encoded(want[key])))
		}
	}
	for _, key := range sortedKeys(at.objects) {
		if _, ok := want[key]; !ok {
			lines = append(lines, "lost: the DELETED of "+key)
		}
	}
	at.objects = want // so that a difference is reported once
	if len(lines) == 0 {
		return "", ""
	}
	if more := len(lines) - maxDifferences; more > 0 {
		lines = append(lines[:maxDifferences], fmt.Sprintf("… and %d more", more))
	}
	return "the reader's objects differ from the state of the cluster:" + indented(lines), "the state at " + at.last.revision.String()
}

// describeStream describes a violation of event i.
func (h *History) describeStream(s *Stream, c *cluster, i int, wrong, wanted string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "stream %s of cluster %s: %s", s.name, s.cluster, wrong)
	for _, e := range s.events[max(i-3, 0):i] {
		fmt.Fprintf(&b, "\n  before: %s", h.eventText(e))
	}
	fmt.Fprintf(&b, "\n  got:    %s\n  wanted: %s", h.eventText(s.events[i]), wanted)
	h.writeFaults(&b, c, s.events[i].at)
	return b.String()
}

// eventText formats an event in one line.
func (h *History) eventText(e event) string {
	switch {
	case e.listing:
		return "a new list at " + h.clock(e.at)
	case e.initial != nil:
		return fmt.Sprintf("a new stream from %s at %s", e.version, h.clock(e.at))
	}
	return fmt.Sprintf("%s %s %s at %s", e.kind, e.key, e.version, h.clock(e.at))
}

// decoded decodes JSON for comparison. It returns invalid JSON as a string.
func decoded(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// encoded returns the first 300 bytes of a value as JSON.
func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b[:min(len(b), 300)])
}
