package prom

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// TestKubernetesSeries runs testdata/kube/*.promql over the cluster m1. It checks that series
// with names of kube-state-metrics (v2.18.0), the kubelet and cAdvisor have the labels and
// values that those components export.
func TestKubernetesSeries(t *testing.T) {
	runScripts(t, "testdata/kube/*.promql", func(s *harness) { s.addCluster("m1", kubeStateObjects()...) })
}

// kubeStateObjects returns objects that together exercise each rule of kube-state-metrics.
func kubeStateObjects() []state.Object {
	uid := func(n int) state.UID {
		return state.ParseUID(fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
	}
	pod := func(name string, n int, set func(p *state.Pod)) *state.Pod {
		p := &state.Pod{Namespace: "shop", Name: name, UID: uid(n), Owner: state.Owner{Kind: "Pod", Name: name}}
		set(p)
		return p
	}
	container := func(pod, name string, kind state.ContainerKind, set func(k *state.Container)) *state.Container {
		k := &state.Container{Namespace: "shop", Pod: pod, Name: name, Kind: kind, Node: "n1", Image: name + ":1", ImageID: "sha256:" + name}
		set(k)
		return k
	}
	return []state.Object{
		&state.Node{
			Name: "n1", Ready: state.True, Schedulable: true, Roles: []string{"control-plane", "worker"}, CreatedAt: 1000,
			Conditions: []state.NodeCondition{
				{Type: "MemoryPressure", Status: state.False},
				{Type: "NetworkingReady", Status: state.False, Reason: "IPAMDNotReady"},
				{Type: "Ready", Status: state.True},
				{Type: "Ready", Status: state.False},
				{Type: "KernelReady", Status: state.Unknown},
			},
			Addresses: []state.NodeAddress{
				{Type: "InternalIP", Address: "10.0.0.1"}, {Type: "InternalIP", Address: "fd00::1"}, {Type: "Hostname", Address: "n1"}, {Type: "Hostname", Address: "n1"},
			},
			Taints:         []state.Taint{{Key: "gpu", Effect: "NoSchedule"}, {Key: "gpu", Effect: "NoSchedule"}, {Key: "gpu", Value: "a", Effect: "NoExecute"}},
			KubeletVersion: "v1.36.3", KubeProxyVersion: "v1.30.0", KernelVersion: "6.1", OSImage: "Debian", Architecture: "amd64", ContainerRuntime: "containerd://2.1",
			SystemUUID: "ec2-1", ProviderID: "aws:///i-1", PodCIDR: "10.1.0.0/24", Zone: "a", Region: "eu", InstanceType: "m5",
			Capacity: state.Resources{CPUMillis: 4000, MemoryBytes: 8 << 30, Pods: 110, Extended: map[string]int64{
				"nvidia.com/gpu": 0, "hugepages-2Mi": 0, "attachable-volumes-csi": 25, "example.com/a-b": 1, "example.com/a_b": 2, "kubernetes.io/own": 3, "unheard-of": 4,
			}},
			CapacityZeros: state.ZeroEphemeralStorage, Allocatable: state.Resources{CPUMillis: 3920}, AllocatableZeros: state.ZeroPods,
		},
		&state.Node{Name: "n2"},
		&state.NodeLoad{Node: "n1", Requested: state.Resources{Extended: map[string]int64{"kubernetes.io/own": 3}}},
		&state.Port{Node: "n1", Protocol: state.TCP, Port: 10250, Kind: state.Kubelet},
		pod("web-1", 1, func(p *state.Pod) {
			p.Node, p.Phase, p.QOSClass, p.RestartPolicy = "n1", state.PodRunning, state.Burstable, state.RestartAlways
			p.PodIPs, p.HostIP, p.PriorityClass = []string{"fd00::7", "10.1.0.7", "none", "10.1.0.7"}, "10.0.0.1", "high"
			p.Owner, p.Controller = state.Owner{Kind: "Deployment", Name: "web"}, state.Owner{Kind: "ReplicaSet", Name: "web-5d4f"}
			p.CreatedAt, p.StartedAt, p.DeletionAt = 2000, 2001, 2030
			p.ReadyCondition, p.ScheduledCondition = state.ConditionFalse, state.ConditionTrue
			p.Storage = []state.Volume{
				{Name: "data", Claim: "data", CapacityBytes: 1 << 30, MountPath: "/data"},
				{Name: "data", Claim: "data", CapacityBytes: 1 << 30, MountPath: "/restore"},
				{Name: "again", Claim: "data", CapacityBytes: 1 << 30, MountPath: "/data"},
				{Name: "scratch", Claim: "web-1-scratch", MountPath: "/tmp", Ephemeral: true},
			}
		}),
		pod("evicted", 2, func(p *state.Pod) {
			p.Phase, p.Reason, p.QOSClass, p.HostNetwork, p.Node = state.PodFailed, "Evicted", state.BestEffort, true, "n1"
			p.PodIPs = []string{"10.0.0.1"}
		}),
		pod("gated", 3, func(p *state.Pod) {
			p.Phase, p.Reason, p.ScheduledCondition = state.PodPending, "SchedulingGated", state.ConditionFalse
		}),
		pod("done", 4, func(p *state.Pod) {
			p.Phase, p.FinishedAt, p.RestartPolicy, p.ReadyCondition = state.PodSucceeded, 3000, state.RestartNever, state.ConditionUnknown
			p.Owner, p.Controller = state.Owner{Kind: "Job", Name: "j"}, state.Owner{Kind: "Job", Name: "j"}
		}),
		pod("waits", 5, func(p *state.Pod) { p.Phase, p.UnschedulableSince, p.UID = state.PodPending, 2000, state.UID{} }),
		container("web-1", "app", state.Main, func(k *state.Container) {
			k.State, k.Ready, k.StartedAt, k.Restarts, k.StatusImage = state.Running, true, 2010, 2, "docker.io/library/app:1"
			k.Last = &state.LastTermination{Reason: "OOMKilled", ExitCode: 137, FinishedAt: 2009}
			k.Requests, k.Limits = state.Resources{CPUMillis: 500}, state.Resources{MemoryBytes: 1 << 20}
			k.RequestZeros = state.ZeroMemory
			k.Spec = &state.ContainerResources{
				Requests: state.Resources{CPUMillis: 250, Extended: map[string]int64{"nvidia.com/gpu": 0}},
				Limits:   state.Resources{MemoryBytes: 2 << 20},
			}
		}),
		container("web-1", "proxy", state.Sidecar, func(k *state.Container) {
			k.State, k.Reason, k.RestartPolicy, k.StartedAt = state.Waiting, "CrashLoopBackOff", state.RestartAlways, 5
			k.Requests = state.Resources{CPUMillis: 100}
			k.Last = &state.LastTermination{ExitCode: 1}
		}),
		container("web-1", "setup", state.Init, func(k *state.Container) {
			k.State, k.Reason, k.StartedAt, k.RestartPolicy = state.Terminated, "Completed", 2005, state.RestartNever
		}),
		container("web-1", "shell", state.Ephemeral, func(k *state.Container) { k.State = state.Running }),
		container("evicted", "main", state.Main, func(k *state.Container) {
			k.NoStatus, k.State, k.Reason, k.Requests = true, state.Terminated, "Evicted", state.Resources{CPUMillis: 1}
		}),
		container("done", "main", state.Main, func(k *state.Container) {
			k.State, k.Reason, k.FinishedAt = state.Terminated, "UnexpectedAdmissionError", 3000
		}),
		container("waits", "main", state.Main, func(k *state.Container) { k.State = state.Waiting }),
		&state.Service{
			Namespace: "shop", Name: "web", UID: uid(6), Type: state.ServiceLoadBalancer, ClusterIP: "10.2.0.1", LoadBalancerIP: "203.0.113.1",
			ExternalTrafficPolicy: state.TrafficPolicyLocal, CreatedAt: 1500,
		},
		&state.Service{Namespace: "shop", Name: "inside", UID: uid(7), Type: state.ServiceClusterIP, ClusterIP: "None"},
		&state.Service{Namespace: "shop", Name: "outside", Type: state.ServiceExternalName, ExternalName: "example.com"},
		&state.Claim{
			Namespace: "shop", Name: "data", Phase: state.ClaimBound, StorageClass: "fast", VolumeMode: "Filesystem", Volume: "pv-1",
			RequestedBytes: 1 << 29, CapacityBytes: 1 << 30, CreatedAt: 1600,
		},
		&state.Claim{Namespace: "shop", Name: "unused", Phase: state.ClaimPending, VolumeMode: "Block", RequestedBytes: 1 << 20},
		&state.Claim{Namespace: "shop", Name: "new"},
		&state.PersistentVolume{Name: "pv-1", Phase: state.VolumeBound, StorageClass: "fast", ClaimNamespace: "shop", Claim: "data", CapacityBytes: 1 << 30, CreatedAt: 1601},
		&state.PersistentVolume{Name: "pv-2", Phase: state.VolumeFailed},
	}
}

func TestPortConflictsPerAddress(t *testing.T) {
	hostPort := func(address string) *state.Port {
		target := &state.Target{Namespace: "shop", Pod: "web-1", Container: "app", ContainerPort: 80}
		return &state.Port{Node: "n1", Address: address, Protocol: state.TCP, Port: 30999, Kind: state.HostPort, Namespace: "shop", Pod: "web-1", Target: target}
	}
	runTest(t, func(s *harness) {
		s.addCluster("m1", hostPort("10.0.0.1"), hostPort("10.0.0.2"),
			&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: 30999, Kind: state.NodePort, Namespace: "shop", Service: "web", ServicePort: &state.ServicePort{Port: 80}})
		got := s.request("/query", "query", `sum by (address, with_address, with_service) (rollcall_port_conflict{cluster="m1"} > 0)`)
		checkEqual(t, "error", got.Error, "")
		checkEqual(t, "conflicts", got.vector(t), map[string]string{
			"address=10.0.0.1 with_service=web ": "1", "address=10.0.0.2 with_service=web ": "1",
			"with_address=10.0.0.1 ": "1", "with_address=10.0.0.2 ": "1",
		})
	})
}

