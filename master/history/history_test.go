package history

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
)

const cluster1 = "prod-eu"

// t0 is the start of the tests, in whole seconds.
var t0 = time.Unix(1_790_000_000, 0)

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

// member is a test cluster. It makes the States that its agent would report.
type member struct {
	t     failer
	state *state.State
	slots map[state.Key]uint32
}

// failer is a *testing.T, *testing.B or *rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func newMember(t failer, epoch uint64) *member {
	return &member{t: t, state: &state.State{Epoch: epoch}, slots: map[state.Key]uint32{}}
}

func web(pod, node string) *state.Container {
	return &state.Container{Namespace: "shop", Pod: pod, Name: "app", Node: node}
}

func (m *member) apply(d state.Delta) { m.state = statetest.Next(m.state, d) }

// put adds an object at a slot.
func (m *member) put(o state.Object, slot uint32) {
	m.t.Helper()
	m.slots[o.Key()] = slot
	m.apply(state.Delta{Upserts: []state.Entry{{Seq: m.state.Seq + 1, Slot: slot, Object: o}}})
}

func (m *member) remove(o state.Object) {
	m.t.Helper()
	delete(m.slots, o.Key())
	m.apply(state.Delta{Removes: []state.Key{o.Key()}})
}

// read adds a reading with CPU by slot, all sampled at one second. Memory is the CPU value
// in MiB. Slots without a CPU value have no sample.
func (m *member) read(seconds int, cpu map[uint32]int64) {
	m.t.Helper()
	u := &state.Usage{N: 1}
	if m.state.Usage != nil {
		u.N = m.state.Usage.N + 1
	}
	for _, slot := range slices.Sorted(maps.Keys(cpu)) {
		u.BySlot = append(u.BySlot, make([]state.Used, int(slot)+1-len(u.BySlot))...)
		u.BySlot[slot] = state.Used{CPUMillis: cpu[slot], MemoryBytes: cpu[slot] << 20, SampledAt: state.TimeOf(at(seconds))}
	}
	m.apply(state.Delta{Usage: u})
}

// format formats a series as text: ` seconds:value` since t0, and ` seconds:end` for its end.
func format(samples func(func(Sample) bool)) string {
	s := ""
	for v := range samples {
		if v.Stale {
			s += fmt.Sprintf(" %g:end", float64(v.Time-t0.UnixMilli())/1000)
			continue
		}
		s += fmt.Sprintf(" %g:%d", float64(v.Time-t0.UnixMilli())/1000, v.Value)
	}
	return s
}

func readAll(t *testing.T, h *History, m Metric) map[string]string {
	t.Helper()
	all := map[string]string{}
	p := h.Read(cluster1, t0)
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for s := range p.Series(kind) {
			name := s.Node
			if kind == state.KindContainer {
				name = s.Namespace + "/" + s.Pod + "/" + s.Container + "@" + s.Node
			}
			if _, twice := all[name]; twice {
				t.Errorf("got two series of %s, want one", name)
			}
			all[name] = format(s.Samples(m, 0, 1<<60))
		}
	}
	return all
}

func expect(t *testing.T, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got series\n%q\nwant\n%q", got, want)
	}
}

func TestUsageIsReadWithItsGaps(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(&state.Node{Name: "n1"}, 0)
	m.put(web("cart", "n1"), 1)
	m.read(-3, map[uint32]int64{0: 100, 1: 7})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(0))
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(5)) // unchanged
	m.read(12, map[uint32]int64{0: 120})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(15))
	m.read(27, map[uint32]int64{0: 90, 1: 9})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(30))
	expect(t, readAll(t, h, CPU), map[string]string{"n1": " -3:100 12:120 27:90", "shop/cart/app@n1": " -3:7 27:9"})
	expect(t, readAll(t, h, Memory), map[string]string{"n1": " -3:104857600 12:125829120 27:94371840", "shop/cart/app@n1": " -3:7340032 27:9437184"})
	expect(t, readAll(t, h, CPUTotal), map[string]string{"n1": " -3:0 12:1800 27:3150", "shop/cart/app@n1": " -3:0 27:270"})
}

func TestSeriesEndsWhenItsContainerIsRemoved(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(web("cart", "n1"), 1)
	m.put(web("till", "n1"), 2)
	m.read(0, map[uint32]int64{1: 10, 2: 20})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(1))
	m.remove(web("cart", "n1"))
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(4))
	// Another container gets its slot.
	m.put(web("bank", "n1"), 1)
	m.read(15, map[uint32]int64{1: 30, 2: 20})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(16))
	expect(t, readAll(t, h, CPU), map[string]string{
		"shop/cart/app@n1": " 0:10 4:end", "shop/till/app@n1": " 0:20 15:20", "shop/bank/app@n1": " 15:30",
	})
	// It comes back: the same series continues, and its integral restarts at 0.
	m.put(web("cart", "n1"), 7)
	m.read(30, map[uint32]int64{1: 30, 7: 5})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(31))
	m.read(45, map[uint32]int64{1: 30, 7: 5})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(46))
	if got, want := readAll(t, h, CPUTotal)["shop/cart/app@n1"], " 0:0 4:end 30:0 45:75"; got != want {
		t.Errorf("integral of cart: got%s, want%s", got, want)
	}
}

