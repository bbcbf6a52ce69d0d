package session

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errRegistry = errors.New("the cache is broken")

// wantUnavailable fails the test unless err says that the Registry cannot be read, and why.
func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, ErrRegistryUnavailable) || !errors.Is(err, errRegistry) || errors.Is(err, ErrNotFound) {
		t.Errorf("%s: got error %v, want %v: %v", what, err, ErrRegistryUnavailable, errRegistry)
	}
}

func TestUnknownClusterWhileTheRegistryCannotBeRead(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.stop()
		m.start() // which knows no cluster yet
		m.registry.fail(errRegistry)
		_, err := m.await("a", time.Second)
		wantUnavailable(t, "Await", err)
		_, err = m.sessions.Current("a")
		wantUnavailable(t, "Current", err)
		_, err = m.sessions.Watch(context.Background(), "a")
		wantUnavailable(t, "Watch", err)
		wantUnavailable(t, "RegisterDemand", m.sessions.RegisterDemand(t.Context(), "a"))
		wantUnavailable(t, "Sync", m.sessions.Sync("a"))
		m.registry.fail(nil)
		m.get("a")
	}, func(m *testMaster) { m.config.Metrics = nil })
}

// TestKnownClusterWhileTheRegistryCannotBeRead checks that a cluster is neither removed nor disturbed, and that event
// handlers, such as those of the sinks and the history, are not told that it was.
func TestKnownClusterWhileTheRegistryCannotBeRead(t *testing.T) {
	removed := 0
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.registry.fail(errRegistry)
		wantUnavailable(t, "Sync", m.sessions.Sync("a"))
		m.advance(time.Minute) // until the report and the session have expired
		m.get("a")
		release := m.watch(t.Context(), "a")
		release()
		if err := m.sessions.RegisterDemand(t.Context(), "a"); err != nil {
			t.Errorf("RegisterDemand: got error %v, want none", err)
		}
		if c, err := m.sessions.Current("a"); err != nil || c.Report == nil {
			t.Errorf("Current: got report %v and error %v, want a report", c.Report, err)
		}
		if reason := m.sessions.Status("a").LastEndReason; reason == endDeleted || removed > 0 {
			t.Errorf("the cluster was removed: last end reason %q, %d calls of OnClusterRemoved", reason, removed)
		}
		wantEqual(t, "sessions", a.sessionCount(), 2)
		m.registry.fail(nil)
		m.registry.remove("a")
		if err := m.sessions.Sync("a"); err != nil {
			t.Errorf("Sync: got error %v, want none", err)
		}
		m.advance(time.Second)
		wantEqual(t, "removals", removed, 1)
	}, func(m *testMaster) {
		m.config.EventHandlers = []EventHandler{{OnClusterRemoved: func(string) { removed++ }}}
	})
}