// TestSeriesLabelsAreUnique uses random clusters and data that an agent should never send: lists
// with duplicates, and objects that differ in no label of their series.
func TestSeriesLabelsAreUnique(t *testing.T) {
	for seed := range uint64(8) {
		runTest(t, func(s *harness) {
			s.addRandomCluster("m1", seed)
			taken := map[string]bool{}
			for _, one := range s.currentSeries() {
				if key := one.String(); taken[key] {
					t.Errorf("seed %d: got two series %s, want one", seed, key)
				} else {
					taken[key] = true
				}
			}
			if len(taken) < 1000 {
				t.Errorf("seed %d: got %d series, want at least 1000", seed, len(taken))
			}
		})
	}
}

// addRandomCluster adds a cluster of random objects, with duplicates in their lists, that has
// reported its usage.
func (s *harness) addRandomCluster(name string, seed uint64) {
	world, rand := statetest.New(seed, 5, 60), rand.New(rand.NewPCG(seed, 1))
	var more state.Changes
	for kind := range state.NumKinds {
		for e := range world.State.Entries(kind) {
			if rand.IntN(3) == 0 {
				more.Upserts = append(more.Upserts, withDuplicates(e.Object))
			}
		}
	}
	for _, o := range append(kubeStateObjects(), similarPorts()...) {
		if !slices.ContainsFunc(more.Upserts, func(other state.Object) bool { return other.Key() == o.Key() }) {
			more.Upserts = append(more.Upserts, o)
		}
	}
	world.Apply(more)
	world.Sample(state.TimeOf(time.Now()))
	c := s.register(name)
	c.state = world.State
	s.report(name)
	<-time.After(period)
	world.Step(30)
	world.Sample(state.TimeOf(time.Now()))
	c.state = world.State
	s.report(name)
}

