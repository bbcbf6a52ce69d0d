package state_test

import (
	"fmt"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

var now = time.Unix(1_800_000_000, 0)

func ago(d time.Duration) state.Time { return state.TimeOf(now.Add(-d)) }

// cluster is a State of the given objects.
func cluster(t *testing.T, objects ...state.Object) *state.State {
	t.Helper()
	var d state.Delta
	for i, o := range objects {
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: uint32(i), Object: o})
	}
	s, err := state.Apply(&state.State{}, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func waiting(reason string, since time.Duration) *state.Container {
	node := "n"
	if reason == "Unschedulable" {
		node = ""
	}
	return &state.Container{Namespace: "shop", Pod: "web", Name: "app", Kind: state.Main, Node: node, State: state.Waiting, Reason: reason, WaitingSince: ago(since)}
}

func TestHealthFollowsItsRules(t *testing.T) {
	running := &state.Pod{Namespace: "shop", Name: "web", Phase: state.PodRunning}
	failed := &state.Pod{Namespace: "shop", Name: "web", Phase: state.PodFailed}
	unschedulable := func(since time.Duration) *state.Pod {
		return &state.Pod{Namespace: "shop", Name: "web", Phase: state.PodPending, Reason: "Unschedulable", UnschedulableSince: ago(since)}
	}
	initContainer := waiting("CrashLoopBackOff", time.Hour)
	initContainer.Kind = state.Init
	sidecar := waiting("CrashLoopBackOff", time.Hour)
	sidecar.Kind = state.Sidecar
	for name, c := range map[string]struct {
		objects  []state.Object
		healthy  bool
		problems int
	}{
		"empty":                            {nil, true, 0},
		"node ready":                       {[]state.Object{&state.Node{Name: "n", Ready: state.True}}, true, 0},
		"node not ready":                   {[]state.Object{&state.Node{Name: "n", Ready: state.False}}, false, 1},
		"node unknown":                     {[]state.Object{&state.Node{Name: "n", Ready: state.Unknown, Problems: []state.NodeProblem{{Type: "Ready"}}}}, false, 1},
		"node under pressure":              {[]state.Object{&state.Node{Name: "n", Ready: state.True, Problems: []state.NodeProblem{{Type: "MemoryPressure", Status: state.True}}}}, true, 1},
		"container crashing for 6 min":     {[]state.Object{running, waiting("CrashLoopBackOff", 6*time.Minute)}, false, 1},
		"container crashing for 5 min":     {[]state.Object{running, waiting("CrashLoopBackOff", 5*time.Minute)}, true, 1},
		"container being created for 1 h":  {[]state.Object{running, waiting("ContainerCreating", time.Hour)}, true, 0},
		"pod being initialized for 1 h":    {[]state.Object{running, waiting("PodInitializing", time.Hour)}, true, 0},
		"init container crashing for 1 h":  {[]state.Object{running, initContainer}, true, 0},
		"sidecar crashing for 1 h":         {[]state.Object{running, sidecar}, false, 1},
		"container of a finished pod":      {[]state.Object{failed, waiting("CrashLoopBackOff", time.Hour)}, true, 0},
		"pod unschedulable for 6 min":      {[]state.Object{unschedulable(6 * time.Minute)}, false, 1},
		"pod unschedulable for 1 min":      {[]state.Object{unschedulable(time.Minute)}, true, 1},
		"unschedulable pod, told once":     {[]state.Object{unschedulable(time.Hour), waiting("Unschedulable", time.Hour)}, false, 1},
		"a port that two claim is no harm": {hostPortMeetsNodePort(), true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := state.Summarize(cluster(t, c.objects...), now)
			if got.Healthy != c.healthy || got.ProblemCount != c.problems || len(got.Problems) != c.problems {
				t.Errorf("healthy %v with %d problems %v, want %v with %d", got.Healthy, got.ProblemCount, got.Problems, c.healthy, c.problems)
			}
		})
	}
}

