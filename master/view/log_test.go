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

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

func reportAt(w *statetest.Cluster, term int, at time.Time) Report {
	r := reportOf(w.State)
	r.ReceivedAt = at
	r.ResourceVersion = fmt.Sprintf("%d.%x-%d", term, w.State.Epoch, w.State.Seq)
	return r
}

func advance(t testing.TB, log *Log, r Report, s Standing) *Moment {
	t.Helper()
	m, _, err := log.Advance(r.ReceivedAt, func(*Moment) (*Report, Standing, Until) { return &r, s, Until{} })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestWhoAppliesEventsHasWhatAGetShows is the invariant of watches, over changes of all
// kinds, readings of usage, and agents that restart or report all anew.
func TestWhoAppliesEventsHasWhatAGetShows(t *testing.T) {
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := statetest.New(seed+1, 4, 24)
		w.Sample(1_795_000_000)
		log, at := &Log{}, received
		advance(t, log, reportAt(w, 1, at), Standing{})
		var followers []*follower
		for _, s := range scopes() {
			followers = append(followers, follow(t, log, s))
		}
		for step := range 24 {
			switch random.IntN(6) {
			case 0:
				w.Sample(state.Time(1_795_000_000 + step))
			case 1:
				w.State = anew(t, w.State, w.State.Epoch+1)
			case 2:
				w.State = anew(t, w.State, w.State.Epoch)
			default:
				w.Step(1 + random.IntN(4))
			}
			at = at.Add(time.Second)
			r := reportAt(w, 1+step/10, at)
			advance(t, log, r, Standing{Session: Session{ID: fmt.Sprint(step / 7)}})
			if random.IntN(2) == 0 {
				continue // several changes at once
			}
			for _, f := range followers {
				f.catchUp()
				if f.scope.Part != Summary && !reflect.DeepEqual(plain(f.rows, f.scope.Usage), plain(shown(t, r, f.scope), f.scope.Usage)) {
					t.Fatalf("seed %d, step %d, %+v:\n got %v\nwant %v", seed, step, f.scope, plain(f.rows, f.scope.Usage), plain(shown(t, r, f.scope), f.scope.Usage))
				}
				if sum, _ := encodeSummary(r.Summary); f.scope.summary() && f.summary != string(sum) {
					t.Fatalf("step %d: summary %s, want %s", step, f.summary, sum)
				}
			}
		}
	}
}