// currentSeries returns the labels of all series that have a current sample.
func (s *harness) currentSeries() (all []labels.Labels) {
	now := time.Now().UnixMilli()
	qc, err := s.api.newQueryContext(s.authorize)
	if err != nil {
		s.t.Fatal(err)
	}
	found, err := qc.find(s.t.Context(), now-lookback.Milliseconds(), now, []*labels.Matcher{matchAll})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, one := range found {
		if one.(*series).any() {
			all = append(all, one.Labels())
		}
	}
	return all
}

// withDuplicates returns a copy of an object whose lists contain each element twice.
func withDuplicates(o state.Object) state.Object {
	switch o := o.(type) {
	case *state.Node:
		n := *o
		n.Conditions, n.Roles = slices.Repeat(o.Conditions, 2), slices.Repeat(o.Roles, 2)
		n.Addresses, n.Taints = slices.Repeat(o.Addresses, 2), slices.Repeat(o.Taints, 2)
		n.Capacity.Extended = map[string]int64{"a.b/c": 1, "a/b.c": 2, "a/b_c": 3}
		return &n
	case *state.NodeLoad:
		l := *o
		l.Requested.Extended = map[string]int64{"a.b/c": 1, "a/b.c": 2, "a/b_c": 3, "cpu": 4, "pods": 5}
		return &l
	case *state.Pod:
		p := *o
		p.PodIPs, p.Storage = slices.Repeat(o.PodIPs, 2), slices.Repeat(o.Storage, 2)
		return &p
	case *state.Container:
		k := *o
		k.Requests.Extended = map[string]int64{"a.b/c": 1, "a/b.c": 2, "memory": 3}
		return &k
	}
	return o
}

