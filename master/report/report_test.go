package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

var now = time.Unix(1_800_000_000, 0)

func TestVersionsAreOrderedByTermThenSeq(t *testing.T) {
	ascending := []Version{{Term: 1, Epoch: 9, Seq: 7}, {Term: 1, Epoch: 9, Seq: 8}, {Term: 2, Epoch: 3, Seq: 1}}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := a.Compare(b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s compared with %s: got %d", a, b, got)
			}
		}
	}
	if got := (Version{Term: 17, Epoch: 0x9f2c, Seq: 4}).String(); got != "17.9f2c-4" {
		t.Errorf("got %q, want 17.9f2c-4", got)
	}
}

func TestReportWithoutStateKeepsItsVersion(t *testing.T) {
	r := &Report{Cluster: "a", Term: 5, LazyState: wire.NewLazyState(&state.State{Epoch: 3, Seq: 8}), Size: 100, ExpiresAt: now.Add(time.Second)}
	if s, err := r.State(); err != nil || s.Seq != 8 || !r.Fresh(now) || r.Fresh(r.ExpiresAt) {
		t.Fatalf("got error %v, fresh now %v, fresh at its expiry %v", err, r.Fresh(now), r.Fresh(r.ExpiresAt))
	}
	dropped := r.WithoutState()
	if dropped.Version() != r.Version() || dropped.WithoutState().Version() != r.Version() || dropped.ResourceVersion() != "5.3-8" {
		t.Errorf("got version %s, want %s", dropped.Version(), r.Version())
	}
	if dropped.HasState() || dropped.Fresh(now) || dropped.Size != 0 || !r.HasState() {
		t.Error("the State was not dropped, or was dropped from the original")
	}
	var unreadable *StateError
	if _, err := dropped.State(); !errors.As(err, &unreadable) || unreadable.Cluster != "a" || !strings.Contains(err.Error(), "try again") {
		t.Errorf("got %v, want a StateError that says what to do", err)
	}
}

func TestStaleSections(t *testing.T) {
	const ttl = 10 * time.Second
	failed := state.SectionError{Reason: state.ReasonDisconnected}
	for _, tc := range []struct {
		name    string
		section state.SectionName
		is      state.Section
		want    bool
	}{
		{"observed just now", state.SectionPods, state.Section{ObservedAt: now}, false},
		{"observed at the TTL", state.SectionPods, state.Section{ObservedAt: now.Add(-ttl), Error: failed}, false},
		{"observed before the TTL", state.SectionPods, state.Section{ObservedAt: now.Add(-ttl - 1), Error: failed}, true},
		{"never observed", state.SectionPods, state.Section{Error: failed}, false},
		{"usage has a period of its own", state.SectionUsage, state.Section{ObservedAt: now.Add(-time.Minute)}, false},
		{"usage that is partly readable", state.SectionUsage, state.Section{ObservedAt: now.Add(-time.Minute), Error: state.SectionError{Reason: state.ReasonPartial}}, false},
		{"usage fails", state.SectionUsage, state.Section{ObservedAt: now.Add(-time.Minute), Error: failed}, true},
	} {
		s := &state.State{}
		s.Sections[tc.section] = tc.is
		r := &Report{LazyState: wire.NewLazyState(s), ReceivedAt: now, TTL: ttl}
		if got := r.Stale(); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}
