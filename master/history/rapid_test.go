package history

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/series"
)

// expectedSeries is the expected samples of CPU and of its integral.
type expectedSeries struct{ cpu, total []Sample }

func (k *expectedSeries) last() Sample {
	if len(k.cpu) == 0 {
		return Sample{Stale: true}
	}
	return k.cpu[len(k.cpu)-1]
}

func (k *expectedSeries) add(s Sample) {
	total, last := Sample{Time: s.Time, Stale: s.Stale}, k.last()
	if !s.Stale && !last.Stale {
		total.Value = k.total[len(k.total)-1].Value + s.Value*((s.Time-last.Time)/1000)
	}
	k.cpu, k.total = append(k.cpu, s), append(k.total, total)
}

// model is a simple history that never drops a sample.
type model struct {
	series map[series.Labels]*expectedSeries
	ended  int64
}

func (m *model) add(s *state.State, at time.Time, fresh bool) {
	here := map[series.Labels]*state.Used{}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range s.Entries(kind) {
			here[series.ObjectOf(e.Object).Labels] = s.Usage.Of(e.Slot)
		}
	}
	for labels, k := range m.series {
		if _, ok := here[labels]; !ok && !k.last().Stale {
			k.add(Sample{Time: at.UnixMilli(), Stale: true})
		}
	}
	if !fresh {
		return
	}
	for labels, used := range here {
		if used == nil {
			continue
		}
		k := m.series[labels]
		if k == nil {
			k = &expectedSeries{}
			m.series[labels] = k
		}
		if t := int64(used.SampledAt) * 1000; t > max(k.last().Time, m.ended) {
			k.add(Sample{Time: t, Value: used.CPUMillis})
		}
	}
}

func (m *model) end(at time.Time) {
	m.ended = at.UnixMilli()
	for _, k := range m.series {
		if !k.last().Stale {
			k.add(Sample{Time: at.UnixMilli(), Stale: true})
		}
	}
}

// suffix returns want without the samples before the first of got.
func suffix(want, got []Sample) []Sample {
	if len(got) == 0 {
		return nil
	}
	i := slices.IndexFunc(want, func(s Sample) bool { return s.Time >= got[0].Time })
	return want[max(i, 0):]
}

// samplesSince returns the samples at or after a time.
func samplesSince(samples []Sample, before int64) []Sample {
	return slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return s.Time < before })
}

// scenario applies random steps to a member, its History and the model.
type scenario struct {
	t         *rapid.T
	member    *member
	history   *History
	model     model
	epoch     uint64
	now       time.Time
	fresh     bool
	window    time.Duration
	reporting bool
}

func (p *scenario) object() state.Object {
	node := fmt.Sprintf("n%d", rapid.IntRange(0, 2).Draw(p.t, "node"))
	if rapid.IntRange(0, 9).Draw(p.t, "kind") == 0 {
		return &state.Node{Name: node}
	}
	return web(fmt.Sprintf("pod-%d", rapid.IntRange(0, 40).Draw(p.t, "pod")), node)
}

func (p *scenario) put() {
	for range rapid.IntRange(1, 20).Draw(p.t, "n") {
		o := p.object()
		slot, known := p.member.slots[o.Key()]
		if !known {
			slot = p.freeSlot()
		}
		p.member.put(o, slot)
	}
}

// freeSlot returns the lowest free slot, so that slots are reused at once.
func (p *scenario) freeSlot() uint32 {
	taken := map[uint32]bool{}
	for _, slot := range p.member.slots {
		taken[slot] = true
	}
	for slot := uint32(0); ; slot++ {
		if !taken[slot] {
			return slot
		}
	}
}

func (p *scenario) remove() {
	if o := p.object(); p.has(o) {
		slot := p.member.slots[o.Key()]
		p.member.remove(o)
		if u := p.member.state.Usage; u != nil && int(slot) < len(u.BySlot) {
			p.read() // as the agent does before it reuses the slot
		}
	}
}

func (p *scenario) has(o state.Object) bool {
	_, ok := p.member.state.Get(o.Key())
	return ok
}

func (p *scenario) read() {
	u := &state.Usage{N: 1}
	if before := p.member.state.Usage; before != nil {
		u.N = before.N + 1
	}
	p.fill(u)
	p.member.apply(state.Delta{Usage: u})
	p.fresh = true
}

func (p *scenario) fill(u *state.Usage) {
	values := rapid.OneOf(rapid.Int64Range(0, 4), rapid.Int64Range(0, 1<<40))
	for _, slot := range p.member.slots {
		u.BySlot = append(u.BySlot, make([]state.Used, max(0, int(slot)+1-len(u.BySlot)))...)
	}
	for slot := range u.BySlot {
		if rapid.IntRange(0, 5).Draw(p.t, "known") > 0 {
			lag := rapid.Int64Range(0, 25).Draw(p.t, "lag")
			u.BySlot[slot] = state.Used{CPUMillis: values.Draw(p.t, "cpu"), MemoryBytes: values.Draw(p.t, "memory"), SampledAt: state.TimeOf(p.now) - state.Time(lag)}
		}
	}
}

func (p *scenario) restart() {
	p.epoch++
	p.member = newMember(p.t, p.epoch)
	p.fresh = false
	p.put()
}

