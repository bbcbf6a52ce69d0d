package session

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// TestStaleSectionsAreInTheStatus runs an agent that loses its API server for two minutes, and continues to
// report.
func TestStaleSectionsAreInTheStatus(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		var mu sync.Mutex
		var lostAt time.Time // when the API server was lost, or zero
		setLostAt := func(at time.Time) {
			mu.Lock()
			defer mu.Unlock()
			lostAt = at
		}
		m.addClusterWithHandler("a", func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			go func() {
				for c.receive() != nil {
				}
			}()
			for n := 0; ; n++ {
				<-time.After(time.Second)
				b, e, age := c.bookmark(c.sent), state.SectionError{}, time.Duration(0)
				mu.Lock()
				since := lostAt
				mu.Unlock()
				if !since.IsZero() {
					age = time.Since(since) + time.Duration(n)*time.Millisecond // ages are never exact
					e = state.SectionError{Reason: "Disconnected", Message: fmt.Sprintf("dial from port %d: refused", n)}
				}
				b.Ages[state.SectionPods] = age
				if !c.send(&wire.Status{Section: state.SectionPods, Age: age, Error: e}) || !c.send(b) {
					return
				}
			}
		}, func(c *Cluster) { c.SessionDuration = time.Hour })
		release := m.watch(t.Context(), "a")
		defer release()
		m.advance(5 * time.Second)
		wantEqual(t, "stale before the outage", m.sessions.Status("a").Stale, [state.NumSections]StaleSection{})

		lost := time.Now()
		setLostAt(lost)
		m.advance(2500 * time.Millisecond)
		wantEqual(t, "stale within the TTL", m.sessions.Status("a").Stale, [state.NumSections]StaleSection{})
		m.advance(2 * time.Second)
		status := m.wantReason("a", Succeeded)
		pods := status.Stale[state.SectionPods]
		if pods.Error.Reason != "Disconnected" || pods.Since.Sub(lost).Abs() > 50*time.Millisecond || status.Stale[state.SectionNodes] != (StaleSection{}) {
			t.Errorf("stale is %+v, want only pods, since %s", status.Stale, lost)
		}
		// The cluster becomes unhealthy when its pods could not be read for a minute.
		m.advance(time.Minute)
		before := status
		if status = m.sessions.Status("a"); !before.Summary.Healthy || status.Summary.Healthy {
			t.Errorf("healthy: %v at first and %v after a minute, want true and false", before.Summary.Healthy, status.Summary.Healthy)
		}
		m.advance(time.Minute)
		if again := m.wantReason("a", Succeeded); !again.equalIgnoringTimes(status) {
			t.Errorf("the status changed while nothing but times did:\n got %+v\nwant %+v", again.Stale, status.Stale)
		}

		setLostAt(time.Time{})
		m.advance(2 * time.Second)
		wantEqual(t, "stale after the recovery", m.sessions.Status("a").Stale, [state.NumSections]StaleSection{})
	})
}

func TestStaleSection(t *testing.T) {
	now := time.Now()
	e := state.SectionError{Reason: "Disconnected", Message: "refused"}
	for name, tc := range map[string]struct {
		section state.SectionName
		is      state.Section
		stale   bool
	}{
		"fresh":                         {state.SectionPods, state.Section{ObservedAt: now}, false},
		"with an error, within the TTL": {state.SectionPods, state.Section{ObservedAt: now.Add(-10 * time.Second), Error: e}, false},
		"with an error, older":          {state.SectionPods, state.Section{ObservedAt: now.Add(-11 * time.Second), Error: e}, true},
		"without an error, older":       {state.SectionPods, state.Section{ObservedAt: now.Add(-11 * time.Second)}, true},
		"never read":                    {state.SectionStorage, state.Section{Error: e}, false},
		"usage, older than the TTL":     {state.SectionUsage, state.Section{ObservedAt: now.Add(-14 * time.Second)}, false},
		"usage, partial":                {state.SectionUsage, state.Section{ObservedAt: now.Add(-14 * time.Second), Error: state.SectionError{Reason: "Partial"}}, false},
		"usage, with an error":          {state.SectionUsage, state.Section{ObservedAt: now.Add(-14 * time.Second), Error: e}, true},
		"usage, never read":             {state.SectionUsage, state.Section{Error: e}, false},
	} {
		got := staleSection(tc.section, tc.is, now, 10*time.Second, StaleSection{})
		if got != (StaleSection{}) != tc.stale {
			t.Errorf("%s: got %+v, want stale %t", name, got, tc.stale)
		}
	}
}
