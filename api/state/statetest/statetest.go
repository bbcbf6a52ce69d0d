// Package statetest generates States for tests and benchmarks. They are reproducible by seed, have
// any size, and use every field of every kind of object.
package statetest

import (
	"fmt"
	"math/rand/v2"

	"rollcall.dev/rollcall/api/state"
)

// Cluster is a generated cluster that can be changed step by step. Every change raises the seq by
// one, as an agent does.
type Cluster struct {
	State *state.State
	rand  *rand.Rand
	slots uint32
	pods  int
}

// epochStart is the earliest creation time in generated clusters.
const epochStart state.Time = 1_790_000_000

// New returns a cluster with the given numbers of nodes and pods. Each pod has one to three
// containers.
func New(seed uint64, nodes, pods int) *Cluster {
	w := &Cluster{State: &state.State{Epoch: seed}, rand: rand.New(rand.NewPCG(seed, seed))}
	var c state.Changes
	for i := range nodes {
		c.Upserts = append(c.Upserts, w.node(nodeName(i)), w.load(nodeName(i)), w.kubelet(nodeName(i)))
	}
	for range pods {
		c.Upserts = append(c.Upserts, w.pod(nodes)...)
	}
	for i := range 1 + pods/20 {
		c.Upserts = append(c.Upserts, w.service(i, nodes)...)
	}
	w.Apply(c)
	return w
}

// Apply applies changes, whether or not the objects differ.
func (w *Cluster) Apply(c state.Changes) {
	d := state.Delta{Epoch: w.State.Epoch, From: w.State.Seq, To: w.State.Seq}
	for _, o := range c.Upserts {
		d.To++
		e := state.Entry{Seq: d.To, Object: o}
		if old, ok := w.State.Get(o.Key()); ok {
			e.Slot = old.Slot
		} else if k := o.Key().Kind; k == state.KindNode || k == state.KindContainer {
			e.Slot = w.slots
			w.slots++
		}
		d.Upserts = append(d.Upserts, e)
	}
	for _, k := range c.Removes {
		d.To++
		d.Removes = append(d.Removes, k)
	}
	next, err := state.Apply(w.State, d)
	if err != nil {
		panic(err)
	}
	w.State = next
}

// Next returns the State after a delta from s to the next seq. The delta needs neither epoch nor seqs. Next panics if the
// delta cannot be applied.
func Next(s *state.State, d state.Delta) *state.State {
	d.Epoch, d.From, d.To = s.Epoch, s.Seq, s.Seq+1
	next, err := state.Apply(s, d)
	if err != nil {
		panic(err)
	}
	return next
}

// Step applies up to n random changes of each type and returns the removed keys.
func (w *Cluster) Step(n int) []state.Key {
	var c state.Changes
	touched := map[state.Key]bool{}
	for range n {
		for _, o := range w.pod(max(w.State.Len(state.KindNode), 1)) {
			if !touched[o.Key()] {
				touched[o.Key()] = true
				c.Upserts = append(c.Upserts, o)
			}
		}
		if e, ok := w.randomEntry(); ok && !touched[e.Object.Key()] {
			touched[e.Object.Key()] = true
			c.Removes = append(c.Removes, e.Object.Key())
		}
		if e, ok := w.randomEntry(); ok && !touched[e.Object.Key()] {
			touched[e.Object.Key()] = true
			c.Upserts = append(c.Upserts, w.modified(e.Object))
		}
	}
	w.Apply(c)
	return c.Removes
}

// Sample sets the usage of most nodes and containers and raises the seq by one.
func (w *Cluster) Sample(at state.Time) {
	u := &state.Usage{N: 1}
	if w.State.Usage != nil {
		u.N = w.State.Usage.N + 1
	}
	for slot := range w.slots {
		if w.rand.IntN(10) > 0 {
			u.BySlot = append(u.BySlot, make([]state.Used, int(slot)+1-len(u.BySlot))...)
			u.BySlot[slot] = state.Used{CPUMillis: w.rand.Int64N(4000), MemoryBytes: w.rand.Int64N(1<<22) << 10, SampledAt: at - state.Time(w.rand.IntN(20))}
		}
	}
	u.Group(func(slot int) uint16 { return uint16(slot % 4) })
	w.State = Next(w.State, state.Delta{Usage: u})
}

// randomEntry returns a random entry of a random kind, if that has entries.
func (w *Cluster) randomEntry() (state.Entry, bool) {
	kind := state.Kind(w.rand.IntN(int(state.NumKinds)))
	if w.State.Len(kind) == 0 {
		return state.Entry{}, false
	}
	skip := w.rand.IntN(w.State.Len(kind))
	for e := range w.State.Entries(kind) {
		if skip == 0 {
			return e, true
		}
		skip--
	}
	return state.Entry{}, false
}

// modified returns a copy of o that differs from it.
func (w *Cluster) modified(o state.Object) state.Object {
	switch o := o.(type) {
	case *state.Node:
		n := *o
		n.Schedulable = !n.Schedulable
		return &n
	case *state.NodeLoad:
		l := *o
		l.Pods++
		return &l
	case *state.Pod:
		p := *o
		p.Terminating = !p.Terminating
		return &p
	case *state.Container:
		c := *o
		c.Restarts++
		c.Ready = !c.Ready
		return &c
	case *state.Port:
		p := *o
		p.ExternalTrafficPolicy = state.TrafficPolicy(1 + w.rand.IntN(2))
		return &p
	case *state.Target:
		t := *o
		t.Ready = !t.Ready
		return &t
	case *state.Service:
		s := *o
		s.CreatedAt++
		return &s
	case *state.Claim:
		c := *o
		c.CapacityBytes++
		return &c
	case *state.PersistentVolume:
		v := *o
		v.CapacityBytes++
		return &v
	}
	panic(fmt.Sprintf("%T is no object", o))
}

func nodeName(i int) string { return fmt.Sprintf("node-%04d", i) }

func pick[T any](w *Cluster, of ...T) T { return of[w.rand.IntN(len(of))] }

func (w *Cluster) randomTime() state.Time { return epochStart + state.Time(w.rand.IntN(1_000_000)) }