func (p *scenario) report() {
	p.advance()
	p.history.Add(cluster1, wire.NewLazyState(p.member.state), state.Summary{}, p.now)
	p.model.add(p.member.state, p.now, p.fresh)
	p.fresh, p.reporting = false, true
}

func (p *scenario) end() {
	p.advance()
	if !p.reporting {
		p.history.EndSession(cluster1, p.now)
		return
	}
	p.history.EndSession(cluster1, p.now)
	p.model.end(p.now)
	p.fresh, p.reporting = p.member.state.Usage != nil, false
}

// advance advances the clock by whole seconds. It stays at half a second.
func (p *scenario) advance() {
	p.now = p.now.Add(time.Duration(rapid.IntRange(1, 20).Draw(p.t, "seconds")) * time.Second)
}

func (p *scenario) check() {
	history := p.history.Read(cluster1, p.now)
	if history == nil {
		return
	}
	cutoff := p.now.Add(-p.window).UnixMilli()
	seen := map[series.Labels]bool{}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for s := range history.Series(kind) {
			if seen[s.Labels] {
				p.t.Fatalf("got two series of %+v, want one", s.Labels)
			}
			seen[s.Labels] = true
			want := p.model.series[s.Labels]
			if want == nil {
				want = &expectedSeries{}
			}
			p.compare(s, CPU, want.cpu, cutoff)
			p.compare(s, CPUTotal, want.total, cutoff)
		}
	}
	for labels, k := range p.model.series {
		if n := len(samplesOnly(samplesSince(k.cpu, cutoff))); n > 0 && !seen[labels] {
			p.t.Fatalf("got no series of %+v, want %d samples", labels, n)
		}
	}
}

func samplesOnly(all []Sample) []Sample {
	return slices.DeleteFunc(slices.Clone(all), func(s Sample) bool { return s.Stale })
}

func (p *scenario) compare(s Series, m Metric, want []Sample, cutoff int64) {
	got := slices.Collect(s.Samples(m, 0, 1<<60))
	if w := suffix(want, got); !slices.Equal(got, w) {
		p.t.Fatalf("metric %d of %+v: got\n%v\nwant\n%v", m, s.Labels, got, w)
	}
	if g, w := samplesOnly(samplesSince(got, cutoff)), samplesOnly(samplesSince(want, cutoff)); !slices.Equal(g, w) {
		p.t.Fatalf("metric %d of %+v within the window: got\n%v\nwant\n%v", m, s.Labels, g, w)
	}
}

// TestAddedSamplesAreReturned adds random reports, with restarts of the agent and ends of sessions.
func TestAddedSamplesAreReturned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &scenario{t: t, epoch: 1, now: t0.Add(500 * time.Millisecond), model: model{series: map[series.Labels]*expectedSeries{}}}
		p.window = time.Duration(rapid.SampledFrom([]int{3, 60}).Draw(t, "window")) * time.Minute
		p.history = New(Config{Window: p.window})
		p.member = newMember(t, 1)
		p.put()
		steps := []func(){p.put, p.remove, p.read, p.read, p.read, p.report, p.report, p.report, p.end, p.restart}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			i := rapid.IntRange(0, len(steps)*3-1).Draw(t, "step")
			if i >= len(steps) {
				p.read()
				p.report()
				continue
			}
			steps[i]()
		}
		p.check()
	})
}

// TestColumnsRoundTrip encodes and decodes columns of random values.
func TestColumnsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields, rows := rapid.SampledFrom([]int{1, usageFields}).Draw(t, "fields"), rapid.IntRange(1, maxRows).Draw(t, "rows")
		value := rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 300), rapid.Map(rapid.Int64Range(0, 1<<20), func(v int64) int64 { return v << 10 }))
		var all []column
		var data []byte
		id, before := uint32(0), uint32(0)
		for range rapid.IntRange(1, 40).Draw(t, "columns") {
			id += rapid.Uint32Range(1, 300).Draw(t, "id")
			c := column{id: id, present: rapid.Uint32Range(1, 1<<rows-1).Draw(t, "present")}
			for row := range rows {
				for field := range fields {
					if c.has(row) {
						c.values[field][row] = value.Draw(t, "value")
					}
				}
			}
			if fields > 1 {
				c.total = value.Draw(t, "total")
			}
			data, before = appendColumn(data, &c, before, fields, rows), id
			all = append(all, c)
		}
		r := columnReader{in: data, fields: fields, rows: rows}
		for i := range all {
			var got column
			if !r.next(&got) || got != all[i] {
				t.Fatalf("column %d: got %+v, want %+v", i, got, all[i])
			}
		}
		if r.next(&column{}) {
			t.Fatal("next returned another column, want none")
		}
	})
}

// TestReadersSeeWholeReadings reads a ClusterHistory while readings are added.
func TestReadersSeeWholeReadings(t *testing.T) {
	h := New(Config{Window: 15 * time.Minute})
	m := smallMember(t, 40)
	m.report(h, cluster1, 0)
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				lens := map[int]int{}
				for s := range h.Read(cluster1, t0).Series(state.KindContainer) {
					lens[len(slices.Collect(s.Samples(CPU, 0, 1<<60)))]++
				}
				if len(lens) != 1 {
					t.Errorf("got series by length %v, want one length", lens)
					return
				}
			}
		})
	}
	for s := 15; s < 6000; s += 15 {
		m.report(h, cluster1, s)
	}
	close(done)
	readers.Wait()
}
