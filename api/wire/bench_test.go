package wire

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/test/load"
)

// irregular is pods of two containers with random names, nodes, images, digests and
// times.
func randomState(pods int) *state.State {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "bcdfghjklmnpqrstvwxz2456789"[rnd.IntN(27)]
		}
		return string(b)
	}
	type image struct{ name, id string }
	images := make([]image, 300)
	for i := range images {
		name := fmt.Sprintf("registry.example.com/team-%s/%s:v%d.%d.%d", word(3), word(8), rnd.IntN(5), rnd.IntN(30), rnd.IntN(20))
		images[i] = image{name, fmt.Sprintf("sha256:%016x%016x%016x%016x", rnd.Uint64(), rnd.Uint64(), rnd.Uint64(), rnd.Uint64())}
	}
	sizes := make([]state.Resources, 20)
	for i := range sizes {
		sizes[i] = state.Resources{CPUMillis: int64(rnd.IntN(40) * 50), MemoryBytes: int64(rnd.IntN(64)) << 25}
	}
	var upserts []state.Entry
	seq, slot := uint64(0), uint32(0)
	add := func(o state.Object, slot uint32) {
		seq++
		upserts = append(upserts, state.Entry{Seq: seq, Slot: slot, Object: o})
	}
	for i := 0; i < pods; {
		ns := fmt.Sprintf("ns-%02d", rnd.IntN(40))
		owner := word(4+rnd.IntN(8)) + "-" + word(5)
		hash := word(10)
		a, b := images[rnd.IntN(len(images))], images[rnd.IntN(len(images))]
		ra, rb := sizes[rnd.IntN(20)], sizes[rnd.IntN(20)]
		for range 1 + rnd.IntN(10) {
			created := state.Time(1_790_000_000 + rnd.IntN(5_000_000))
			name := owner + "-" + hash + "-" + word(5)
			node := fmt.Sprintf("node-%d", rnd.IntN(25))
			add(&state.Pod{Namespace: ns, Name: name, Node: node, Phase: state.PodRunning, PodIPs: []string{fmt.Sprintf("10.%d.%d.%d", rnd.IntN(4), rnd.IntN(256), rnd.IntN(256))}, QOSClass: state.Burstable, CreatedAt: created, Owner: state.Owner{Kind: "Deployment", Name: owner}, Requested: ra, Limits: rb}, 0)
			started := created + state.Time(rnd.IntN(60))
			add(&state.Container{Namespace: ns, Pod: name, Name: "main", Node: node, Image: a.name, ImageID: a.id, State: state.Running, Ready: true, StartedAt: started, Requests: ra, Limits: rb}, slot)
			add(&state.Container{Namespace: ns, Pod: name, Name: "sidecar", Node: node, Image: b.name, ImageID: b.id, State: state.Running, Ready: true, StartedAt: started + 1, Requests: rb, Limits: ra}, slot+1)
			slot += 2
			i++
		}
	}
	s, err := state.Apply(&state.State{Epoch: 1}, state.Delta{Epoch: 1, To: seq, Upserts: upserts})
	if err != nil {
		panic(err)
	}
	return s
}

func size(frames [][]byte) (n int) {
	for _, f := range frames {
		n += len(f)
	}
	return n
}

func BenchmarkEncodeSnapshot(b *testing.B) {
	for name, s := range map[string]*state.State{"irregular": randomState(5000), "odd": statetest.New(1, 25, 5000).State} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				frames, err := codec.EncodeSnapshot(s, 1)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(size(frames))/float64(s.Len(state.KindContainer)), "bytes/container")
			}
		})
	}
}

func BenchmarkReceiveSnapshot(b *testing.B) {
	s := randomState(5000)
	frames, err := codec.EncodeSnapshot(s, 1)
	if err != nil {
		b.Fatal(err)
	}
	bookmark := bookmarkOf(s)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReceiver(1, nil)
		for _, f := range frames {
			m, err := codec.DecodeAgent(f)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.Receive(m, now); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := r.Receive(bookmark, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUsage is one reading of 10,000 containers after another, under each load.
func BenchmarkUsage(b *testing.B) {
	const slots = 10_000
	for _, kind := range []load.Kind{load.Still, load.Office, load.Storm} {
		b.Run(kind.String(), func(b *testing.B) {
			before, next := consecutiveReadings(load.New(kind, 1), slots)
			b.ReportAllocs()
			for b.Loop() {
				frame, err := codec.EncodeAgent(NewUsage(next, before))
				if err != nil {
					b.Fatal(err)
				}
				m, err := codec.DecodeAgent(frame)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := m.(*Usage).apply(before); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(frame))/(2*slots), "bytes/value")
			}
		})
	}
}

// consecutiveReadings are two in a row of slots on 25 nodes, each of which is sampled at its
// own time within 15 s, another one each time.
func consecutiveReadings(u *load.Usage, slots int) (before, next *state.Usage) {
	random := rand.New(rand.NewPCG(3, 4))
	for n := range 10 {
		var sampled [25]int
		for node := range sampled {
			sampled[node] = 15*n + random.IntN(15)
		}
		before, next = next, &state.Usage{N: uint64(n + 1), BySlot: make([]state.Used, slots)}
		for slot := range slots {
			key := fmt.Sprint("container-", slot)
			used := u.At(key, u.Base(key), n)
			next.BySlot[slot] = state.Used{
				CPUMillis: used.CPUMillis, MemoryBytes: used.MemoryBytes,
				SampledAt: state.Time(1_800_000_000 + sampled[slot*slot%25]),
			}
		}
		next.Group(func(slot int) uint16 { return uint16(1 + slot*slot%25) })
	}
	return before, next
}
