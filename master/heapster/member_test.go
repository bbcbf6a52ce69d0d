package heapster

import (
	"encoding/json"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/history"
)

// t0 is the start of the tests. It is a multiple of bucketMillis.
var t0 = time.Unix(1_790_000_010, 0).UTC()

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

func stamp(seconds int) string { return at(seconds).Format(time.RFC3339) }

// member is a test cluster: two nodes; in namespace shop the pods web-1 on n1 and web-2 on
// n2, with two containers each; in namespace system one pod on n1; and two pods that are
// not counted, one pending and one succeeded.
type member struct {
	t       *testing.T
	state   *state.State
	slots   map[state.Key]uint32
	history *history.History
	now     time.Time
}

func newMember(t *testing.T) *member {
	m := &member{t: t, state: &state.State{Epoch: 1}, slots: map[state.Key]uint32{}, history: history.New(history.Config{Window: 15 * time.Minute}), now: t0}
	for _, n := range []string{"n1", "n2"} {
		m.put(&state.Node{
			Name: n, Addresses: []state.NodeAddress{{Type: "Hostname", Address: n + ".example"}},
			Capacity: state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30}, Allocatable: state.Resources{CPUMillis: 2000, MemoryBytes: 4 << 30},
		})
	}
	m.put(&state.NodeLoad{Node: "n1", Requested: state.Resources{CPUMillis: 400, MemoryBytes: 3 << 20}, Limits: state.Resources{CPUMillis: 800}, Pods: 2})
	m.put(&state.NodeLoad{Node: "n2", Requested: state.Resources{CPUMillis: 300, MemoryBytes: 2 << 20}, Limits: state.Resources{CPUMillis: 600}, Pods: 1})
	m.pod("shop", "web-1", "n1", state.PodRunning, "app", "proxy")
	m.pod("shop", "web-2", "n2", state.PodRunning, "app", "proxy")
	m.pod("shop", "waiting", "", state.PodPending, "app")
	m.pod("shop", "done", "n1", state.PodSucceeded, "app")
	m.pod("system", "dns", "n1", state.PodRunning, "dns")
	return m
}

// pod adds a pod that requests 300 millicores, and containers that request 125 each.
func (m *member) pod(namespace, name, node string, phase state.PodPhase, containers ...string) {
	m.put(&state.Pod{
		Namespace: namespace, Name: name, Node: node, Phase: phase,
		Requested: state.Resources{CPUMillis: 300, MemoryBytes: 2 << 20}, Limits: state.Resources{CPUMillis: 600},
	})
	for _, c := range containers {
		m.put(&state.Container{
			Namespace: namespace, Pod: name, Name: c, Node: node, Image: "registry/" + c, State: state.Running, StartedAt: state.TimeOf(at(-60)),
			Requests: state.Resources{CPUMillis: 125}, Limits: state.Resources{CPUMillis: 500, MemoryBytes: 1 << 20},
		})
	}
}

func (m *member) apply(d state.Delta) { m.state = statetest.Next(m.state, d) }

func (m *member) put(o state.Object) {
	m.t.Helper()
	slot := uint32(len(m.slots))
	m.slots[o.Key()] = slot
	m.apply(state.Delta{Upserts: []state.Entry{{Seq: m.state.Seq + 1, Slot: slot, Object: o}}})
}

// sample is the usage of one node (no namespace) or container.
type sample struct {
	namespace, pod, name string
	seconds              int
	cpu                  int64
}

// read adds a reading to the State and the history. Memory is the CPU value in KiB.
func (m *member) read(seconds int, samples ...sample) {
	m.t.Helper()
	m.use(samples...)
	m.now = at(seconds)
	m.history.Add("c", wire.NewLazyState(m.state), state.Summarize(m.state, m.now), m.now)
}

func (m *member) use(samples ...sample) {
	m.t.Helper()
	u := &state.Usage{N: 1, BySlot: make([]state.Used, len(m.slots))}
	if m.state.Usage != nil {
		u.N = m.state.Usage.N + 1
	}
	for _, s := range samples {
		key := state.Key{Kind: state.KindNode, Name: s.name}
		if s.namespace != "" {
			key = state.Key{Kind: state.KindContainer, Namespace: s.namespace, Name: s.pod, Sub: s.name}
		}
		u.BySlot[m.slots[key]] = state.Used{CPUMillis: s.cpu, MemoryBytes: s.cpu << 10, SampledAt: state.TimeOf(at(s.seconds))}
	}
	m.apply(state.Delta{Usage: u})
}

// reading returns samples of all nodes and containers. Those of n2 and of its pod are two
// seconds later.
func reading(seconds int, cpu int64) []sample {
	return []sample{
		{"", "", "n1", seconds, 10 * cpu},
		{"", "", "n2", seconds + 2, 10 * cpu},
		{"shop", "web-1", "app", seconds, cpu},
		{"shop", "web-1", "proxy", seconds, cpu},
		{"shop", "web-2", "app", seconds + 2, cpu},
		{"shop", "web-2", "proxy", seconds + 2, cpu},
		{"system", "dns", "dns", seconds, cpu},
	}
}

func (m *member) source() *Source {
	return &Source{State: m.state, History: m.history.Read("c", m.now), ReceivedAt: m.now, Since: at(-5)}
}

// query returns the response to a request as JSON, and its warning.
func (m *member) query(path, query string) (body, warning string) {
	m.t.Helper()
	return execute(m.t, m.source(), path, query)
}

func execute(t *testing.T, s *Source, path, query string) (body, warning string) {
	t.Helper()
	q, err := Parse(path, query)
	if err != nil {
		t.Fatalf("%s?%s: %v", path, query, err)
	}
	a := q.Execute(s)
	b, err := json.Marshal(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), a.Warning
}
