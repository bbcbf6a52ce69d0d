package history

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/load"
)

// loadedMember is a test cluster under a load, with 30 containers on each node.
type loadedMember struct {
	*member
	load *load.Usage
	keys []string
	base []load.Used
}

func newLoadedMember(tb testing.TB, containers int, kind load.Kind) *loadedMember {
	w := &loadedMember{member: newMember(tb, 1), load: load.New(kind, 1)}
	var d state.Delta
	for i := range (containers + 29) / 30 {
		d.Upserts = append(d.Upserts, w.entry(&state.Node{Name: fmt.Sprintf("node-%04d", i)}))
	}
	for i := range containers {
		c := &state.Container{
			Namespace: fmt.Sprintf("team-%d", i%12), Pod: fmt.Sprintf("app-%d-%08x-%05d", i%40, i*2654435761&0xffffffff, i),
			Name: "app", Node: fmt.Sprintf("node-%04d", i/30),
		}
		d.Upserts = append(d.Upserts, w.entry(c))
	}
	w.apply(d)
	return w
}

func (w *loadedMember) entry(o state.Object) state.Entry {
	k := o.Key()
	key := fmt.Sprint(k.Namespace, "/", k.Name, "/", k.Sub)
	w.keys, w.base = append(w.keys, key), append(w.base, w.load.Base(key))
	return state.Entry{Seq: uint64(len(w.keys)), Slot: uint32(len(w.keys) - 1), Object: o}
}

// reading adds the n-th reading; they are 15 s apart. The objects of one node have the same
// sample time.
func (w *loadedMember) reading(n int) {
	u := &state.Usage{N: uint64(n + 1), BySlot: make([]state.Used, len(w.keys))}
	for slot, key := range w.keys {
		used := w.load.At(key, w.base[slot], n)
		u.BySlot[slot] = state.Used{CPUMillis: used.CPUMillis, MemoryBytes: used.MemoryBytes, SampledAt: state.TimeOf(at(15*n)) - state.Time(slot/30%15)}
	}
	w.apply(state.Delta{Usage: u})
}

// BenchmarkBytesPerSample adds 20 minutes of reports, one each 5 s, with a reading each 15 s.
// It measures the memory of a sample, as the history counts it and as the heap has grown.
func BenchmarkBytesPerSample(b *testing.B) {
	for _, containers := range []int{300, 10_000} {
		for _, kind := range []load.Kind{load.Still, load.Office, load.Storm} {
			b.Run(fmt.Sprintf("%s/%d", kind, containers), func(b *testing.B) {
				for b.Loop() {
					measure(b, containers, kind)
				}
			})
		}
	}
}

func measure(b *testing.B, containers int, kind load.Kind) {
	w := newLoadedMember(b, containers, kind)
	w.reading(0)
	sum := state.Summarize(w.state, at(0))
	before := heapBytes()
	h := New(Config{Window: 15 * time.Minute})
	var spent time.Duration
	for n := range 81 {
		w.reading(n)
		sum.Used = state.Summarize(w.state, at(15*n)).Used
		start := time.Now()
		for tick := range 3 {
			h.Add(cluster1, wire.NewLazyState(w.state), sum, at(15*n+5*tick))
		}
		spent += time.Since(start)
	}
	grown := heapBytes() - before
	stats := h.Stats()
	b.ReportMetric(float64(stats.Bytes)/float64(stats.Samples), "B/sample")
	b.ReportMetric(grown/float64(stats.Samples), "heapB/sample")
	b.ReportMetric(float64(stats.Bytes), "B")
	b.ReportMetric(float64(stats.Samples), "samples")
	b.ReportMetric(float64(spent.Microseconds())/81, "µs/reading")
	runtime.KeepAlive(w)
}

func heapBytes() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkUnchangedReport adds a report without a new reading or changed counts.
func BenchmarkUnchangedReport(b *testing.B) {
	w := newLoadedMember(b, 300, load.Office)
	w.reading(0)
	sum := state.Summarize(w.state, at(0))
	h := New(Config{Window: 15 * time.Minute})
	h.Add(cluster1, wire.NewLazyState(w.state), sum, at(0))
	b.ReportAllocs()
	for b.Loop() {
		h.Add(cluster1, wire.NewLazyState(w.state), sum, at(6))
	}
}

// BenchmarkReadAll reads all CPU samples of all containers.
func BenchmarkReadAll(b *testing.B) {
	w := newLoadedMember(b, 10_000, load.Storm)
	h := New(Config{Window: 15 * time.Minute})
	for n := range 61 {
		w.reading(n)
		h.Add(cluster1, wire.NewLazyState(w.state), state.Summary{}, at(15*n))
	}
	samples := 0
	for b.Loop() {
		n := 0
		for s := range h.Read(cluster1, t0).Series(state.KindContainer) {
			for range s.Samples(CPU, 0, 1<<60) {
				n++
			}
		}
		samples = n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(samples), "ns/sample")
}

// TestSampleTakesAtMostTwoBytes also logs the growth of the heap, for comparison.
func TestSampleTakesAtMostTwoBytes(t *testing.T) {
	for _, kind := range []load.Kind{load.Still, load.Office, load.Storm} {
		w := newLoadedMember(t, 300, kind)
		w.reading(0)
		before := heapBytes()
		h := New(Config{Window: 15 * time.Minute})
		for n := range 81 {
			w.reading(n)
			h.Add(cluster1, wire.NewLazyState(w.state), state.Summarize(w.state, at(15*n)), at(15*n))
		}
		grown := heapBytes() - before
		s := h.Stats()
		if perSample := float64(s.Bytes) / float64(s.Samples); perSample > 2 {
			t.Errorf("%s: got %.2f bytes a sample, want at most 2: %+v", kind, perSample, s)
		}
		t.Logf("%s: %+v; the heap grew by %.0f", kind, s, grown)
		runtime.KeepAlive(w)
	}
}
