package session

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// TestWhatAnAgentReportsOfOldIsObserved has an agent lose its API server for a minute,
// and go on reporting.
func TestWhatAnAgentReportsOfOldIsObserved(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		var mu sync.Mutex
		var lost time.Time // since when the API server is away; zero: it is there
		lose := func(at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			lost = at
		}
		s.scripted("a", func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			go func() {
				for k.receive() != nil {
				}
			}()
			for n := 0; ; n++ {
				<-time.After(time.Second)
				b, e, age := k.bookmark(k.held), state.SectionError{}, time.Duration(0)
				mu.Lock()
				since := lost
				mu.Unlock()
				if !since.IsZero() {
					age = time.Since(since) + time.Duration(n)*time.Millisecond // clocks are never exact
					e = state.SectionError{Reason: "Disconnected", Message: fmt.Sprintf("dial from port %d: refused", n)}
				}
				b.Ages[state.SectionPods] = age
				if !k.send(&wire.Status{Section: state.SectionPods, Age: age, Error: e}) || !k.send(b) {
					return
				}
			}
		}, func(c *Cluster) { c.SessionDuration = time.Hour })
		release := s.sessions.Watch("a")
		defer release()
		s.pass(5 * time.Second)
		want(t, "stale while all is well", s.sessions.Status("a").Stale, [state.NumSections]StaleSection{})

		away := time.Now()
		lose(away)
		s.pass(2500 * time.Millisecond)
		want(t, "stale within the TTL", s.sessions.Status("a").Stale, [state.NumSections]StaleSection{})
		s.pass(2 * time.Second)
		o := s.wantReason("a", Succeeded)
		pods := o.Stale[state.SectionPods]
		if pods.Error.Reason != "Disconnected" || pods.Since.Sub(away).Abs() > 50*time.Millisecond || o.Stale[state.SectionNodes] != (StaleSection{}) {
			t.Errorf("stale: %+v, want pods since %s alone", o.Stale, away)
		}
		// Health has an end too: the pods cannot be read for longer than a minute.
		s.pass(time.Minute)
		before := o
		if o = s.sessions.Status("a"); !before.Summary.Healthy || o.Summary.Healthy {
			t.Errorf("healthy: %v at first and %v after a minute, want true and false", before.Summary.Healthy, o.Summary.Healthy)
		}
		s.pass(time.Minute)
		if again := s.wantReason("a", Succeeded); !again.equalIgnoringTimes(o) {
			t.Errorf("it is news each time:\n got %+v\nwant %+v", again.Stale, o.Stale)
		}

		lose(time.Time{})
		s.pass(2 * time.Second)
		want(t, "stale when all is well again", s.sessions.Status("a").Stale, [state.NumSections]StaleSection{})
	})
}

func TestASectionIsStaleOnceItIsOlderThanTheTTL(t *testing.T) {
	now := time.Now()
	e := state.SectionError{Reason: "Disconnected", Message: "refused"}
	for name, tc := range map[string]struct {
		section state.SectionName
		is      state.Section
		stale   bool
	}{
		"fresh":                            {state.SectionPods, state.Section{ObservedAt: now}, false},
		"with an error, within the TTL":    {state.SectionPods, state.Section{ObservedAt: now.Add(-10 * time.Second), Error: e}, false},
		"with an error, older":             {state.SectionPods, state.Section{ObservedAt: now.Add(-11 * time.Second), Error: e}, true},
		"without a word, older":            {state.SectionPods, state.Section{ObservedAt: now.Add(-11 * time.Second)}, true},
		"never there":                      {state.SectionStorage, state.Section{Error: e}, false},
		"usage, which is read seldom":      {state.SectionUsage, state.Section{ObservedAt: now.Add(-14 * time.Second)}, false},
		"usage, of which a part is read":   {state.SectionUsage, state.Section{ObservedAt: now.Add(-14 * time.Second), Error: state.SectionError{Reason: "Partial"}}, false},
		"usage, which cannot be read":      {state.SectionUsage, state.Section{ObservedAt: now.Add(-14 * time.Second), Error: e}, true},
		"usage, which could never be read": {state.SectionUsage, state.Section{Error: e}, false},
	} {
		got := staleSection(tc.section, tc.is, now, 10*time.Second, StaleSection{})
		if got != (StaleSection{}) != tc.stale {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
