// Package cachetest contains the tests that every cache.Store has to pass.
package cachetest

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// Run runs all tests, each with its own Store from open.
func Run(t *testing.T, open func(t *testing.T) cache.Store) {
	for name, test := range map[string]func(*testing.T, cache.Store){
		"UnknownClusterIsAMiss":               testUnknownCluster,
		"LoadReturnsWhatWasSaved":             testLoadAfterSave,
		"EverySavedVersionIsLoaded":           testEveryVersion,
		"OlderVersionIsIgnored":               testOlderVersion,
		"SameVersionExtendsTheLifetime":       testSameVersion,
		"HigherTermReplacesAnySeq":            testHigherTerm,
		"EntryIsRemovedWhenItExpires":         testExpiry,
		"EntryWithDemandOutlivesItsExpiry":    testRetention,
		"OlderTermIsRefusedAfterTheExpiry":    testOlderTermAfterExpiry,
		"ExpiredEntryIsNotSaved":              testSaveExpired,
		"DeleteRemovesTheEntry":               testDelete,
		"ClustersAreIndependent":              testClustersAreIndependent,
		"OneOfTwoMastersTakesATerm":           testTakeTerm,
		"TakenTermRefusesOlderReports":        testTakenTermRefusesOlderReports,
		"SectionsAndUsageAreKept":             testSectionsAndUsage,
		"EntryOfAnotherEpochReplacesTheState": testOtherEpoch,
		"EntryLivesAtMostForTheReadersTTL":    testReadersTTL,
		"LoadChangesNothing":                  testLoadChangesNothing,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// LongTTL is longer than the lifetime of any report in these tests.
const LongTTL = 3 * time.Hour

// Report returns a report of the cluster "a" that was received now, expires in a minute and has demand for five.
func Report(term uint64, s *state.State) *report.Report {
	now := time.Now()
	return &report.Report{
		Cluster: "a", Term: term, LazyState: wire.NewLazyState(s), UID: "uid-1", KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0",
		Session:    report.Session{ID: "session-1", StartedAt: now.Add(-time.Minute).Truncate(time.Millisecond), ExpiresAt: now.Add(time.Hour).Truncate(time.Millisecond)},
		ReceivedAt: now, ExpiresAt: now.Add(time.Minute), TTL: time.Minute, DemandUntil: now.Add(5 * time.Minute),
	}
}

// save saves a copy of r as the report of a cluster.
func save(t *testing.T, s cache.Store, cluster string, r *report.Report) {
	t.Helper()
	saved := *r
	saved.Cluster = cluster
	if err := s.Save(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, s cache.Store, cluster string) *report.Report {
	t.Helper()
	r, err := s.Load(t.Context(), cluster, LongTTL)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantMiss(t *testing.T, s cache.Store, cluster string) {
	t.Helper()
	if r, err := s.Load(t.Context(), cluster, LongTTL); !errors.Is(err, cache.ErrMiss) {
		t.Fatalf("got report %+v, error %v; want a miss", r, err)
	}
}

// WantState fails the test unless the State of a report has the content of want.
func WantState(t *testing.T, r *report.Report, want *state.State) {
	t.Helper()
	got, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	if got.Epoch != want.Epoch || got.Seq != want.Seq {
		t.Fatalf("got %x-%d, want %x-%d", got.Epoch, got.Seq, want.Epoch, want.Seq)
	}
	for kind := range state.NumKinds {
		a, b := slices.Collect(got.Entries(kind)), slices.Collect(want.Entries(kind))
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("got %d objects of kind %s that differ from the %d wanted", len(a), kind, len(b))
		}
	}
	if !reflect.DeepEqual(got.Usage, want.Usage) {
		t.Fatal("got another usage than wanted")
	}
	for i, s := range got.Sections {
		if s.Error != want.Sections[i].Error || !near(s.ObservedAt, want.Sections[i].ObservedAt) {
			t.Fatalf("section %s: got %+v, want %+v", state.SectionName(i), s, want.Sections[i])
		}
	}
}

// StateOf returns the State of a report.
func StateOf(t testing.TB, r *report.Report) *state.State {
	t.Helper()
	s, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// near reports whether two times differ by less than a second. Stores round times to milliseconds,
// and compute some from an age.
func near(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && a.Sub(b).Abs() < time.Second
}

func testUnknownCluster(t *testing.T, s cache.Store) { wantMiss(t, s, "unknown") }

func testLoadAfterSave(t *testing.T, s cache.Store) {
	want := Report(7, statetest.New(1, 3, 40).State)
	save(t, s, "a", want)
	got := load(t, s, "a")
	WantState(t, got, StateOf(t, want))
	if got.Term != 7 || got.UID != want.UID || got.KubernetesVersion != want.KubernetesVersion || got.AgentVersion != want.AgentVersion || got.Session.ID != want.Session.ID {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for field, pair := range map[string][2]time.Time{
		"ReceivedAt": {got.ReceivedAt, want.ReceivedAt}, "ExpiresAt": {got.ExpiresAt, want.ExpiresAt}, "DemandUntil": {got.DemandUntil, want.DemandUntil},
		"Session.StartedAt": {got.Session.StartedAt, want.Session.StartedAt}, "Session.ExpiresAt": {got.Session.ExpiresAt, want.Session.ExpiresAt},
	} {
		if !near(pair[0], pair[1]) {
			t.Errorf("%s: got %s, want %s", field, pair[0], pair[1])
		}
	}
}

func testEveryVersion(t *testing.T, s cache.Store) {
	w := statetest.New(2, 4, 60)
	for step := range 60 {
		switch {
		case step%7 == 3:
			w.Sample(1_800_000_000 + state.Time(step))
		case step%5 != 4: // otherwise only ReceivedAt changes
			w.Step(step % 4)
		}
		save(t, s, "a", Report(1, w.State))
		if step%6 != 5 {
			WantState(t, load(t, s, "a"), w.State)
		}
	}
}

func testOlderVersion(t *testing.T, s cache.Store) {
	w := statetest.New(3, 2, 20)
	older := w.State
	w.Step(5)
	save(t, s, "a", Report(5, w.State))
	save(t, s, "a", Report(5, older))
	wantSuperseded(t, s, Report(4, w.State))
	got := load(t, s, "a")
	if got.Term != 5 {
		t.Errorf("got term %d, want 5", got.Term)
	}
	WantState(t, got, w.State)
	w.Step(5)
	save(t, s, "a", Report(5, w.State))
	WantState(t, load(t, s, "a"), w.State)
}

func testSameVersion(t *testing.T, s cache.Store) {
	e := Report(1, statetest.New(4, 1, 5).State)
	save(t, s, "a", e)
	longer, shorter := *e, *e
	longer.ExpiresAt = e.ExpiresAt.Add(time.Hour)
	shorter.ExpiresAt = e.ExpiresAt.Add(time.Minute)
	save(t, s, "a", &longer)
	save(t, s, "a", &shorter)
	if got := load(t, s, "a"); !near(got.ExpiresAt, longer.ExpiresAt) {
		t.Errorf("got ExpiresAt %s, want %s", got.ExpiresAt, longer.ExpiresAt)
	}
}

func testHigherTerm(t *testing.T, s cache.Store) {
	w := statetest.New(5, 2, 20)
	first := w.State
	w.Step(9)
	save(t, s, "a", Report(1, w.State))
	save(t, s, "a", Report(2, first))
	got := load(t, s, "a")
	if got.Term != 2 {
		t.Errorf("got term %d, want 2", got.Term)
	}
	WantState(t, got, first)
}

func testOtherEpoch(t *testing.T, s cache.Store) {
	save(t, s, "a", Report(1, statetest.New(6, 2, 30).State))
	other := statetest.New(7, 2, 10)
	save(t, s, "a", Report(2, other.State))
	WantState(t, load(t, s, "a"), other.State)
	other.Step(3)
	save(t, s, "a", Report(2, other.State))
	WantState(t, load(t, s, "a"), other.State)
}

func testSectionsAndUsage(t *testing.T, s cache.Store) {
	w := statetest.New(8, 2, 10)
	w.Sample(1_800_000_000)
	with := *w.State
	now := time.Now()
	with.Sections[state.SectionNodes].ObservedAt = now.Add(-5 * time.Second)
	with.Sections[state.SectionUsage] = state.Section{ObservedAt: now.Add(-time.Hour), Error: state.SectionError{Reason: "Unavailable", Message: "metrics.k8s.io is not served"}}
	save(t, s, "a", Report(1, &with))
	WantState(t, load(t, s, "a"), &with)

	recovered := with
	recovered.Seq++
	recovered.Sections[state.SectionUsage] = state.Section{ObservedAt: now}
	save(t, s, "a", Report(1, &recovered))
	WantState(t, load(t, s, "a"), &recovered)
}

func testExpiry(t *testing.T, s cache.Store) {
	e := Report(1, statetest.New(9, 1, 5).State)
	e.ExpiresAt = time.Now().Add(100 * time.Millisecond)
	e.DemandUntil = e.ExpiresAt.Add(-50 * time.Millisecond)
	save(t, s, "a", e)
	Eventually(t, "the entry is removed", func() bool {
		_, err := s.Load(t.Context(), "a", LongTTL)
		return errors.Is(err, cache.ErrMiss)
	})
	if early := time.Until(e.ExpiresAt); early > 0 {
		t.Errorf("removed %s before it expired", early)
	}
	e.ExpiresAt = time.Now().Add(time.Minute)
	save(t, s, "a", e)
	WantState(t, load(t, s, "a"), StateOf(t, e))
}

func testRetention(t *testing.T, s cache.Store) {
	w := statetest.New(9, 1, 5)
	e := Report(1, w.State)
	e.ExpiresAt = time.Now().Add(100 * time.Millisecond)
	save(t, s, "a", e)
	Eventually(t, "the entry has expired", func() bool { return time.Now().After(e.ExpiresAt) })
	got := load(t, s, "a")
	WantState(t, got, StateOf(t, e))
	if !near(got.ExpiresAt, e.ExpiresAt) || !near(got.ReceivedAt, e.ReceivedAt) || !near(got.DemandUntil, e.DemandUntil) {
		t.Errorf("got %+v, want the times of %+v", got, e)
	}
	later := *e
	later.ExpiresAt, later.DemandUntil = time.Now().Add(time.Minute), time.Time{}
	save(t, s, "a", &later)
	if got := load(t, s, "a"); !near(got.ExpiresAt, later.ExpiresAt) {
		t.Errorf("after it was extended: got ExpiresAt %s, want %s", got.ExpiresAt, later.ExpiresAt)
	}
	w.Step(1)
	save(t, s, "a", Report(1, w.State))
	WantState(t, load(t, s, "a"), w.State)
}

func testSaveExpired(t *testing.T, s cache.Store) {
	e := Report(1, statetest.New(9, 1, 5).State)
	e.ExpiresAt = time.Now().Add(-time.Second)
	save(t, s, "a", e)
	wantMiss(t, s, "a")
}

func testReadersTTL(t *testing.T, s cache.Store) {
	e := Report(1, statetest.New(15, 1, 5).State)
	e.ReceivedAt = time.Now().Add(-5 * time.Second)
	save(t, s, "a", e)
	for ttl, left := range map[time.Duration]time.Duration{20 * time.Second: 15 * time.Second, LongTTL: e.ExpiresAt.Sub(e.ReceivedAt) - 5*time.Second, 2 * time.Second: -3 * time.Second} {
		got, err := s.Load(t.Context(), "a", ttl)
		if err != nil {
			t.Fatal(err)
		}
		if now := time.Until(got.ExpiresAt); (now - left).Abs() > time.Second {
			t.Errorf("with a TTL of %s: got %s until expiry, want %s", ttl, now, left)
		}
		if !near(got.ReceivedAt, e.ReceivedAt) {
			t.Errorf("with a TTL of %s: got ReceivedAt %s, want %s", ttl, got.ReceivedAt, e.ReceivedAt)
		}
	}
}

func testLoadChangesNothing(t *testing.T, s cache.Store) {
	want := Report(1, statetest.New(16, 1, 5).State)
	save(t, s, "a", want)
	for _, ttl := range []time.Duration{0, -time.Hour, LongTTL} {
		_, _ = s.Load(t.Context(), "a", ttl)
	}
	WantState(t, load(t, s, "a"), StateOf(t, want))
}

func testDelete(t *testing.T, s cache.Store) {
	w := statetest.New(10, 1, 20)
	save(t, s, "a", Report(1, w.State))
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	wantMiss(t, s, "a")
	w.Step(1)
	save(t, s, "a", Report(1, w.State))
	WantState(t, load(t, s, "a"), w.State)
}

func testClustersAreIndependent(t *testing.T, s cache.Store) {
	a, b := statetest.New(11, 1, 5), statetest.New(12, 2, 9)
	save(t, s, "a", Report(2, a.State))
	save(t, s, "b", Report(1, b.State))
	WantState(t, load(t, s, "a"), a.State)
	WantState(t, load(t, s, "b"), b.State)
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	WantState(t, load(t, s, "b"), b.State)
}

// Eventually fails the test unless the condition becomes true within ten seconds.
func Eventually(t *testing.T, description string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not true within 10 s: %s", description)
		}
	}
}
