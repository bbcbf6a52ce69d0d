package session

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// notes are what a follower was told, in order.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, fmt.Sprintf(format, args...))
}

func (n *notes) follow(s *stage) {
	s.config.EventHandlers = []EventHandler{{}, {
		OnReport: func(v *Report, usage bool) {
			if usage {
				n.note("usage %d of %s", v.State.Usage.N, v.Cluster)
			}
			n.note("report of %s", v.Cluster)
		},
		OnSessionEnd:     func(cluster string, at time.Time) { n.note("end of %s", cluster) },
		OnClusterRemoved: func(cluster string) { n.note("%s is gone", cluster) },
	}}
}

// heard are the notes, with what is the same several times in a row once.
func (n *notes) heard() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(slices.Compact(slices.Clone(n.all)), ", ")
}

func TestFollowersHearOfReportsEndsAndGoneClustersInOrder(t *testing.T) {
	var n notes
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		s.get("a")
		s.pass(3 * time.Second)
		want(t, "while it reports", n.heard(), "report of a")
		a.count(func() { a.world.Sample(state.TimeOf(time.Now())) })
		s.pass(3 * time.Second)
		want(t, "with usage", n.heard(), "report of a, usage 1 of a, report of a")
		s.pass(time.Minute)
		want(t, "after it ran out", n.heard(), "report of a, usage 1 of a, report of a, end of a")
		s.registry.remove("a")
		s.sessions.Sync("a")
		s.pass(time.Second)
		want(t, "without its ClusterAgent", n.heard(), "report of a, usage 1 of a, report of a, end of a, a is gone")
	}, n.follow)
}

func TestFollowersFindTheObjectsOfASnapshotAtHand(t *testing.T) {
	var mu sync.Mutex
	var atHand []bool
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a", continuous)
		s.sessions.Sync("a")
		s.pass(3 * time.Second)
		want(t, "resting", s.resting("a"), true)
		mu.Lock()
		defer mu.Unlock()
		if len(atHand) < 2 || !atHand[0] || atHand[1] {
			t.Errorf("at hand: %v; want the first report's, and no other's", atHand)
		}
	}, func(s *stage) {
		s.config.EventHandlers = []EventHandler{{OnReport: func(v *Report, _ bool) {
			mu.Lock()
			defer mu.Unlock()
			atHand = append(atHand, !v.State.ObjectsEvicted())
		}}}
	})
}

func TestASessionThatBroughtNothingIsNoEnd(t *testing.T) {
	var n notes
	act(t, func(t *testing.T, s *stage) {
		s.register("nobody")
		_, err := s.await("nobody", time.Second)
		if err == nil {
			t.Fatal("got a value of nobody")
		}
		want(t, "told", n.heard(), "")
	}, n.follow)
}
