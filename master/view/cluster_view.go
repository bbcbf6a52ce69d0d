package view

import (
	"bytes"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// ConnStatus is the state of the connection to a cluster, independent of its last report.
type ConnStatus struct {
	Session Session
	// Suspended reports whether calls to the cluster are suspended.
	Suspended bool
	// Stale reports whether the last report has expired, or has a section that is out of date.
	Stale bool
}

// ClusterView is what clients can see of a cluster at one point in time. It is immutable.
type ClusterView struct {
	Report
	Status ConnStatus

	rows     rowEncoder
	session  []byte
	summary  *lazyBytes
	initial  scopedEvents
	bookmark scopedEvents
}

// sessionObject is the object of a Session event.
type sessionObject struct {
	Session
	Suspended bool `json:"suspended,omitempty"`
	Stale     bool `json:"stale"`
	// Sections lists the sections that cannot be read, with their errors.
	Sections []section `json:"sections,omitempty"`
}

// bookmarkObject is the object of a BOOKMARK event.
type bookmarkObject struct {
	ResourceVersion string            `json:"resourceVersion"`
	ObservedAt      time.Time         `json:"observedAt,omitzero"`
	ReceivedAt      time.Time         `json:"receivedAt"`
	Stale           bool              `json:"stale"`
	Session         Session           `json:"session"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

// initialEventsEnd is the annotation with which Kubernetes marks the end of the initial events.
var initialEventsEnd = map[string]string{"k8s.io/initial-events-end": "true"}

// newClusterView returns the view of a report. It shares the row encoder of the previous view,
// which may be nil, if both have the same State.
func newClusterView(r *Report, status ConnStatus, prev *ClusterView) (*ClusterView, error) {
	m := &ClusterView{Report: *r, Status: status}
	m.rows = newRowEncoder(r.State)
	m.summary = &lazyBytes{encode: func() ([]byte, error) { return encodeSummary(m.Summary) }}
	if prev != nil && prev.State == r.State {
		m.rows = prev.rows
	}
	var session bytes.Buffer
	if err := appendJSON(&session, sessionObject{status.Session.normalized(), status.Suspended, status.Stale, failedSections(r.State)}); err != nil {
		return nil, err
	}
	m.session = session.Bytes()
	m.initial = scopedEvents{cluster: m.Cluster, from: InitialVersion, to: m.ResourceVersion, encode: m.encodeInitial}
	m.bookmark = scopedEvents{cluster: m.Cluster, to: m.ResourceVersion, encode: func(Scope) ([]byte, error) { return m.encodeBookmark(nil) }}
	return m, nil
}

// failedSections returns the sections that have an error.
func failedSections(s *state.State) []section {
	var sections []section
	for _, one := range sectionsOf(s) {
		if one.Error != nil {
			sections = append(sections, one)
		}
	}
	return sections
}

// equalIgnoringTimes reports whether watchers see no difference between m and o. Timestamps do not
// count.
func (v *ClusterView) equalIgnoringTimes(o *ClusterView) bool {
	return v.ResourceVersion == o.ResourceVersion && bytes.Equal(v.session, o.session) && equalSummaries(&v.Summary, &o.Summary)
}

// Initial returns the events that describe the whole view (ADDED for each object), followed by the
// BOOKMARK that ends the initial events.
func (v *ClusterView) Initial(s Scope, f Framing) ([]byte, error) { return v.initial.get(s, f) }

// Bookmark returns the BOOKMARK event of the view.
func (v *ClusterView) Bookmark(f Framing) ([]byte, error) { return v.bookmark.get(Scope{}, f) }

func (v *ClusterView) encodeBookmark(annotations map[string]string) ([]byte, error) {
	object := bookmarkObject{
		ResourceVersion: v.ResourceVersion, ObservedAt: roundTime(v.ObservedAt()), ReceivedAt: roundTime(v.ReceivedAt),
		Stale: v.Status.Stale, Session: v.Status.Session.normalized(), Annotations: annotations,
	}
	var buf bytes.Buffer
	if err := appendJSON(&buf, object); err != nil {
		return nil, err
	}
	return appendEvent(nil, event{eventType: "BOOKMARK", object: buf.Bytes()}, v.ResourceVersion), nil
}

// encodeInitial returns the initial events of a scope as lines. It encodes row by row, so that it
// never holds the rows of a large cluster twice.
func (v *ClusterView) encodeInitial(s Scope) ([]byte, error) {
	var lines, row []byte
	r := s.rows(v.rows)
	for _, p := range s.Part.lists() {
		for e := range v.State.Entries(kinds[p]) {
			if !r.match(&s.Filter, e) {
				continue
			}
			row = r.appendRow(row[:0], e, s.Filter.Node)
			lines = appendEvent(lines, event{added, eventKinds[kinds[p]], row}, InitialVersion)
		}
	}
	if s.hasSummary() {
		summary, err := v.summary.get()
		if err != nil {
			return nil, err
		}
		lines = appendEvent(lines, event{added, "Summary", summary}, InitialVersion)
	}
	lines = appendEvent(lines, event{added, "Session", v.session}, InitialVersion)
	bookmark, err := v.encodeBookmark(initialEventsEnd)
	return append(lines, bookmark...), err
}
