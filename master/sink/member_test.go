package sink

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/heapster"
	"rollcall.dev/rollcall/master/samples"
)

// t0 is when the tests begin, in whole seconds. It is recent, as receivers refuse old samples.
var t0 = time.Now().Add(-10 * time.Minute).Truncate(time.Minute).UTC()

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

// member is a test cluster: the node n1 and, in namespace shop, pods with one container.
type member struct {
	t     testing.TB
	state *state.State
	slots map[state.Key]uint32
}

func newMember(t testing.TB, epoch uint64, pods ...string) *member {
	m := &member{t: t, state: &state.State{Epoch: epoch}, slots: map[state.Key]uint32{}}
	m.put(&state.Node{Name: "n1", Capacity: state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30}, Allocatable: state.Resources{CPUMillis: 2000, MemoryBytes: 4 << 30}})
	m.put(&state.NodeLoad{Node: "n1", Requested: state.Resources{CPUMillis: 300}, Pods: int64(len(pods))})
	for _, p := range pods {
		m.put(&state.Pod{Namespace: "shop", Name: p, Node: "n1", Phase: state.PodRunning, Requested: state.Resources{CPUMillis: 250, MemoryBytes: 1 << 20}})
		m.put(m.container(p))
	}
	return m
}

func (m *member) container(pod string) *state.Container {
	return &state.Container{
		Namespace: "shop", Pod: pod, Name: "app", Node: "n1", Image: "registry/app:1", State: state.Running, StartedAt: state.TimeOf(at(-60)), Ready: true,
		Requests: state.Resources{CPUMillis: 250, MemoryBytes: 1 << 20}, Limits: state.Resources{MemoryBytes: 2 << 20},
	}
}

func (m *member) apply(d state.Delta) { m.state = statetest.Next(m.state, d) }

func (m *member) put(o state.Object) {
	m.t.Helper()
	slot, ok := m.slots[o.Key()]
	if !ok {
		slot = uint32(len(m.slots))
		m.slots[o.Key()] = slot
	}
	m.apply(state.Delta{Upserts: []state.Entry{{Seq: m.state.Seq + 1, Slot: slot, Object: o}}})
}

func (m *member) remove(pod string) {
	m.t.Helper()
	m.apply(state.Delta{Removes: []state.Key{m.container(pod).Key(), {Kind: state.KindPod, Namespace: "shop", Name: pod}}})
}

// use adds a reading in which each node and container uses cpu millicores and as many MiB.
func (m *member) use(seconds int, cpu int64) {
	m.t.Helper()
	u := &state.Usage{N: 1, BySlot: make([]state.Used, len(m.slots))}
	if m.state.Usage != nil {
		u.N = m.state.Usage.N + 1
	}
	for slot := range u.BySlot {
		u.BySlot[slot] = state.Used{CPUMillis: cpu, MemoryBytes: cpu << 20, SampledAt: state.TimeOf(at(seconds))}
	}
	m.apply(state.Delta{Usage: u})
}

// report returns the event of a report, with a reading of the second before.
func (m *member) report(cluster string, seconds int, cpu int64) event {
	m.t.Helper()
	m.use(seconds-1, cpu)
	return m.again(cluster, seconds, true)
}

func (m *member) again(cluster string, seconds int, usage bool) event {
	return event{cluster: cluster, at: at(seconds), state: wire.NewLazyState(m.state), counts: state.Summarize(m.state, at(seconds)), usage: usage}
}

// trackers makes batches as the batcher does, without a goroutine.
type trackers map[string]*clusterTracker

func (b trackers) batchesOf(n event) []*Batch { return (&Sinks{}).batchesOf(b, n) }

// format formats a batch as text: the series, and the CPU time at seconds since t0.
func format(b *Batch) string {
	var parts []string
	for s := range b.Sets() {
		if s.Kind != samples.KindNode && s.Kind != samples.KindContainer {
			continue
		}
		name := s.Node
		if s.Kind == samples.KindContainer {
			name = s.Pod
		}
		if total, ok := heapster.CPUUsage.Value(&s); ok {
			name += fmt.Sprintf("@%d=%gs", s.At/1000-t0.Unix(), total/1e9)
		}
		parts = append(parts, name)
	}
	text := strings.Join(parts, " ")
	if b.Ended {
		text = "ended: " + text
	}
	return text
}

func formatAll(batches []*Batch) string {
	var all []string
	for _, b := range batches {
		all = append(all, format(b))
	}
	return strings.Join(all, "; ")
}

// gather returns the values of a sink's metrics, by name without prefix and by reason.
func gather(t testing.TB, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all[metricKey(f.GetName(), m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

func metricKey(family string, m *dto.Metric) string {
	name := strings.TrimPrefix(family, "rollcall_sink_")
	for _, l := range m.GetLabel() {
		if l.GetName() == "reason" {
			name += " " + l.GetValue()
		}
	}
	return name
}

var quiet = slog.New(slog.DiscardHandler)
