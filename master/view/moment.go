package view

import (
	"bytes"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Standing is how a cluster is heard of, apart from what its last report says.
type Standing struct {
	Session Session
	// Suspended says that it must not be called for now.
	Suspended bool
	// Stale says that the last report is no fresh answer any more, or has a section
	// that is not.
	Stale bool
}

// Moment is what a master can tell of a cluster at some time. It is never mutated.
type Moment struct {
	Report
	Standing Standing

	rows     rows
	session  []byte
	summary  *piece
	initial  shared
	bookmark shared
}

// sessionObject is the object of a Session event.
type sessionObject struct {
	Session
	Suspended bool `json:"suspended,omitempty"`
	Stale     bool `json:"stale"`
	// Sections are those that cannot be read.
	Sections []section `json:"sections,omitempty"`
}

// bookmarkObject is the object of a BOOKMARK.
type bookmarkObject struct {
	ResourceVersion string            `json:"resourceVersion"`
	ObservedAt      time.Time         `json:"observedAt,omitzero"`
	ReceivedAt      time.Time         `json:"receivedAt"`
	Stale           bool              `json:"stale"`
	Session         Session           `json:"session"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// initialEventsEnd is how Kubernetes marks the end of the initial state.
var initialEventsEnd = map[string]string{"k8s.io/initial-events-end": "true"}

// newMoment is the moment of a report. Rows and summary of one before it, which may
// be nil, are taken over where they are of the same State.
func newMoment(r *Report, s Standing, before *Moment) (*Moment, error) {
	m := &Moment{Report: *r, Standing: s}
	m.rows = rowsOf(r.State)
	m.summary = &piece{make: func() ([]byte, error) { return encodeSummary(m.Summary) }}
	if before != nil && before.State == r.State {
		m.rows = before.rows
	}
	var session bytes.Buffer
	if err := appendJSON(&session, sessionObject{s.Session.shown(), s.Suspended, s.Stale, unread(r.State)}); err != nil {
		return nil, err
	}
	m.session = session.Bytes()
	m.initial = shared{cluster: m.Cluster, from: Beginning, to: m.ResourceVersion, make: m.encodeInitial}
	m.bookmark = shared{cluster: m.Cluster, to: m.ResourceVersion, make: func(Scope) ([]byte, error) { return m.encodeBookmark(nil) }}
	return m, nil
}

// unread are the sections that have an error.
func unread(s *state.State) []section {
	var sections []section
	for _, one := range sectionsOf(s) {
		if one.Error != nil {
			sections = append(sections, one)
		}
	}
	return sections
}

// tells says that m is what o is to who watches, but for its times.
func (m *Moment) tells(o *Moment) bool {
	return m.ResourceVersion == o.ResourceVersion && bytes.Equal(m.session, o.session) && sameSummary(&m.Summary, &o.Summary)
}

// Initial are the events that lead from nothing to the moment, with the BOOKMARK that
// ends them.
func (m *Moment) Initial(s Scope, f Framing) ([]byte, error) { return m.initial.get(s, f) }

// Bookmark is the BOOKMARK of the moment.
func (m *Moment) Bookmark(f Framing) ([]byte, error) { return m.bookmark.get(Scope{}, f) }

func (m *Moment) encodeBookmark(annotations map[string]string) ([]byte, error) {
	object := bookmarkObject{
		ResourceVersion: m.ResourceVersion, ObservedAt: instant(m.ObservedAt()), ReceivedAt: instant(m.ReceivedAt),
		Stale: m.Standing.Stale, Session: m.Standing.Session.shown(), Annotations: annotations,
	}
	var buf bytes.Buffer
	if err := appendJSON(&buf, object); err != nil {
		return nil, err
	}
	return appendEvent(nil, event{kind: "BOOKMARK", object: buf.Bytes()}, m.ResourceVersion), nil
}

// encodeInitial writes line by line: a large cluster's rows are never there twice.
func (m *Moment) encodeInitial(s Scope) ([]byte, error) {
	var lines, row []byte
	r := s.rows(m.rows)
	for _, p := range s.Part.lists() {
		for e := range m.State.Entries(kinds[p]) {
			if !r.match(&s.Filter, e) {
				continue
			}
			row = r.append(row[:0], e, s.Filter.Node)
			lines = appendEvent(lines, event{added, eventKinds[kinds[p]], row}, Beginning)
		}
	}
	if s.summary() {
		summary, err := m.summary.get()
		if err != nil {
			return nil, err
		}
		lines = appendEvent(lines, event{added, "Summary", summary}, Beginning)
	}
	lines = appendEvent(lines, event{added, "Session", m.session}, Beginning)
	bookmark, err := m.encodeBookmark(initialEventsEnd)
	return append(lines, bookmark...), err
}
