package history

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// record is a hand-written run of one cluster: two agent processes, one after the other,
// with a state each second.
type record struct {
	*History
	reader *Reader
	start  time.Time
	// first and second are the states of the two epochs.
	first, second []*state.State
}

const (
	cluster1 = "prod-eu"
	steps    = 5
)

// newRecord returns a record with the states of both epochs and no observations.
func newRecord(t *testing.T) *record {
	r := &record{History: New(t), start: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}
	r.reader = r.Reader("a GET every second")
	w := statetest.New(1, 2, 6)
	r.first = r.change(w, 0)
	v := *w.State
	v.Epoch = 2
	w.State = &v
	r.second = r.change(w, steps)
	return r
}

// change changes the cluster some times, and records its states.
func (r *record) change(w *statetest.Cluster, from int) (states []*state.State) {
	for i := range steps {
		w.Step(1)
		if i == 2 {
			w.Sample(1_800_000_000)
		}
		states = append(states, w.State)
		r.RecordState(cluster1, w.State, r.at(from+i))
	}
	return states
}

// at returns the time of a second of the run.
func (r *record) at(second int) time.Time { return r.start.Add(time.Duration(second) * time.Second) }

// recordValue records an observation of the reader.
func (r *record) recordValue(term uint64, s *state.State, second int) {
	r.reader.RecordValue(cluster1, term, s, r.at(second))
}

// recordAllValues records an observation of each state.
func (r *record) recordAllValues() {
	for i, s := range r.first {
		r.recordValue(1, s, i)
	}
	for i, s := range r.second {
		r.recordValue(2, s, steps+i)
	}
}

// wantViolation fails the test unless there is exactly one violation that contains parts in this
// order; without parts, unless there is none.
func (r *record) wantViolation(t *testing.T, parts ...string) {
	t.Helper()
	found := r.Violations()
	if len(parts) == 0 {
		if len(found) > 0 {
			t.Fatalf("got\n%s\nwant none", strings.Join(found, "\n"))
		}
		return
	}
	if len(found) != 1 {
		t.Fatalf("got %d violations, want one:\n%s", len(found), strings.Join(found, "\n"))
	}
	rest := found[0]
	for _, w := range parts {
		_, after, ok := strings.Cut(rest, w)
		if !ok {
			t.Fatalf("got\n%s\nwant it to contain %q", found[0], w)
		}
		rest = after
	}
}

// changed returns an edited State with the same revision.
func changed(t *testing.T, s *state.State, edit func(d *state.Delta)) *state.State {
	t.Helper()
	d := state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq}
	edit(&d)
	next, err := state.Apply(s, d)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// differing returns the entry in before of an object that differs in now.
func differing(t *testing.T, now, before *state.State) state.Entry {
	t.Helper()
	for kind := range state.NumKinds {
		for e := range now.Entries(kind) {
			if old, ok := before.Get(e.Object.Key()); ok && !state.Equal(old.Object, e.Object) {
				return old
			}
		}
	}
	t.Fatal("no object differs")
	return state.Entry{}
}

func TestCorrectRecordPasses(t *testing.T) {
	r := newRecord(t)
	r.RequireHealing(cluster1, time.Second)
	r.recordAllValues()
	r.recordValue(2, r.second[4], 20)
	r.Fault(cluster1, "a cut", r.at(3))
	r.Fault(cluster1, "a cut", r.at(19))
	r.wantViolation(t)
	r.Check()
}

func TestStatesMayBeSkippedAndRepeated(t *testing.T) {
	r := newRecord(t)
	r.recordValue(1, r.first[0], 0)
	r.recordValue(1, r.first[3], 3)
	r.recordValue(1, changed(t, r.first[3], func(d *state.Delta) {
		d.Sections = &[state.NumSections]state.Section{{ObservedAt: r.at(4)}}
	}), 4)
	r.recordValue(4, r.second[1], 6)
	r.wantViolation(t)
}

func TestVersionThatGoesBackIsFound(t *testing.T) {
	for name, again := range map[string]func(*record){
		"seq":  func(r *record) { r.recordValue(2, r.second[2], 11) },
		"term": func(r *record) { r.recordValue(1, r.first[4], 11) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecord(t)
			r.recordAllValues()
			r.Fault(cluster1, "a cut", r.at(10))
			again(r)
			r.wantViolation(t, "reader a GET every second of cluster prod-eu: the version goes back", "before: 2.2-", "before: 2.2-", "got: ", "at +11s", "wanted: 2.2-", "or later", "fault:  a cut at +10s")
		})
	}
}

func TestTermOfTwoEpochsIsFound(t *testing.T) {
	r := newRecord(t)
	r.recordValue(1, r.first[4], 4)
	r.recordValue(1, r.second[0], 5)
	r.wantViolation(t, "one term has two epochs", "wanted: epoch 1")
}