func TestSummaryRipensWhenAProblemGrowsOld(t *testing.T) {
	s := cluster(t, &state.Pod{Namespace: "shop", Name: "web", Phase: state.PodRunning}, waiting("ErrImagePull", time.Minute))
	young := state.Summarize(s, now)
	if !young.Healthy || !young.Ripens.Equal(now.Add(4*time.Minute+time.Second)) {
		t.Fatalf("healthy %v, ripens %v", young.Healthy, young.Ripens)
	}
	if old := state.Summarize(s, young.Ripens); old.Healthy || !old.Ripens.IsZero() {
		t.Errorf("when ripe: healthy %v, ripens %v", old.Healthy, old.Ripens)
	}
}

func TestProblemsComeWorstFirstAndBounded(t *testing.T) {
	var objects []state.Object
	for i := range 60 {
		c := waiting("CrashLoopBackOff", time.Duration(i+10)*time.Minute)
		c.Pod = fmt.Sprintf("web-%02d", i)
		objects = append(objects, c)
	}
	objects = append(objects, &state.Node{Name: "n", Ready: state.False})
	got := state.Summarize(cluster(t, objects...), now)
	if got.ProblemCount != 61 || len(got.Problems) != state.MaxProblems {
		t.Fatalf("%d of %d problems", len(got.Problems), got.ProblemCount)
	}
	if got.Problems[0].Kind != "Node" || got.Problems[1].Where != "shop/web-59/app" {
		t.Errorf("first are %v and %v", got.Problems[0], got.Problems[1])
	}
}

func TestSummaryCounts(t *testing.T) {
	node := func(name string, ready state.Tristate, free int64) []state.Object {
		return []state.Object{
			&state.Node{Name: name, Ready: ready, Schedulable: true, Allocatable: state.Resources{CPUMillis: 4000, MemoryBytes: 100}},
			&state.NodeLoad{Node: name, Requested: state.Resources{CPUMillis: 4000 - free, MemoryBytes: free / 100}},
		}
	}
	done := &state.Container{Namespace: "a", Pod: "done", Name: "c", Kind: state.Main, State: state.Running, Restarts: 9, Ready: true}
	objects := append(node("n1", state.True, 1000), node("n2", state.True, 2000)...)
	objects = append(objects, node("n3", state.False, 3000)...)
	objects = append(objects,
		&state.Pod{Namespace: "a", Name: "done", Phase: state.PodSucceeded}, done,
		&state.Pod{Namespace: "a", Name: "up", Phase: state.PodRunning, Terminating: true},
		&state.Container{Namespace: "a", Pod: "up", Name: "c", Kind: state.Main, State: state.Running, Ready: true, Restarts: 2},
		&state.Container{Namespace: "a", Pod: "up", Name: "s", Kind: state.Sidecar, State: state.Waiting},
		&state.Container{Namespace: "a", Pod: "up", Name: "i", Kind: state.Init, State: state.Terminated},
		&state.Container{Namespace: "a", Pod: "up", Name: "x", Kind: state.Main},
	)
	got := state.Summarize(cluster(t, objects...), now)
	if want := (state.NodeCounts{Total: 3, Ready: 2, Schedulable: 3}); got.Nodes != want {
		t.Errorf("nodes %+v, want %+v", got.Nodes, want)
	}
	if want := (state.PodCounts{Total: 2, Running: 1, Succeeded: 1, Terminating: 1}); got.Pods != want {
		t.Errorf("pods %+v, want %+v", got.Pods, want)
	}
	if want := (state.ContainerCounts{Total: 5, Running: 1, Waiting: 1, Terminated: 2, Unknown: 1, Restarts: 2, Desired: 3, Ready: 1}); got.Containers != want {
		t.Errorf("containers %+v, want %+v", got.Containers, want)
	}
	if want := (state.Room{CPUMillis: 2000, MemoryBytes: 90}); got.Fragmentation != want {
		t.Errorf("largest free %+v, want %+v: the node that is not ready does not count", got.Fragmentation, want)
	}
	if d := state.DisplayOf(got); d != (state.Display{Nodes: "2/3", Containers: "1/3", CPURequested: "50%", MemoryRequested: "20%"}) {
		t.Errorf("display %+v", d)
	}
}

