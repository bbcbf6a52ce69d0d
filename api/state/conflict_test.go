package state

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// stateWithSamePort returns a State of n rows that all claim one port.
func stateWithSamePort(t *testing.T, n int, change func(i int, p *Port)) *State {
	d := Delta{To: 1}
	for i := range n {
		p := &Port{Node: "node", Protocol: TCP, Port: 80, Kind: HostPort, Namespace: "ns", Pod: fmt.Sprintf("pod-%06d", i)}
		change(i, p)
		d.Upserts = append(d.Upserts, Entry{Seq: 1, Object: p})
	}
	s, err := Apply(&State{}, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestConflictsOfManyRowsAreLimited has as many rows of one port as fit into a message. All pairs
// would be two billion conflicts.
func TestConflictsOfManyRowsAreLimited(t *testing.T) {
	const rows = 1<<16 - 1
	for name, change := range map[string]func(i int, p *Port){
		"one node":               func(int, *Port) {},
		"all nodes":              func(_ int, p *Port) { p.Node = AllNodes },
		"many addresses":         func(i int, p *Port) { p.Address = fmt.Sprintf("10.0.%d.%d", i>>8, i&255) },
		"one node and all nodes": func(i int, p *Port) { p.Node = []string{"node", AllNodes}[i%2] },
		"one owner":              func(i int, p *Port) { p.Pod, p.Address = "pod", fmt.Sprint(i) },
		"load balancers":         func(i int, p *Port) { p.Kind = []PortKind{LoadBalancer, HostPort}[i%2] },
		"half of them on all addresses": func(i int, p *Port) {
			p.Pod, p.Address = "pod", []string{"", fmt.Sprint(i)}[i%2]
			p.Node = fmt.Sprint(i)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := stateWithSamePort(t, rows, change)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			conflicts := Conflicts(s)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			reported := 0
			for _, keys := range conflicts {
				reported += len(keys)
			}
			memory := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d rows conflict, %d reported, %d MiB, %s", len(conflicts), reported, memory>>20, took.Round(time.Millisecond))
			sum := Summarize(s, time.Unix(1_800_000_000, 0))
			if len(conflicts) > 0 && sum.ProblemCounts.Critical+sum.ProblemCounts.Warning+sum.ProblemCounts.Info > 4 {
				t.Errorf("%+v problems of one port", sum.ProblemCounts)
			}
			if reported > reducedConflicts+MaxConflicts+rows || memory > 256<<20 {
				t.Errorf("%d conflicts reported with %d MiB", reported, memory>>20)
			}
		})
	}
}

func TestConflictsListFirstKeys(t *testing.T) {
	conflicts := Conflicts(stateWithSamePort(t, 100, func(int, *Port) {}))
	if len(conflicts) != 100 {
		t.Errorf("%d rows conflict, want 100", len(conflicts))
	}
	for p, keys := range conflicts {
		if len(keys) != MaxConflicts || keys[1].Pod > "pod-000002" {
			t.Errorf("%s conflicts with %d, from %s and %s on", p.Pod, len(keys), keys[0].Pod, keys[1].Pod)
		}
	}
}
