package view

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
)

var update = flag.Bool("update", false, "update the golden files")

// golden compares an indented body with a golden file.
func golden(t *testing.T, file string, body Body) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, bytes.Join(body, nil), "", "  "); err != nil {
		t.Fatalf("indent %s: %v", bytes.Join(body, nil), err)
	}
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s differs (run with -update to see the difference):\n%s", path, got.Bytes())
	}
}

func TestWholeDocumentMatchesGoldenFile(t *testing.T) {
	s := shop(t)
	s.Sections[state.SectionUsage] = state.Section{ObservedAt: observed.Add(-14 * time.Second)}
	s.Sections[state.SectionStorage] = state.Section{Error: state.SectionError{Reason: "Forbidden", Message: "persistentvolumeclaims is forbidden"}}
	body, err := NewDocument(reportOf(s), nil).Body(Whole)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "whole.json", body)
}

func TestEmptyClusterHasEmptyListsAndNoNulls(t *testing.T) {
	body, err := NewDocument(NewReport(&report.Report{Cluster: "new", ReceivedAt: received, LazyState: wire.NewLazyState(&state.State{})}), nil).Body(Whole)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "empty.json", body)
}

func TestPartEqualsThatPartOfTheWholeDocument(t *testing.T) {
	d := NewDocument(reportOf(shop(t)), nil)
	whole, err := d.Body(Whole)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(bytes.Join(whole, nil), &all); err != nil {
		t.Fatal(err)
	}
	for _, part := range []Part{Summary, Nodes, Pods, Containers, Ports} {
		body, err := d.Body(part)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(bytes.Join(body, nil), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(all)-4 || !bytes.Equal(got[part.String()], all[part.String()]) || got["cluster"] == nil {
			t.Errorf("%s has %d fields, want the head and %s as in the whole document", part, len(got), part)
		}
	}
}

func TestReportIsStaleIfASectionIsOutOfDate(t *testing.T) {
	late := received.Add(-11 * time.Second)
	failed := state.SectionError{Reason: "Disconnected", Message: "connection refused"}
	for _, tc := range []struct {
		name     string
		section  state.SectionName
		is       state.Section
		stale    bool
		observed time.Time
	}{
		{"all fresh", state.SectionPods, state.Section{ObservedAt: observed}, false, observed},
		{"pods have failed", state.SectionPods, state.Section{ObservedAt: late, Error: failed}, true, late},
		{"pods have failed just now", state.SectionPods, state.Section{ObservedAt: received.Add(-9 * time.Second), Error: failed}, false, received.Add(-9 * time.Second)},
		{"storage was never seen", state.SectionStorage, state.Section{Error: failed}, false, observed},
		{"usage has a longer period", state.SectionUsage, state.Section{ObservedAt: late}, false, observed},
		{"usage fails", state.SectionUsage, state.Section{ObservedAt: late, Error: failed}, true, observed},
		{"a part of usage fails", state.SectionUsage, state.Section{ObservedAt: late, Error: state.SectionError{Reason: "Partial"}}, false, observed},
		{"usage is pending", state.SectionUsage, state.Section{Error: state.SectionError{Reason: "Pending"}}, false, observed},
	} {
		r := reportOf(stateOf(t))
		r.Sections[tc.section] = tc.is
		if got := r.Stale(); got != tc.stale {
			t.Errorf("%s: got stale %t, want %t", tc.name, got, tc.stale)
		}
		if got := r.OldestSection(); !got.Equal(tc.observed) {
			t.Errorf("%s: got observedAt %s, want %s", tc.name, got, tc.observed)
		}
	}
}

func TestReadersOfOneReportShareItsBytes(t *testing.T) {
	documents, r := NewDocumentCache(1<<20), reportOf(shop(t))
	bodies := make([]Body, 8)
	var readers sync.WaitGroup
	for i := range bodies {
		readers.Go(func() { bodies[i], _ = bodyOf(documents, r, Whole) })
	}
	readers.Wait()
	for _, b := range bodies {
		if !sameBytes(b, bodies[0]) {
			t.Fatal("two readers of one report got different copies of the bytes, want shared ones")
		}
	}
}

// sameBytes reports whether two bodies share their memory. It ignores the constant slices in
// between.
func sameBytes(a, b Body) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < max(len(a)-1, 1); i += 2 {
		if &a[i][0] != &b[i][0] {
			return false
		}
	}
	return true
}

