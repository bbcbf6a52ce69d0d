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

// TestAnAgentWritesNothingOfAnotherCluster has the agent of one cluster claim to be another,
// by its name, its UID, and its objects. Nothing of it is seen under the other's name: by
// readers, in the Store, or by followers, which are the history, PromQL and the sinks.
func TestAnAgentWritesNothingOfAnotherCluster(t *testing.T) {
	for _, tc := range []struct {
		name  string
		claim func(*wire.Identity)
		taken bool // as a report of its own cluster
	}{
		{"the other's name", func(i *wire.Identity) { i.ClusterName = "b" }, false},
		{"the other's name and UID", func(i *wire.Identity) { i.ClusterName, i.ClusterUID = "b", "uid-b" }, false},
		{"a name that leads to the other's key", func(i *wire.Identity) { i.ClusterName = "a}:../{b" }, false},
		{"the other's UID", func(i *wire.Identity) { i.ClusterUID = "uid-b" }, true},
		{"the other's objects", func(*wire.Identity) {}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n notes
			act(t, func(t *testing.T, s *stage) {
				// b is known, and nobody asks for it.
				s.cluster("b")
				a := s.cluster("a")
				a.count(func() {
					tc.claim(&a.identity)
					a.world.Apply(state.Changes{Upserts: []state.Object{&state.Node{Name: "b"}, &state.Pod{Namespace: "b", Name: "b", Node: "b", Phase: state.PodRunning}}})
				})
				_, err := s.await("a", 10*time.Second)
				if (err == nil) != tc.taken {
					t.Errorf("a is answered with %v", err)
				}
				s.pass(5 * time.Second)
				if v, ok := s.sessions.LastReport("b"); ok {
					t.Errorf("b has a report of %d objects", v.State.Count())
				}
				if o := s.sessions.Status("b"); o.Summary != nil {
					t.Errorf("b has a summary: %+v", o.Summary)
				}
				if _, err := s.store.Load(t.Context(), "b", 10*time.Second); !errors.Is(err, cache.ErrMiss) {
					t.Errorf("the Store has b: %v", err)
				}
				if heard := n.heard(); strings.Contains(heard, "of b") || strings.Contains(heard, "of a") != tc.taken {
					t.Errorf("followers heard %q", heard)
				}
			}, n.follow)
		})
	}
}

// TestADialCarriesNothingOfWhoAsks looks at what an agent is sent before it has said who it is:
// the headers of a websocket, and with a signing key the master's own token.
func TestADialCarriesNothingOfWhoAsks(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.count(func() {
			a.admit = func(_ http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				defer mu.Unlock()
				sent = slices.Sorted(maps.Keys(r.Header))
				return true
			}
		})
		s.get("a")
		mu.Lock()
		defer mu.Unlock()
		for _, name := range sent {
			if !strings.HasPrefix(name, "Sec-Websocket-") && !slices.Contains([]string{"Connection", "Upgrade", "User-Agent"}, name) {
				t.Errorf("an agent is sent %v, want the headers of a websocket only", sent)
			}
		}
		if len(sent) == 0 {
			t.Error("nothing was sent")
		}
	})
}