func TestPodOnAnotherNodeIsAnotherSeries(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(web("db-0", "n1"), 1)
	m.read(0, map[uint32]int64{1: 10})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(1))
	m.put(web("db-0", "n2"), 1)
	m.read(15, map[uint32]int64{1: 11})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(16))
	expect(t, readAll(t, h, CPU), map[string]string{"shop/db-0/app@n1": " 0:10 16:end", "shop/db-0/app@n2": " 15:11"})
}

func TestAllSeriesEndWithTheSession(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(web("cart", "n1"), 1)
	m.read(0, map[uint32]int64{1: 10})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{ProblemCount: 2}, at(1))
	h.EndSession(cluster1, at(9))
	h.EndSession(cluster1, at(10))
	// The next session starts with the same reading.
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{ProblemCount: 2}, at(60))
	m.read(62, map[uint32]int64{1: 12})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{ProblemCount: 3}, at(63))
	m.read(77, map[uint32]int64{1: 12})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{ProblemCount: 3}, at(78))
	expect(t, readAll(t, h, CPU), map[string]string{"shop/cart/app@n1": " 0:10 9:end 62:12 77:12"})
	expect(t, readAll(t, h, CPUTotal), map[string]string{"shop/cart/app@n1": " 0:0 9:end 62:0 77:180"})
	if got, want := format(h.Read(cluster1, t0).Count(ProblemCount, 0, 1<<60)), " 1:2 9:end 60:2 78:3"; got != want {
		t.Errorf("problems: got%s, want%s", got, want)
	}
}

func TestSeriesContinueAfterAgentRestart(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(web("cart", "n1"), 1)
	m.put(web("till", "n1"), 2)
	m.read(0, map[uint32]int64{1: 10, 2: 20})
	h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(1))
	other := newMember(t, 2)
	other.put(web("till", "n1"), 1)
	other.put(web("cart", "n1"), 5)
	other.read(20, map[uint32]int64{1: 21, 5: 11})
	h.Add(cluster1, wire.NewLazyState(other.state), state.Summary{}, at(21))
	expect(t, readAll(t, h, CPU), map[string]string{"shop/cart/app@n1": " 0:10 20:11", "shop/till/app@n1": " 0:20 20:21"})
	if n := h.Stats().Series; n != 2 {
		t.Errorf("got %d series, want 2", n)
	}
}

func TestRepeatedSampleIsKeptOnce(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(web("cart", "n1"), 1)
	for i := range 4 {
		m.read(i/2*60, map[uint32]int64{1: int64(10 + i/2)})
		h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(30*i+1))
	}
	expect(t, readAll(t, h, CPU), map[string]string{"shop/cart/app@n1": " 0:10 60:11"})
}

func TestSampleFromTheFutureGetsTimeOfReceipt(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(web("cart", "n1"), 1)
	for i := range 4 {
		m.read(600+i/2*30, map[uint32]int64{1: int64(10 + i/2)})
		h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(15*i))
	}
	expect(t, readAll(t, h, CPU), map[string]string{"shop/cart/app@n1": " 0:10 30:11"})
}

func TestRangeIsInclusive(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	m.put(&state.Node{Name: "n1"}, 0)
	for i := range 40 {
		m.read(15*i, map[uint32]int64{0: int64(i)})
		h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{}, at(15*i))
	}
	for s := range h.Read(cluster1, t0).Series(state.KindNode) {
		if got, want := format(s.Samples(CPU, at(285).UnixMilli(), at(315).UnixMilli())), " 285:19 300:20 315:21"; got != want {
			t.Errorf("from 285 to 315: got%s, want%s", got, want)
		}
		if got, want := format(s.Samples(CPUTotal, at(30).UnixMilli(), at(45).UnixMilli())), " 30:45 45:90"; got != want {
			t.Errorf("integral from 30 to 45: got%s, want%s", got, want)
		}
	}
}

func TestCountsAreAddedOnChangeAndAtInterval(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := newMember(t, 1)
	for seconds, pods := range []int{0: 3, 5: 3, 10: 4, 11: 5, 15: 5, 20: 5, 25: 5, 30: 5, 35: 5} {
		if pods > 0 {
			h.Add(cluster1, wire.NewLazyState(m.state), state.Summary{Pods: state.PodCounts{Total: pods}}, at(seconds))
		}
	}
	p := h.Read(cluster1, t0)
	if got, want := format(p.Count(PodsTotal, 0, 1<<60)), " 0:3 10:4 15:5 30:5"; got != want {
		t.Errorf("pods: got%s, want%s", got, want)
	}
	if got := format(p.Count(UsedCPU, 0, 1<<60)); got != "" {
		t.Errorf("CPU used: got%s, want none, as no node has usage", got)
	}
}
