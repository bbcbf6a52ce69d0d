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

// eventLog records the calls of an EventHandler in order.
type eventLog struct {
	mu     sync.Mutex
	events []string
}

func (n *eventLog) record(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, fmt.Sprintf(format, args...))
}

func (n *eventLog) install(m *testMaster) {
	m.config.EventHandlers = []EventHandler{{}, {
		OnReport: func(r *Report, usage bool) {
			if usage {
				n.record("usage %d of %s", r.Usage.N, r.Cluster)
			}
			n.record("report of %s", r.Cluster)
		},
		OnSessionEnd:     func(cluster string, at time.Time) { n.record("end of %s", cluster) },
		OnClusterRemoved: func(cluster string) { n.record("%s was removed", cluster) },
	}}
}

// String returns the events, without repetitions.
func (n *eventLog) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(slices.Compact(slices.Clone(n.events)), ", ")
}

func TestEventHandlersAreCalledInOrder(t *testing.T) {
	var log eventLog
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		m.get("a")
		m.advance(3 * time.Second)
		wantEqual(t, "events of a session", log.String(), "report of a")
		a.update(func() { a.cluster.Sample(state.TimeOf(time.Now())) })
		m.advance(3 * time.Second)
		wantEqual(t, "events with usage", log.String(), "report of a, usage 1 of a, report of a")
		m.advance(time.Minute)
		wantEqual(t, "events after the session expired", log.String(), "report of a, usage 1 of a, report of a, end of a")
		m.registry.remove("a")
		m.sessions.Sync("a")
		m.advance(time.Second)
		wantEqual(t, "events after removal", log.String(), "report of a, usage 1 of a, report of a, end of a, a was removed")
	}, log.install)
}

func TestEventHandlersGetDecodedObjectsOfASnapshot(t *testing.T) {
	var mu sync.Mutex
	var decoded []bool
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a", continuous)
		m.sessions.Sync("a")
		m.advance(3 * time.Second)
		wantEqual(t, "objects evicted", m.objectsEvicted("a"), true)
		mu.Lock()
		defer mu.Unlock()
		if len(decoded) < 2 || !decoded[0] || decoded[1] {
			t.Errorf("decoded: got %v, want true for the first report only", decoded)
		}
	}, func(m *testMaster) {
		m.config.EventHandlers = []EventHandler{{OnReport: func(r *Report, _ bool) {
			mu.Lock()
			defer mu.Unlock()
			decoded = append(decoded, r.Decoded())
		}}}
	})
}

func TestFailedDialCausesNoSessionEndEvent(t *testing.T) {
	var log eventLog
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.register("unreachable")
		_, err := m.await("unreachable", time.Second)
		if err == nil {
			t.Fatal("got a report of an unreachable cluster")
		}
		wantEqual(t, "events", log.String(), "")
	}, log.install)
}
