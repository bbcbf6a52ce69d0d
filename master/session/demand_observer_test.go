package session

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestDemandObserverIsCalledByTheRequestThatStartsASession(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		var started []string
		as := func(user string) context.Context {
			return WithDemandObserver(t.Context(), func(cluster string) { started = append(started, user+" "+cluster) })
		}
		await := func(user string) {
			if _, err := m.sessions.Await(as(user), "a"); err != nil {
				t.Fatal(err)
			}
		}
		await("first")
		await("second")
		m.sessions.RegisterDemand(as("third"), "a")
		m.watch(as("fourth"), "a")()
		wantStarted := func(when string, want ...string) {
			t.Helper()
			if !slices.Equal(started, want) {
				t.Errorf("%s: got %q, want %q", when, started, want)
			}
		}
		wantStarted("one session", "first a")

		m.advance(2 * time.Hour)
		m.wantPhase("a", Idle)
		release := m.watch(as("watcher"), "a")
		await("reader")
		release()
		wantStarted("after the session has ended", "first a", "watcher a")

		m.advance(2 * time.Hour)
		m.sessions.RegisterDemand(as("query"), "a")
		await("reader")
		m.sessions.RegisterDemand(as("query"), "nowhere")
		wantStarted("a query", "first a", "watcher a", "query a")
	})
}