func TestDisplayRoundsDownAndSurvivesLargeClusters(t *testing.T) {
	const tebi = int64(1) << 40
	sum := state.Summary{
		Allocatable: state.Resources{CPUMillis: 100, MemoryBytes: 100_000 * tebi}, Requested: state.Resources{CPUMillis: 29, MemoryBytes: 99_999 * tebi},
		Used: &state.UsedSum{CPUMillis: 250, MemoryBytes: 0},
	}
	if d := state.DisplayOf(sum); d.CPURequested != "29%" || d.MemoryRequested != "99%" || d.CPUUsed != "250%" || d.MemoryUsed != "0%" {
		t.Errorf("display %+v", d)
	}
	if d := state.DisplayOf(state.Summary{}); d.CPURequested != "" || d.CPUUsed != "" {
		t.Errorf("of a cluster without nodes: %+v", d)
	}
}

func hostPortMeetsNodePort() []state.Object {
	return []state.Object{
		&state.Port{Node: "*", Protocol: state.TCP, Port: 31000, Kind: state.NodePort, Namespace: "shop", Service: "web"},
		&state.Port{Node: "n1", Protocol: state.TCP, Port: 31000, Kind: state.HostPort, Namespace: "shop", Pod: "edge"},
	}
}

func TestConflicts(t *testing.T) {
	row := func(node, address string, protocol state.Protocol, pod string) *state.Port {
		return &state.Port{Node: node, Address: address, Protocol: protocol, Port: 80, Kind: state.HostPort, Namespace: "a", Pod: pod}
	}
	for name, c := range map[string]struct {
		a, b *state.Port
		want bool
	}{
		"same node, all addresses":    {row("n", "", state.TCP, "x"), row("n", "", state.TCP, "y"), true},
		"same node, one address":      {row("n", "10.0.0.1", state.TCP, "x"), row("n", "", state.TCP, "y"), true},
		"same node, equal addresses":  {row("n", "10.0.0.1", state.TCP, "x"), row("n", "10.0.0.1", state.TCP, "y"), true},
		"same node, other addresses":  {row("n", "10.0.0.1", state.TCP, "x"), row("n", "10.0.0.2", state.TCP, "y"), false},
		"other nodes":                 {row("n", "", state.TCP, "x"), row("m", "", state.TCP, "y"), false},
		"one on all nodes":            {row("*", "", state.TCP, "x"), row("m", "", state.TCP, "y"), true},
		"both on all nodes":           {row("*", "", state.TCP, "x"), row("*", "", state.TCP, "y"), true},
		"other protocols":             {row("n", "", state.TCP, "x"), row("n", "", state.UDP, "y"), false},
		"a load balancer's port":      {&state.Port{Node: "*", Address: "203.0.113.7", Protocol: state.TCP, Port: 80, Kind: state.LoadBalancer, Service: "s"}, row("n", "", state.TCP, "x"), false},
		"a load balancer on an IP":    {&state.Port{Node: "*", Address: "10.0.0.1", Protocol: state.TCP, Port: 80, Kind: state.LoadBalancer, Service: "s"}, row("n", "10.0.0.1", state.TCP, "x"), true},
		"an external IP":              {&state.Port{Node: "*", Address: "10.0.0.1", Protocol: state.TCP, Port: 80, Kind: state.ExternalIP, Service: "s"}, row("n", "", state.TCP, "x"), true},
		"one and the same pod":        {row("n", "10.0.0.1", state.TCP, "x"), row("n", "", state.TCP, "x"), false},
		"a pod and the kubelet of it": {row("n", "", state.TCP, "x"), &state.Port{Node: "n", Protocol: state.TCP, Port: 80, Kind: state.Kubelet}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := state.Conflicts(cluster(t, c.a, c.b))
			if (len(got) == 2) != c.want || (len(got) != 0) != c.want {
				t.Errorf("conflicts %v, want %v", got, c.want)
			}
		})
	}
}

func BenchmarkSummarize5000Nodes(b *testing.B) {
	var d state.Delta
	for i := range 5000 {
		d.To++
		n := fmt.Sprintf("n%d", i)
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: &state.Node{Name: n}},
			state.Entry{Seq: d.To, Object: &state.Port{Node: n, Protocol: state.TCP, Port: 9100, Kind: state.HostPort, Namespace: "m", Pod: n}})
	}
	s, err := state.Apply(&state.State{}, d)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		state.Summarize(s, now)
	}
}