func TestLostChangeIsFound(t *testing.T) {
	r := newRecord(t)
	r.recordValue(1, changed(t, r.first[4], func(d *state.Delta) {
		d.Upserts = []state.Entry{differing(t, r.first[4], r.first[3])}
	}), 4)
	r.wantViolation(t, "it differs from the state of the cluster", "wanted", "origin: a lost change", " at 1-")
}

func TestLostUsageIsFound(t *testing.T) {
	r := newRecord(t)
	s := *r.first[4]
	s.Usage = nil
	r.recordValue(1, &s, 4)
	r.wantViolation(t, "usage of", "none, wanted {CPUMillis:")
}

func TestLostSectionErrorIsFound(t *testing.T) {
	r := newRecord(t)
	r.recordValue(1, changed(t, r.first[4], func(d *state.Delta) {
		d.Sections = &[state.NumSections]state.Section{{Error: state.SectionError{Reason: "Forbidden"}}}
	}), 4)
	r.wantViolation(t, "section nodes has the error {Reason:Forbidden Message:}, wanted {Reason: Message:}")
}

func TestMissingAndUnexpectedObjectsAreFound(t *testing.T) {
	r := newRecord(t)
	var pod, node state.Object
	for e := range r.first[4].Entries(state.KindPod) {
		pod = e.Object
	}
	node = &state.Node{Name: "nobody"}
	r.recordValue(1, changed(t, r.first[4], func(d *state.Delta) {
		d.Removes, d.Upserts = []state.Key{pod.Key()}, []state.Entry{{Object: node}}
	}), 4)
	r.wantViolation(t, "node nobody is unexpected", keyText(pod.Key())+" is missing")
}

func TestMixOfEpochsIsFound(t *testing.T) {
	r := newRecord(t)
	r.recordValue(2, changed(t, r.second[0], func(d *state.Delta) {
		d.Upserts = []state.Entry{differing(t, r.second[0], r.first[4])}
	}), 5)
	r.wantViolation(t, "it differs from the state of the cluster", "origin: a mix of epochs", " at 1-")
}

func TestUnknownRevisionIsFound(t *testing.T) {
	r := newRecord(t)
	s := *r.first[4]
	s.Seq++
	r.recordValue(1, &s, 4)
	r.wantViolation(t, "the cluster never had this revision", "wanted: 1-", "at most")
}

func TestLateHealingIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		script func(*record)
		parts  []string
	}{
		"never": {func(r *record) {}, []string{"got:    none"}},
		"late":  {func(r *record) { r.recordValue(2, r.second[4], 23) }, []string{"the first at +23s, 3s later"}},
		"seen, but confirmed before": {func(r *record) {
			r.recordValue(2, r.second[4], 19)
		}, []string{"got:    none"}},
		"outdated before the fault": {func(r *record) { r.recordValue(2, r.second[3], 21) }, []string{"got:    none"}},
		"although it healed after an earlier fault": {func(r *record) {
			r.Fault(cluster1, "a stall", r.at(12))
			r.recordValue(2, r.second[4], 13)
		}, []string{"got:    none"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecord(t)
			r.RequireHealing(cluster1, 2*time.Second)
			r.Fault(cluster1, "a cut", r.at(20))
			tc.script(r)
			r.wantViolation(t, append([]string{"cluster prod-eu: not healed within 2s", "wanted: a current value that was confirmed between +20s and +22s"}, tc.parts...)...)
		})
	}
}

func TestFaultBeforeAnotherNeedNotHeal(t *testing.T) {
	r := newRecord(t)
	r.RequireHealing(cluster1, 2*time.Second)
	r.Fault(cluster1, "a stall", r.at(22))
	r.Fault(cluster1, "a cut", r.at(20))
	r.recordValue(2, r.second[4], 24)
	r.Annotate(cluster1, "a flip", r.at(25))
	r.wantViolation(t)
}

func TestInconsistentStatesAreFound(t *testing.T) {
	r := newRecord(t)
	r.RecordState(cluster1, changed(t, r.second[4], func(d *state.Delta) {
		d.Upserts = []state.Entry{{Object: &state.Node{Name: "more"}}}
	}), r.at(9))
	r.wantViolation(t, "the agent has two states at 2-", "node more is unexpected")
}

func TestDocumentsOfOneVersionMustBeEqual(t *testing.T) {
	r := newRecord(t)
	other := r.Reader("another")
	for i, v := range []string{"1.a-3", "1.a-3", "1.a-4", "2.b-1"} {
		r.reader.RecordDocument("other", v, "as at "+v, r.at(i))
		other.RecordDocument("other", v, "as at "+v, r.at(i))
	}
	r.wantViolation(t)
	other.RecordDocument("other", "3.b-1", "as at 2.b-2", r.at(9))
	r.wantViolation(t, "reader another of cluster other: version b-1 has two contents", "as at 2.b-2", "as at 2.b-1", "seen by reader a GET every second")
}

