package session

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

// TestAgentCannotReportForAnotherCluster makes the agent of one cluster claim another cluster's name, UID or
// objects. Nothing of it must appear under the other's name: not for readers, in the Store, or for event
// handlers, which are the history, PromQL and the sinks.
func TestAgentCannotReportForAnotherCluster(t *testing.T) {
	for _, tc := range []struct {
		name     string
		claim    func(*wire.Identity)
		accepted bool // as a report of its own cluster
	}{
		{"the other's name", func(i *wire.Identity) { i.ClusterName = "b" }, false},
		{"the other's name and UID", func(i *wire.Identity) { i.ClusterName, i.ClusterUID = "b", "uid-b" }, false},
		{"a name that contains the other's key in Redis", func(i *wire.Identity) { i.ClusterName = "a}:../{b" }, false},
		{"the other's UID", func(i *wire.Identity) { i.ClusterUID = "uid-b" }, true},
		{"the other's objects", func(*wire.Identity) {}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log eventLog
			withMaster(t, func(t *testing.T, m *testMaster) {
				// b is registered, without any request.
				m.addCluster("b")
				a := m.addCluster("a")
				a.update(func() {
					tc.claim(&a.identity)
					a.cluster.Apply(state.Changes{Upserts: []state.Object{&state.Node{Name: "b"}, &state.Pod{Namespace: "b", Name: "b", Node: "b", Phase: state.PodRunning}}})
				})
				_, err := m.await("a", 10*time.Second)
				if (err == nil) != tc.accepted {
					t.Errorf("await a: got error %v", err)
				}
				m.advance(5 * time.Second)
				if r, ok := m.sessions.LastReport("b"); ok {
					t.Errorf("b has a report of %d objects, want none", r.Count())
				}
				if status := m.sessions.Status("b"); status.Summary != nil {
					t.Errorf("b has the summary %+v, want none", status.Summary)
				}
				if _, err := m.store.Load(t.Context(), "b", 10*time.Second); !errors.Is(err, cache.ErrMiss) {
					t.Errorf("load b from the Store: got %v, want ErrMiss", err)
				}
				if events := log.String(); strings.Contains(events, "of b") || strings.Contains(events, "of a") != tc.accepted {
					t.Errorf("event handlers got %q", events)
				}
			}, log.install)
		})
	}
}

// TestDialSendsNothingAboutTheReader checks the headers that an unauthenticated peer receives. They are those
// of a websocket, and with a signing key the master's own token.
func TestDialSendsNothingAboutTheReader(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.update(func() {
			a.admit = func(_ http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				sent = slices.Sorted(maps.Keys(r.Header))
				return true
			}
		})
		m.get("a")
		mu.Lock()
		defer mu.Unlock()
		for _, name := range sent {
			if !strings.HasPrefix(name, "Sec-Websocket-") && !slices.Contains([]string{"Connection", "Upgrade", "User-Agent"}, name) {
				t.Errorf("the dial has the headers %v, want those of a websocket only", sent)
			}
		}
		if len(sent) == 0 {
			t.Error("the dial has no headers")
		}
	})
}