func TestReportWithoutChangesReusesRows(t *testing.T) {
	r := reportOf(shop(t))
	before := NewDocument(r, nil)
	first, err := before.Body(Pods)
	if err != nil {
		t.Fatal(err)
	}
	bookmark := receivedAt(r, received.Add(5*time.Second))
	second, err := NewDocument(bookmark, before).Body(Pods)
	if err != nil {
		t.Fatal(err)
	}
	if !sameBytes(first[2:], second[2:]) {
		t.Error("rows were encoded again, want them reused for the same resourceVersion")
	}
	if got := decode(t, second).ReceivedAt; !got.Equal(bookmark.ReceivedAt.Truncate(time.Millisecond)) {
		t.Errorf("got receivedAt %s, want the second report's %s", got, bookmark.ReceivedAt)
	}
}

func TestNewReportReplacesPreviousReport(t *testing.T) {
	documents, r := NewDocumentCache(1<<20), reportOf(shop(t))
	if _, err := bodyOf(documents, r, Whole); err != nil {
		t.Fatal(err)
	}
	empty := receivedAt(reportOf(&state.State{Seq: 99}), received.Add(time.Second))
	body, err := bodyOf(documents, empty, Whole)
	if err != nil {
		t.Fatal(err)
	}
	if got, most := documents.Bytes(), int64(2*body.Len()); got > most {
		t.Errorf("got %d cached bytes, want at most twice the new report: %d", got, most)
	}
	late, err := bodyOf(documents, r, Pods)
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, late).names(); len(got) != 3 {
		t.Errorf("a slow reader got %v, want its own report", got)
	}
	again, err := bodyOf(documents, empty, Whole)
	if err != nil || !sameBytes(body, again) {
		t.Errorf("a slow reader replaced the newer document (error: %v)", err)
	}
}