func TestVersionsOfDocumentsAreChecked(t *testing.T) {
	r := newRecord(t)
	r.reader.RecordDocument("other", "1.a-3", "", r.at(0))
	r.reader.RecordDocument("other", "1.a-2", "", r.at(1))
	r.wantViolation(t, "the version goes back")
	for _, v := range []string{"", "1", "1.a", "x.a-1", "1.z-1", "1.a-"} {
		q := newRecord(t)
		q.reader.RecordDocument("other", v, "", q.at(0))
		q.wantViolation(t, "is not a resourceVersion")
	}
}

func TestOrderIsCheckedPerReaderAndCluster(t *testing.T) {
	r := newRecord(t)
	r.recordAllValues()
	r.Reader("another").RecordValue(cluster1, 1, r.first[0], r.at(11))
	r.reader.RecordValue("other", 1, r.first[0], r.at(12))
	r.wantViolation(t)
}

func TestViolationsAreLimited(t *testing.T) {
	r := newRecord(t)
	for i := range 20 {
		r.recordValue(uint64(40-i), r.second[4], i)
	}
	if found := r.Violations(); len(found) != maxViolations+1 || !strings.Contains(found[maxViolations], "14 more") {
		t.Errorf("got %d violations, the last %s; want %d and one line with the number of others", len(found), found[len(found)-1], maxViolations)
	}
}

// pods returns the objects that a reader of pod events must have.
func pods(s *state.State) map[string]string {
	objects := map[string]string{}
	for p := range s.Pods() {
		b, _ := json.Marshal(p)
		objects[p.Namespace+"/"+p.Name] = string(b)
	}
	return objects
}

func TestNewerVersionWithOlderContentIsFound(t *testing.T) {
	older := func(r *record) {
		r.recordValue(2, r.second[3], 8)
		r.recordValue(3, r.second[1], 9)
	}
	t.Run("not looked at", func(t *testing.T) {
		r := newRecord(t)
		older(r)
		r.wantViolation(t)
	})
	t.Run("found", func(t *testing.T) {
		r := newRecord(t)
		r.RequireOrder(cluster1)
		r.Annotate(cluster1, "a kill", r.at(8))
		older(r)
		r.wantViolation(t, "a newer version has older content", "before: 2.2-", "got:    3.2-", "wanted: 2-", "or later")
	})
	t.Run("of another epoch", func(t *testing.T) {
		r := newRecord(t)
		r.RequireOrder(cluster1)
		r.recordValue(2, r.second[0], 8)
		r.recordValue(3, r.first[4], 9)
		r.wantViolation(t, "a newer version has older content")
	})
	t.Run("the same content under a new term", func(t *testing.T) {
		r := newRecord(t)
		r.RequireOrder(cluster1)
		r.recordValue(2, r.second[3], 8)
		r.recordValue(3, r.second[3], 9)
		r.wantViolation(t)
	})
}

func TestOutdatedFreshValueIsFound(t *testing.T) {
	for name, tc := range map[string]struct {
		stale bool
		at    int
		parts []string
	}{
		"in time":           {false, 7, nil},
		"reported as stale": {true, 20, nil},
		"reported as fresh": {false, 8, []string{"it was reported as fresh 4s after the cluster had changed", "wanted: stale, or 1-"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecord(t)
			r.RequireFreshness(cluster1, 3*time.Second)
			r.reader.RecordFreshness(cluster1, false, r.at(0)) // without a value
			r.recordValue(1, r.first[3], 3)
			r.reader.RecordFreshness(cluster1, false, r.at(4))
			r.recordValue(1, r.first[3], 4)
			r.reader.RecordFreshness(cluster1, tc.stale, r.at(tc.at))
			// The next state is that of 4 s.
			r.wantViolation(t, tc.parts...)
		})
	}
}

func TestStreamWithoutRenderIsCheckedForOrder(t *testing.T) {
	r := newRecord(t)
	s := r.Stream("a watch", cluster1, nil)
	s.List(r.at(0))
	s.Event(Added, "a", "1", "", r.at(0))
	s.Event(Bookmark, "", "", "3.2-4", r.at(1))
	s.Version("3.2-4", r.at(2))
	s.Event(Modified, "a", "2", "3.2-6", r.at(3))
	s.From(map[string]string{"a": "2"}, "3.2-6", r.at(4))
	s.Version("4.2-6", r.at(5))
	r.wantViolation(t)
	s.Version("3.2-7", r.at(6))
	r.wantViolation(t, "the version goes back", "wanted: 4.2-6")
}
