package view

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/report"
)

func reportAt(w *statetest.Cluster, term int, at time.Time) Report {
	return edited(receivedAt(reportOf(w.State), at), func(r *report.Report) { r.Term = uint64(term) })
}

func refresh(t testing.TB, log *ChangeLog, r Report, s ConnStatus) *ClusterView {
	t.Helper()
	return refreshWith(t, log, r.ReceivedAt, &r, s)
}

// refreshWith is like refresh, with a report that may be nil.
func refreshWith(t testing.TB, log *ChangeLog, now time.Time, r *Report, s ConnStatus) *ClusterView {
	t.Helper()
	m, _, err := log.Refresh(now, func(*ClusterView) (*Report, ConnStatus, ValidUntil) { return r, s, ValidUntil{} })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAppliedEventsEqualGet checks the invariant of watches: a client that applies all events has
// the state that a GET returns. It covers all kinds of changes, readings of usage, restarted agents
// and full reports.
func TestAppliedEventsEqualGet(t *testing.T) {
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := statetest.New(seed+1, 4, 24)
		w.Sample(1_795_000_000)
		log, at := &ChangeLog{}, received
		refresh(t, log, reportAt(w, 1, at), ConnStatus{})
		var followers []*follower
		for _, s := range scopes() {
			followers = append(followers, follow(t, log, s))
		}
		for step := range 24 {
			switch random.IntN(6) {
			case 0:
				w.Sample(state.Time(1_795_000_000 + step))
			case 1:
				w.State = reload(t, w.State, w.State.Epoch+1)
			case 2:
				w.State = reload(t, w.State, w.State.Epoch)
			default:
				w.Step(1 + random.IntN(4))
			}
			at = at.Add(time.Second)
			r := reportAt(w, 1+step/10, at)
			refresh(t, log, r, ConnStatus{Session: httpv1.Session{ID: fmt.Sprint(step / 7)}})
			if random.IntN(2) == 0 {
				continue // apply several changes at once
			}
			for _, f := range followers {
				f.catchUp()
				if f.scope.Part != Summary && !reflect.DeepEqual(comparableRows(f.rows, f.scope.Usage), comparableRows(rowsOf(t, r, f.scope), f.scope.Usage)) {
					t.Fatalf("seed %d, step %d, %+v:\n got %v\nwant %v", seed, step, f.scope, comparableRows(f.rows, f.scope.Usage), comparableRows(rowsOf(t, r, f.scope), f.scope.Usage))
				}
				if sum, _ := encodeSummary(r.Summary); f.scope.hasSummary() && f.summary != string(sum) {
					t.Fatalf("step %d: summary %s, want %s", step, f.summary, sum)
				}
			}
		}
	}
}

