package view

import (
	"bytes"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
)

// ConnStatus is the state of the connection to a cluster, independent of its last report.
type ConnStatus struct {
	Session httpv1.Session
	// Suspended reports whether the ClusterAgent is suspended: the cluster must not be dialed.
	Suspended bool
	// Stale reports whether the last report has expired, or has a section that is out of date.
	Stale bool
}

// ClusterView is what clients can see of a cluster at one point in time. It is immutable.
type ClusterView struct {
	Report
	Status ConnStatus

	rows     lazyRows
	session  []byte
	summary  lazyBytes
	initial  scopedEvents
	bookmark scopedEvents
}

// initialEventsEnd is the annotation that marks the end of the initial events.
var initialEventsEnd = map[string]string{httpv1.InitialEventsEnd: "true"}

// newClusterView returns the view of a report. It shares the row encoder of the previous view,
// which may be nil, if both have the same State.
func newClusterView(r *Report, status ConnStatus, prev *ClusterView) (*ClusterView, error) {
	v := &ClusterView{Report: *r, Status: status}
	v.rows = newLazyRows(r.Report)
	if prev != nil && prev.LazyState == r.LazyState {
		v.rows = prev.rows
	}
	var session bytes.Buffer
	if err := appendJSON(&session, httpv1.SessionStatus{
		Session: normalizedSession(status.Session), Suspended: status.Suspended, Stale: status.Stale, Sections: failedSections(&r.Sections),
	}); err != nil {
		return nil, err
	}
	v.session = session.Bytes()
	v.initial = scopedEvents{cluster: v.Cluster, from: httpv1.InitialVersion, to: v.ResourceVersion, encode: v.encodeInitial}
	v.bookmark = scopedEvents{cluster: v.Cluster, to: v.ResourceVersion, encode: func(Scope) ([]byte, error) { return v.encodeBookmark(nil) }}
	return v, nil
}

// failedSections returns the sections that have an error.
func failedSections(all *[state.NumSections]state.Section) []httpv1.Section {
	var sections []httpv1.Section
	for _, one := range sectionsOf(all) {
		if one.Error != nil {
			sections = append(sections, one)
		}
	}
	return sections
}

// equalIgnoringTimes reports whether watchers see no difference between v and o. Timestamps do not
// count.
func (v *ClusterView) equalIgnoringTimes(o *ClusterView) bool {
	return v.ResourceVersion == o.ResourceVersion && bytes.Equal(v.session, o.session) && equalSummaries(&v.Summary, &o.Summary)
}

// encodedSummary returns the object of the Summary event.
func (v *ClusterView) encodedSummary() ([]byte, error) {
	return v.summary.get(func() ([]byte, error) { return encodeSummary(v.Summary) })
}

// Initial returns the events that describe the whole view (ADDED for each object), followed by the
// BOOKMARK that ends the initial events.
func (v *ClusterView) Initial(s Scope, f Framing) ([]byte, error) { return v.initial.get(s, f) }

// Bookmark returns the BOOKMARK event of the view.
func (v *ClusterView) Bookmark(f Framing) ([]byte, error) { return v.bookmark.get(Scope{}, f) }

func (v *ClusterView) encodeBookmark(annotations map[string]string) ([]byte, error) {
	object := httpv1.Bookmark{
		ResourceVersion: v.ResourceVersion, ObservedAt: roundTime(v.OldestSection()), ReceivedAt: roundTime(v.ReceivedAt),
		Stale: v.Status.Stale, Session: normalizedSession(v.Status.Session), Annotations: annotations,
	}
	var buf bytes.Buffer
	if err := appendJSON(&buf, object); err != nil {
		return nil, err
	}
	return appendEvent(nil, event{eventType: httpv1.BookmarkEvent, object: buf.Bytes()}, v.ResourceVersion), nil
}

// encodeInitial returns the initial events of a scope as lines. It encodes row by row, so that it
// never holds the rows of a large cluster twice.
func (v *ClusterView) encodeInitial(s Scope) ([]byte, error) {
	var lines, row []byte
	rows, err := v.rows()
	if err != nil {
		return nil, err
	}
	r := s.rows(rows)
	for _, p := range s.Part.lists() {
		for e := range r.state.Entries(kinds[p]) {
			if !r.match(&s.Filter, e) {
				continue
			}
			row = r.appendRow(row[:0], e, s.Filter.Node)
			lines = appendEvent(lines, event{httpv1.Added, eventKinds[kinds[p]], row}, httpv1.InitialVersion)
		}
	}
	if s.hasSummary() {
		summary, err := v.encodedSummary()
		if err != nil {
			return nil, err
		}
		lines = appendEvent(lines, event{httpv1.Added, httpv1.KindSummary, summary}, httpv1.InitialVersion)
	}
	lines = appendEvent(lines, event{httpv1.Added, httpv1.KindSession, v.session}, httpv1.InitialVersion)
	bookmark, err := v.encodeBookmark(initialEventsEnd)
	return append(lines, bookmark...), err
}