// anew is the same state as another snapshot brings it: nothing is shared.
func anew(t testing.TB, s *state.State, epoch uint64) *state.State {
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

func TestAnAgentsRestartIsNoEvent(t *testing.T) {
	w := statetest.New(1, 3, 20)
	w.Sample(1_795_000_000)
	log := &Log{}
	advance(t, log, reportAt(w, 1, received), Standing{})
	whole := follow(t, log, Scope{Usage: UsageObjects})
	before := len(whole.seen)
	w.State = anew(t, w.State, 0xabc)
	advance(t, log, reportAt(w, 2, received.Add(time.Second)), Standing{})
	whole.catchUp()
	if got := whole.seen[before:]; len(got) != 0 {
		t.Errorf("the restart was told as %v", got)
	}
}

func TestAllButTheLastEventOfAChangeCarryTheVersionBefore(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &Log{}
	first := advance(t, log, reportAt(w, 1, received), Standing{})
	initial, err := first.Initial(Scope{}, Lines)
	if err != nil {
		t.Fatal(err)
	}
	checkVersions(t, hear(t, initial), Beginning, first.ResourceVersion)
	w.Step(5)
	second := advance(t, log, reportAt(w, 1, received.Add(time.Second)), Standing{})
	_, end := log.Begin()
	lines, _, _, err := log.Read(end-1, Scope{}, Lines)
	if err != nil {
		t.Fatal(err)
	}
	checkVersions(t, hear(t, lines), first.ResourceVersion, second.ResourceVersion)
}

func checkVersions(t *testing.T, events []heard, from, to string) {
	t.Helper()
	for i, e := range events {
		want := from
		if i == len(events)-1 {
			want = to
		}
		if e.ResourceVersion != want {
			t.Errorf("event %d of %d, %s %s: version %s, want %s", i+1, len(events), e.Type, e.Kind, e.ResourceVersion, want)
		}
	}
}

func TestEventsAreEncodedOncePerScope(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &Log{}
	advance(t, log, reportAt(w, 1, received), Standing{})
	w.Step(3)
	advance(t, log, reportAt(w, 1, received.Add(time.Second)), Standing{})
	_, end := log.Begin()
	for _, f := range []Framing{Lines, ServerSent, FleetLines, FleetServerSent} {
		a, _, _, _ := log.Read(end-1, Scope{}, f)
		b, _, _, _ := log.Read(end-1, Scope{}, f)
		if len(a) == 0 || &a[0] != &b[0] {
			t.Errorf("framing %d: two readers have bytes of their own", f)
		}
	}
}

func TestAVersionCanBeResumedWhileItIsKept(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log, at := &Log{}, received
	log.join()
	var versions []string
	for range 8 {
		versions = append(versions, advance(t, log, reportAt(w, 7, at), Standing{}).ResourceVersion)
		w.Step(1)
		at = at.Add(time.Minute)
	}
	for i, v := range versions {
		_, err := log.Resume(v)
		if kept := i >= 1; kept != (err == nil) || !kept && !errors.Is(err, ErrExpired) {
			t.Errorf("version %d of 8, %d minutes old: %v", i+1, 7-i, err)
		}
	}
	another := strings.Replace(versions[7], "7.", "9.", 1)
	if _, err := log.Resume(another); err != nil {
		t.Errorf("the same content by another connection: %v", err)
	}
	for _, v := range []string{"7.ffff-1", "7.1-99999", "0.0-0"} {
		if _, err := log.Resume(v); !errors.Is(err, ErrExpired) {
			t.Errorf("%s: %v, want ErrExpired", v, err)
		}
	}
}

func TestTheVersionItselfIsResumedBeforeItsContent(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log, at := &Log{}, received
	log.join()
	var versions []string
	for term := range 3 { // one content by three connections
		versions = append(versions, advance(t, log, reportAt(w, term+1, at), Standing{}).ResourceVersion)
		at = at.Add(time.Second)
	}
	for i, v := range versions {
		c, err := log.Resume(v)
		if want := log.changes.first() + Cursor(i); err != nil || c != want {
			t.Errorf("%s is resumed at %d (%v), want %d: events before it have older versions", v, c, err, want)
		}
	}
}

func TestOnlyTheMomentAtTheEndOfTheChangesIsTold(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log, at := &Log{}, received
	log.join()
	advance(t, log, reportAt(w, 1, at), Standing{})
	_, c := log.Begin()
	for range 3 {
		w.Step(1)
		at = at.Add(time.Second)
		newest := advance(t, log, reportAt(w, 1, at), Standing{})
		_, next, m, err := log.Read(c, Scope{}, Lines)
		if err != nil || m != nil || next != c+1 {
			t.Fatalf("a change was read with the moment %v, from %d to %d: %v", m, c, next, err)
		}
		if _, same, m, err := log.Read(next, Scope{}, Lines); err != nil || m != newest || same != next {
			t.Fatalf("at the end came the moment %v, want %v: %v", m, newest, err)
		}
		c = next
	}
}

func TestResumingTellsWhatChangedSinceAGet(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &Log{}
	first := reportAt(w, 1, received)
	if err := log.Note(received, &first); err != nil {
		t.Fatal(err)
	}
	var gone []state.Key
	for i := range 3 {
		gone = append(gone, w.Step(2)...)
		r := reportAt(w, 1, received.Add(time.Duration(i+1)*time.Second))
		if err := log.Note(r.ReceivedAt, &r); err != nil {
			t.Fatal(err)
		}
	}
	c, err := log.Resume(first.ResourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{t: t, log: log, cursor: c, rows: shown(t, first, Scope{})}
	f.catchUp()
	if want := shown(t, reportAt(w, 1, received), Scope{}); len(gone) == 0 || !reflect.DeepEqual(plain(f.rows, 0), plain(want, 0)) {
		t.Errorf("resumed to %d rows, want %d", len(f.rows), len(want))
	}
}

func TestWhoReadsTooSlowlyFallsOff(t *testing.T) {
	w := statetest.New(1, 3, 300)
	log, at := &Log{}, received
	log.join()
	advance(t, log, reportAt(w, 1, at), Standing{})
	slow := follow(t, log, Scope{})
	quick := follow(t, log, Scope{})
	for range 40 {
		w.Step(10)
		at = at.Add(10 * time.Millisecond)
		advance(t, log, reportAt(w, 1, at), Standing{})
		quick.catchUp()
	}
	if _, _, _, err := log.Read(slow.cursor, Scope{}, Lines); !errors.Is(err, ErrExpired) {
		t.Errorf("who fell off got %v, want ErrExpired", err)
	}
	if n := log.changes.bytes(); n > maxKeptBytes+1<<20 {
		t.Errorf("%d bytes are kept, want about %d", n, maxKeptBytes)
	}
}

func TestChangesThatNobodyWatchesAreKeptForAMinute(t *testing.T) {
	w := statetest.New(1, 3, 20)
	documents, at := NewDocumentCache(1<<20), time.Now()
	first := reportAt(w, 1, at)
	if err := documents.Note(&first); err != nil {
		t.Fatal(err)
	}
	documents.logs.sweep(at.Add(maxUnwatched - time.Second))
	if len(documents.logs.all) != 1 {
		t.Fatal("it was forgotten at once")
	}
	documents.logs.sweep(time.Now().Add(maxUnwatched + time.Second))
	if len(documents.logs.all) != 0 {
		t.Error("it is kept though nobody reads")
	}
	_, leave := documents.Watch("prod-eu")
	documents.logs.sweep(time.Now().Add(time.Hour))
	if len(documents.logs.all) != 1 {
		t.Error("it was forgotten while somebody watches")
	}
	leave()
	leave()
	documents.logs.sweep(time.Now().Add(maxKept - time.Second))
	if len(documents.logs.all) != 1 {
		t.Error("it was forgotten before who left could come again")
	}
	documents.logs.sweep(time.Now().Add(maxKept + time.Second))
	if len(documents.logs.all) != 0 {
		t.Error("it is kept though nobody came again")
	}
}

func TestAnOlderReportChangesNothing(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &Log{}
	older := reportAt(w, 1, received)
	w.Step(1)
	newer := advance(t, log, reportAt(w, 1, received.Add(time.Second)), Standing{})
	if err := log.Note(received.Add(2*time.Second), &older); err != nil {
		t.Fatal(err)
	}
	if m, _ := log.Begin(); m != newer {
		t.Error("a reader that was overtaken took the log back")
	}
}

func TestTheStandingIsToldThoughNothingElseChanges(t *testing.T) {
	w := statetest.New(1, 3, 20)
	log := &Log{}
	r := reportAt(w, 1, received)
	advance(t, log, r, Standing{Session: r.Session})
	f := follow(t, log, Scope{Part: Nodes})
	before := len(f.seen)
	r.State = nil // it expired, and was let go
	advance(t, log, r, Standing{Session: Session{Phase: "Backoff"}, Stale: true})
	f.catchUp()
	if got := f.seen[before:]; !slices.Equal(got, []string{"MODIFIED Session"}) {
		t.Errorf("heard %v, want a Session", got)
	}
	m, _ := log.Begin()
	line, err := m.Bookmark(Lines)
	if err != nil || !bytes.Contains(line, []byte(`"stale":true`)) {
		t.Errorf("the bookmark is %s, %v; want it stale", line, err)
	}
}

func TestFramings(t *testing.T) {
	lines := []byte("{\"a\":1}\n{\"b\":2}\n")
	for f, want := range map[Framing]string{
		Lines:           string(lines),
		ServerSent:      "id: 1\ndata: {\"a\":1}\n\nid: 2\ndata: {\"b\":2}\n\n",
		FleetLines:      "{\"cluster\":\"c\",\"a\":1}\n{\"cluster\":\"c\",\"b\":2}\n",
		FleetServerSent: "data: {\"cluster\":\"c\",\"a\":1}\n\ndata: {\"cluster\":\"c\",\"b\":2}\n\n",
	} {
		if got := string(frame(lines, f, "c", "1", "2")); got != want {
			t.Errorf("framing %d: %q, want %q", f, got, want)
		}
	}
}