func TestDocumentCacheStaysWithinItsLimit(t *testing.T) {
	r := reportOf(shop(t))
	one, err := NewDocument(r, nil).Body(Whole)
	if err != nil {
		t.Fatal(err)
	}
	documents := NewDocumentCache(int64(one.Len()) * 2 * 5 / 2) // each document is kept in slices and joined
	reports := map[string]Report{}
	read := func(cluster string) Body {
		if reports[cluster].Report == nil {
			reports[cluster] = edited(r, func(r *report.Report) { r.Cluster = cluster })
		}
		body, err := bodyOf(documents, reports[cluster], Whole)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	a, b := read("a"), read("b")
	read("a")
	read("c")
	if got := documents.Bytes(); got > documents.maxBytes {
		t.Errorf("got %d cached bytes, want at most %d", got, documents.maxBytes)
	}
	if !sameBytes(read("a"), a) {
		t.Error("a was evicted, want it kept: it was read after b")
	}
	if sameBytes(read("b"), b) {
		t.Error("b is still cached, want it evicted: it was read least recently")
	}
	tiny := NewDocumentCache(10)
	if body, err := bodyOf(tiny, r, Whole); err != nil || body.Len() != one.Len() || tiny.Bytes() != 0 {
		t.Errorf("document larger than the limit: got %d bytes, error %v, %d bytes cached; want %d bytes, none cached", body.Len(), err, tiny.Bytes(), one.Len())
	}
}

func TestFindReturnsTheDocumentOfItsReport(t *testing.T) {
	documents, r := NewDocumentCache(1<<20), reportOf(shop(t))
	if d := documents.find(r.Report); d != nil {
		t.Error("found a document before the first read")
	}
	d, err := documents.Document(r.Report)
	if err != nil {
		t.Fatal(err)
	}
	if documents.find(r.Report) != d {
		t.Error("cached document not found")
	}
	if other := edited(r, func(*report.Report) {}); documents.find(other.Report) != nil {
		t.Error("found a document for another report")
	}
	one, err := documents.Encoded(d, Whole, Gzip)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := documents.Encoded(d, Whole, Gzip); again != one || err != nil {
		t.Errorf("the same part was encoded twice (error: %v)", err)
	}
}

func TestFindCountsAsRead(t *testing.T) {
	documents := NewDocumentCache(1 << 20)
	put := func(cluster string) *report.Report {
		r := edited(reportOf(shop(t)), func(r *report.Report) { r.Cluster = cluster }).Report
		d, err := documents.Document(r)
		if err == nil {
			_, err = documents.Encoded(d, Whole, Identity)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := put("a"), put("b")
	documents.find(a)
	documents.maxBytes = documents.Bytes()
	put("c")
	if documents.find(a) == nil || documents.find(b) != nil {
		t.Error("want a cached and b evicted, because b was read least recently")
	}
}

func TestExpiredReportsAreDropped(t *testing.T) {
	documents, r := NewDocumentCache(1<<20), reportOf(shop(t))
	if _, err := bodyOf(documents, r, Whole); err != nil {
		t.Fatal(err)
	}
	documents.sweep(received.Add(r.TTL))
	if documents.Bytes() == 0 {
		t.Error("a fresh report was dropped")
	}
	documents.sweep(received.Add(r.TTL + 1))
	if got := documents.Bytes(); got != 0 {
		t.Errorf("got %d cached bytes of an expired report, want 0", got)
	}
}

func TestAllPagesOfTheClusterListHaveTheFirstVersion(t *testing.T) {
	clusters := []httpv1.Cluster{{Name: "a"}, {Name: "b"}, {Name: "c"}}
	var from ListToken
	for i, now := range []string{"0123456789abcdef-7", "0123456789abcdef-8", "fedcba9876543210-1"} {
		body, err := EncodeClusters(clusters, now, "", from, 1)
		if err != nil {
			t.Fatal(err)
		}
		var page struct {
			ResourceVersion, Continue string
			Clusters                  []struct{ Name string }
		}
		var text bytes.Buffer
		_, _ = body.WriteTo(&text)
		if err := json.Unmarshal(text.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		if page.ResourceVersion != "0123456789abcdef-7" || len(page.Clusters) != 1 || page.Clusters[0].Name != clusters[i].Name {
			t.Errorf("unexpected page %d: %s", i+1, &text)
		}
		if (page.Continue == "") != (i == 2) {
			t.Fatalf("page %d: unexpected continue token %q", i+1, page.Continue)
		}
		if page.Continue != "" {
			if from, err = ParseListToken(page.Continue); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, token := range []string{"YQ", "YSA", "IDAxMjM0NTY3ODlhYmNkZWYtNw"} {
		if _, err := ParseListToken(token); err == nil {
			t.Errorf("ParseListToken accepted the invalid token %q", token)
		}
	}
}

func TestClusterListMatchesGoldenFile(t *testing.T) {
	sum := state.Summarize(shop(t), received)
	body, err := EncodeClusters([]httpv1.Cluster{
		{
			Name: "prod-eu", ClusterIPs: []string{"203.0.113.7"}, UID: "8a1f", KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", ResourceVersion: "17.9f2c-20",
			ObservedAt: observed, ReceivedAt: received, Summary: &sum, Session: httpv1.Session{ID: "s-1", Phase: "Reporting", StartedAt: received, ExpiresAt: received.Add(time.Minute)},
		},
		{Name: "prod-us", Stale: true, Summary: &state.Summary{}, ObservedAt: observed, Session: httpv1.Session{Phase: "Backoff", Reason: "DialFailed", Message: "dial: connection refused"}},
		{Name: "unseen", Stale: true, Session: httpv1.Session{Phase: "Idle"}},
	}, "0123456789abcdef-1", "", ListToken{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "clusters.json", body)
	none, err := EncodeClusters(nil, "0123456789abcdef-1", "", ListToken{}, 0)
	if err != nil || string(bytes.Join(none, nil)) != "{\"resourceVersion\":\"0123456789abcdef-1\",\"clusters\":[]}\n" {
		t.Errorf("empty list: got %s, error %v", bytes.Join(none, nil), err)
	}
}