// reload returns the same state as a full report delivers it: it shares no memory with s.
func reload(t testing.TB, s *state.State, epoch uint64) *state.State {
	t.Helper()
	d := state.Delta{Epoch: epoch, To: s.Seq + 1, Usage: s.Usage, Sections: &s.Sections}
	for kind := range state.NumKinds {
		for e := range s.Entries(kind) {
			d.Upserts = append(d.Upserts, e)
		}
	}
	next, err := state.Apply(&state.State{Epoch: epoch}, d)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestAgentRestartCausesNoEvents(t *testing.T) {
	w := statetest.New(1, 3, 20)
	w.Sample(1_795_000_000)
	log := &ChangeLog{}
	refresh(t, log, reportAt(w, 1, received), ConnStatus{})
	whole := follow(t, log, Scope{Usage: UsageObjects})
	before := len(whole.events)
	w.State = reload(t, w.State, 0xabc)
	refresh(t, log, reportAt(w, 2, received.Add(time.Second)), ConnStatus{})
	whole.catchUp()
	if got := whole.events[before:]; len(got) != 0 {
		t.Errorf("got events %v after a restart, want none", got)
	}
}

func TestOnlyTheLastEventOfAChangeHasTheNewVersion(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &ChangeLog{}
	first := refresh(t, log, reportAt(w, 1, received), ConnStatus{})
	initial, err := first.Initial(Scope{}, JSONLines)
	if err != nil {
		t.Fatal(err)
	}
	checkVersions(t, decodeEvents(t, initial), httpv1.InitialVersion, first.ResourceVersion)
	w.Step(5)
	second := refresh(t, log, reportAt(w, 1, received.Add(time.Second)), ConnStatus{})
	_, end := log.Current()
	lines, _, _, err := log.Read(end-1, Scope{}, JSONLines)
	if err != nil {
		t.Fatal(err)
	}
	checkVersions(t, decodeEvents(t, lines), first.ResourceVersion, second.ResourceVersion)
}

func checkVersions(t *testing.T, events []httpv1.Event, from, to string) {
	t.Helper()
	for i, e := range events {
		want := from
		if i == len(events)-1 {
			want = to
		}
		if e.ResourceVersion != want {
			t.Errorf("event %d of %d, %s %s: got version %s, want %s", i+1, len(events), e.Type, e.Kind, e.ResourceVersion, want)
		}
	}
}

func TestEventsAreEncodedOncePerScope(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &ChangeLog{}
	refresh(t, log, reportAt(w, 1, received), ConnStatus{})
	w.Step(3)
	refresh(t, log, reportAt(w, 1, received.Add(time.Second)), ConnStatus{})
	_, end := log.Current()
	for _, f := range []Framing{JSONLines, SSE, JSONLinesWithCluster, SSEWithCluster} {
		a, _, _, _ := log.Read(end-1, Scope{}, f)
		b, _, _, _ := log.Read(end-1, Scope{}, f)
		if len(a) == 0 || &a[0] != &b[0] {
			t.Errorf("framing %d: two readers got different copies of the bytes, want shared ones", f)
		}
	}
}

func TestVersionCanBeResumedWhileItIsKept(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log, at := &ChangeLog{}, received
	log.addWatcher()
	var versions []string
	for range 8 {
		versions = append(versions, refresh(t, log, reportAt(w, 7, at), ConnStatus{}).ResourceVersion)
		w.Step(1)
		at = at.Add(time.Minute)
	}
	for i, v := range versions {
		_, err := log.Resume(v)
		if kept := i >= 1; kept != (err == nil) || !kept && !errors.Is(err, ErrExpired) {
			t.Errorf("resume version %d of 8, %d minutes old: unexpected error %v", i+1, 7-i, err)
		}
	}
	if _, err := log.Resume(strings.Replace(versions[7], "7.", "5.", 1)); err != nil {
		t.Errorf("resume the same content with a lower term: %v", err)
	}
	higher := strings.Replace(versions[7], "7.", "9.", 1) // the events since then would have lower versions
	for _, v := range []string{higher, "7.ffff-1", "7.1-99999", "0.0-0"} {
		if _, err := log.Resume(v); !errors.Is(err, ErrExpired) {
			t.Errorf("resume %s: got error %v, want ErrExpired", v, err)
		}
	}
}

func TestResumePrefersTheExactVersion(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log, at := &ChangeLog{}, received
	log.addWatcher()
	var versions []string
	for term := range 3 { // the same content with three terms
		versions = append(versions, refresh(t, log, reportAt(w, term+1, at), ConnStatus{}).ResourceVersion)
		at = at.Add(time.Second)
	}
	for i, v := range versions {
		c, err := log.Resume(v)
		if want := log.changes.first() + Cursor(i); err != nil || c != want {
			t.Errorf("resume %s: got cursor %d (error: %v), want %d, because earlier events have older versions", v, c, err, want)
		}
	}
}

func TestReadReturnsTheViewOnlyAtTheEndOfTheLog(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log, at := &ChangeLog{}, received
	log.addWatcher()
	refresh(t, log, reportAt(w, 1, at), ConnStatus{})
	_, c := log.Current()
	for range 3 {
		w.Step(1)
		at = at.Add(time.Second)
		newest := refresh(t, log, reportAt(w, 1, at), ConnStatus{})
		_, next, m, err := log.Read(c, Scope{}, JSONLines)
		if err != nil || m != nil || next != c+1 {
			t.Fatalf("read change: got view %v, cursor from %d to %d, error %v; want no view", m, c, next, err)
		}
		if _, same, m, err := log.Read(next, Scope{}, JSONLines); err != nil || m != newest || same != next {
			t.Fatalf("read at the end: got view %v, want %v (error: %v)", m, newest, err)
		}
		c = next
	}
}

func TestResumeAfterGetSendsTheChangesSince(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &ChangeLog{}
	first := reportAt(w, 1, received)
	if err := log.Record(received, &first); err != nil {
		t.Fatal(err)
	}
	var gone []state.Key
	for i := range 3 {
		gone = append(gone, w.Step(2)...)
		r := reportAt(w, 1, received.Add(time.Duration(i+1)*time.Second))
		if err := log.Record(r.ReceivedAt, &r); err != nil {
			t.Fatal(err)
		}
	}
	c, err := log.Resume(first.ResourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, log: log, cursor: c, rows: rowsOf(t, first, Scope{})}
	f.catchUp()
	if want := rowsOf(t, reportAt(w, 1, received), Scope{}); len(gone) == 0 || !reflect.DeepEqual(comparableRows(f.rows, 0), comparableRows(want, 0)) {
		t.Errorf("got %d rows after resuming, want %d", len(f.rows), len(want))
	}
}

func TestSlowReaderGetsErrExpired(t *testing.T) {
	w := statetest.New(1, 3, 300)
	log, at := &ChangeLog{}, received
	log.addWatcher()
	refresh(t, log, reportAt(w, 1, at), ConnStatus{})
	slow := follow(t, log, Scope{})
	quick := follow(t, log, Scope{})
	for range 40 {
		w.Step(10)
		at = at.Add(10 * time.Millisecond)
		refresh(t, log, reportAt(w, 1, at), ConnStatus{})
		quick.catchUp()
	}
	if _, _, _, err := log.Read(slow.cursor, Scope{}, JSONLines); !errors.Is(err, ErrExpired) {
		t.Errorf("slow reader: got error %v, want ErrExpired", err)
	}
	if n := log.changes.bytes(); n > maxChangeBytes+1<<20 {
		t.Errorf("got %d bytes of changes, want about %d", n, maxChangeBytes)
	}
}

func TestUnwatchedChangesAreKeptForAWhile(t *testing.T) {
	w := statetest.New(1, 3, 20)
	documents, at := NewDocumentCache(1<<20), time.Now()
	first := reportAt(w, 1, at)
	if err := documents.Record(&first); err != nil {
		t.Fatal(err)
	}
	documents.logs.sweep(at.Add(unwatchedRetention - time.Second))
	if len(documents.logs.byCluster) != 1 {
		t.Fatal("the log was dropped immediately, want it kept")
	}
	documents.logs.sweep(time.Now().Add(unwatchedRetention + time.Second))
	if len(documents.logs.byCluster) != 0 {
		t.Error("the log is kept although nobody reads it")
	}
	_, leave := documents.Watch("prod-eu")
	documents.logs.sweep(time.Now().Add(time.Hour))
	if len(documents.logs.byCluster) != 1 {
		t.Error("the log was dropped although it is watched")
	}
	leave()
	leave()
	documents.logs.sweep(time.Now().Add(unwatchedRetention - time.Second))
	if len(documents.logs.byCluster) != 1 {
		t.Error("the log was dropped before the watcher could resume")
	}
	documents.logs.sweep(time.Now().Add(unwatchedRetention + time.Second))
	if len(documents.logs.byCluster) != 0 {
		t.Error("the log is kept although no watcher resumed")
	}
}

func TestOlderReportIsIgnored(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &ChangeLog{}
	older := reportAt(w, 1, received)
	w.Step(1)
	newer := refresh(t, log, reportAt(w, 1, received.Add(time.Second)), ConnStatus{})
	if err := log.Record(received.Add(2*time.Second), &older); err != nil {
		t.Fatal(err)
	}
	if m, _ := log.Current(); m != newer {
		t.Error("an older report replaced the newer view")
	}
}

func TestStatusChangeAloneCausesSessionEvent(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &ChangeLog{}
	r := reportAt(w, 1, received)
	refresh(t, log, r, ConnStatus{Session: SessionOf(r.Session)})
	f := follow(t, log, Scope{Part: Nodes})
	before := len(f.events)
	refreshWith(t, log, received, nil, ConnStatus{Session: httpv1.Session{Phase: "Backoff"}, Stale: true})
	f.catchUp()
	if got := f.events[before:]; !slices.Equal(got, []string{"MODIFIED Session"}) {
		t.Errorf("got events %v, want [MODIFIED Session]", got)
	}
	m, _ := log.Current()
	line, err := m.Bookmark(JSONLines)
	if err != nil || !bytes.Contains(line, []byte(`"stale":true`)) {
		t.Errorf("got bookmark %s, error %v; want it stale", line, err)
	}
}

func TestFramings(t *testing.T) {
	lines := []byte("{\"a\":1}\n{\"b\":2}\n")
	for f, want := range map[Framing]string{
		JSONLines:            string(lines),
		SSE:                  "id: 1\ndata: {\"a\":1}\n\nid: 2\ndata: {\"b\":2}\n\n",
		JSONLinesWithCluster: "{\"cluster\":\"c\",\"a\":1}\n{\"cluster\":\"c\",\"b\":2}\n",
		SSEWithCluster:       "data: {\"cluster\":\"c\",\"a\":1}\n\ndata: {\"cluster\":\"c\",\"b\":2}\n\n",
	} {
		if got := string(frame(lines, f, "c", "1", "2")); got != want {
			t.Errorf("framing %d: got %q, want %q", f, got, want)
		}
	}
}
