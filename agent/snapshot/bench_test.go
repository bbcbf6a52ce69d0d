package snapshot

import (
	"fmt"
	"testing"

	"rollcall.dev/rollcall/api/state"
)

// largeCluster returns 20,000 pods with three containers each.
func largeCluster() map[state.Key]state.Object {
	changes := map[state.Key]state.Object{}
	for i := range 20_000 {
		p := &state.Pod{Namespace: fmt.Sprint("namespace-", i%100), Name: fmt.Sprint("pod-", i)}
		changes[p.Key()] = p
		for _, name := range []string{"app", "proxy", "setup"} {
			c := &state.Container{Namespace: p.Namespace, Pod: p.Name, Name: name}
			changes[c.Key()] = c
		}
	}
	return changes
}

func BenchmarkFirstListOfALargeCluster(b *testing.B) {
	changes := largeCluster()
	b.ReportAllocs()
	for b.Loop() {
		vs := newVersioner(7)
		vs.apply(batch{changes: changes})
	}
}

func BenchmarkOnePodChangesInALargeCluster(b *testing.B) {
	vs := newVersioner(7)
	vs.apply(batch{changes: largeCluster()})
	b.ReportAllocs()
	for restarts := int32(1); b.Loop(); restarts++ {
		c := &state.Container{Namespace: "namespace-7", Pod: "pod-7", Name: "app", Restarts: restarts}
		before := vs.version.State.Seq
		v, _ := vs.apply(batch{changes: changesOf(c)})
		if _, ok := v.DeltaSince(before); !ok {
			b.Fatal("no delta")
		}
	}
}