// similarPorts returns ports and targets that differ in as little as possible.
func similarPorts() (all []state.Object) {
	for _, node := range []string{"n1", "n2", state.AllNodes, ""} {
		for _, address := range []string{"", "10.0.0.1", "10.0.0.2"} {
			for kind := state.PortKindUnknown; kind <= state.Kubelet; kind++ {
				p := state.Port{Node: node, Address: address, Protocol: state.TCP, Port: 30999, Kind: kind, Namespace: "shop"}
				held, pod, nobody := p, p, p
				held.Service, held.ServicePort = "web", &state.ServicePort{Name: "http", Port: 80}
				pod.Pod, pod.Target = "web", &state.Target{Namespace: "shop", Pod: "web", ContainerPort: math.MaxUint16}
				all = append(all, &held, &pod, &nobody)
			}
		}
	}
	for _, endpoint := range []state.Target{{Pod: "a"}, {Addresses: []string{"a"}}, {Pod: "b"}, {}} {
		for _, number := range []uint16{0, 80, 81} {
			t := endpoint
			t.ServiceNamespace, t.Service, t.ServicePort, t.Protocol, t.ContainerPort = "shop", "web", "http", state.TCP, number
			all = append(all, &t)
		}
	}
	return all
}

func TestPodCPUTimeIsMonotonic(t *testing.T) {
	const query = `pod_cpu_usage_seconds_total{cluster="m1"}`
	runTest(t, func(s *harness) {
		proxy := &state.Container{Namespace: "shop", Pod: "web-1", Name: "proxy", Kind: state.Sidecar, Node: "n1", State: state.Running}
		c := s.addCluster("m1", append(shopObjects()[3:5], proxy)...)
		both := map[state.Key]state.Used{appKey: {CPUMillis: 250}, proxy.Key(): {CPUMillis: 750}}
		s.advance(time.Minute, func(int) { c.addUsage(both) }, "m1")
		delete(both, proxy.Key()) // a waiting container is not sampled
		s.advance(time.Minute, func(int) { c.addUsage(both) }, "m1")
		checkEqual(t, "resets", s.request("/query", "query", `resets(`+query+`[2m])`).vector(t), map[string]string{"cluster=m1 namespace=shop node=n1 pod=web-1 ": "0"})
		checkEqual(t, "rate while one pauses", s.request("/query", "query", `round(rate(`+query+`[30s]), 0.01)`).vector(t), map[string]string{"cluster=m1 namespace=shop node=n1 pod=web-1 ": "0.25"})

		ended := *proxy
		ended.State = state.Terminated
		c.put(&ended)
		s.report("m1")
		checkEqual(t, "once one has ended", s.request("/query", "query", query).vector(t), map[string]string{})
		checkEqual(t, "memory then", len(s.request("/query", "query", `pod_memory_working_set_bytes{cluster="m1"}`).vector(t)), 1)
	})
}
