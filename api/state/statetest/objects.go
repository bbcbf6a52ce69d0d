package statetest

import (
	"encoding/binary"
	"fmt"

	"rollcall.dev/rollcall/api/state"
)

func (w *Cluster) resources() state.Resources {
	return state.Resources{
		CPUMillis:             pick(w, int64(0), 100, 250, 500, 1000),
		MemoryBytes:           pick(w, int64(0), 64<<20, 128<<20, 1<<30),
		EphemeralStorageBytes: pick(w, int64(0), 1<<30),
	}
}

func (w *Cluster) node(name string) *state.Node {
	has := state.Resources{CPUMillis: 8000, MemoryBytes: 32 << 30, EphemeralStorageBytes: 100 << 30, Pods: 110}
	if w.rand.IntN(10) == 0 {
		has.Extended = map[string]int64{"nvidia.com/gpu": 4, "hugepages-2Mi": 1 << 30}
	}
	n := &state.Node{
		Name: name, Ready: state.True, Schedulable: w.rand.IntN(20) > 0, Roles: []string{"worker"},
		Addresses: []state.NodeAddress{{Type: "Hostname", Address: name}, {Type: "InternalIP", Address: w.ip()}},
		Zone:      pick(w, "zone-a", "zone-b"), Region: "region", InstanceType: "m5.large",
		KubeletVersion: "v1.36.3", KernelVersion: "6.1.0", OSImage: "Debian GNU/Linux 12", Architecture: "amd64", ContainerRuntime: "containerd://2.1.0",
		KubeProxyVersion: "v1.36.3", SystemUUID: w.uid().String(), ProviderID: "cloud://" + name, PodCIDR: "10.0.0.0/24",
		CreatedAt: w.randomTime(), Capacity: has, Allocatable: has, AllocatableZeros: pick(w, 0, state.ZeroPods), CapacityZeros: pick(w, 0, state.ZeroEphemeralStorage),
		Conditions: []state.NodeCondition{
			{Type: "DiskPressure", Status: state.False, Reason: "KubeletHasNoDiskPressure", Since: w.randomTime()},
			{Type: "Ready", Status: state.True, Reason: "KubeletReady", Since: w.randomTime()},
		},
	}
	if w.rand.IntN(20) == 0 {
		n.Ready = state.False
		n.Conditions[1] = state.NodeCondition{Type: "Ready", Status: state.False, Reason: "KubeletNotReady", Message: "container runtime is down", Since: w.randomTime()}
		n.NotReadySince = n.Conditions[1].Since
		n.FlappingSince, n.FlappingUntil, n.Mute = w.randomTime(), w.randomTime(), "being repaired"
		n.Taints = []state.Taint{{Key: "node.kubernetes.io/not-ready", Effect: "NoSchedule"}}
	}
	return n
}

func (w *Cluster) load(name string) *state.NodeLoad {
	return &state.NodeLoad{Node: name, Requested: w.resources(), Limits: w.resources(), Pods: w.rand.Int64N(110)}
}

func (w *Cluster) kubelet(name string) *state.Port {
	return &state.Port{Node: name, Protocol: state.TCP, Port: 10250, Kind: state.Kubelet}
}

// pod returns a new pod, its containers, and sometimes a port.
func (w *Cluster) pod(nodes int) []state.Object {
	w.pods++
	app := fmt.Sprintf("app-%d", w.rand.IntN(40))
	p := &state.Pod{
		Namespace: fmt.Sprintf("team-%d", w.rand.IntN(12)), Name: fmt.Sprintf("%s-%08x-%05d", app, w.rand.Uint32(), w.pods), Node: nodeName(w.rand.IntN(nodes)),
		Phase:    pick(w, state.PodRunning, state.PodRunning, state.PodRunning, state.PodSucceeded, state.PodFailed, state.PodPending),
		QOSClass: pick(w, state.Guaranteed, state.Burstable, state.BestEffort), PodIPs: []string{w.ip(), fmt.Sprintf("fd00::%x", 1+w.rand.IntN(1<<16-1))},
		CreatedAt: w.randomTime(), Owner: state.Owner{Kind: pick(w, "Deployment", "StatefulSet", "DaemonSet", "Job"), Name: app},
		Requested: w.resources(), Limits: w.resources(),
		UID: w.uid(), Status: "Running", Ready: state.Fraction{Of: 1, Total: 2}, Restarts: int32(w.rand.IntN(3)), LastRestartAt: w.randomTime(), HostIP: "10.0.0.1",
		RestartPolicy: state.RestartAlways, StartedAt: w.randomTime(), ReadyCondition: state.ConditionTrue, ScheduledCondition: state.ConditionTrue,
	}
	p.Controller = state.Owner{Kind: "ReplicaSet", Name: app + "-5d4f"}
	switch w.rand.IntN(20) {
	case 0:
		p.Phase, p.Node, p.Reason, p.Message, p.UnschedulableSince = state.PodPending, "", "Unschedulable", "0/3 nodes are available: 3 × Insufficient cpu.", w.randomTime()
	case 1:
		p.Storage = []state.Volume{{Name: "data", Claim: "data-" + p.Name, CapacityBytes: 10 << 30, MountPath: "/data"}, {Name: "scratch", Claim: p.Name + "-scratch", MountPath: "/scratch", Ephemeral: true}}
	case 2:
		p.Terminating, p.DeletionAt, p.FinishedAt, p.PriorityClass, p.Priority, p.ServiceAccount, p.Mute = true, w.randomTime(), w.randomTime(), "high", 1000, "shop", "known"
		p.Status, p.NotReadySince, p.ReadyCondition = "Terminating", w.randomTime(), state.ConditionFalse
	}
	objects := []state.Object{p}
	for i := range 1 + w.rand.IntN(3) {
		objects = append(objects, w.container(p, i))
	}
	if w.rand.IntN(10) == 0 {
		target := &state.Target{Addresses: p.PodIPs, Namespace: p.Namespace, Pod: p.Name, Container: "c0", ContainerPort: 8080, Node: p.Node, Ready: true, Serving: true}
		objects = append(objects, &state.Port{Node: p.Node, Protocol: state.TCP, Port: uint16(8000 + w.rand.IntN(100)), Kind: state.HostPort, Namespace: p.Namespace, Pod: p.Name, Target: target})
	}
	return objects
}

func (w *Cluster) container(p *state.Pod, i int) *state.Container {
	c := &state.Container{
		Namespace: p.Namespace, Pod: p.Name, Name: fmt.Sprintf("c%d", i), Kind: pick(w, state.Main, state.Main, state.Sidecar, state.Init, state.Ephemeral),
		Node: p.Node, Image: fmt.Sprintf("registry.example/%s:v%d", p.Owner.Name, w.rand.IntN(5)), ImageID: fmt.Sprintf("sha256:%064x", w.rand.Uint64()),
		State: state.Running, Ready: true, Restarts: int32(w.rand.IntN(4)), StartedAt: w.randomTime(), Requests: w.resources(), Limits: w.resources(),
	}
	switch w.rand.IntN(15) {
	case 0:
		c.State, c.Ready, c.Reason, c.Message, c.NotReadySince, c.StartedAt = state.Waiting, false, "CrashLoopBackOff", "back-off 5m0s restarting failed container", w.randomTime(), 0
		c.Last, c.CrashLoopSince = &state.LastTermination{Reason: "OOMKilled", ExitCode: 137, FinishedAt: w.randomTime()}, w.randomTime()
	case 1:
		c.State, c.Ready, c.Reason, c.ExitCode, c.FinishedAt = state.Terminated, false, "Error", -1, w.randomTime()
	case 2:
		c.StatusImage, c.Spec, c.RestartPolicy = "docker.io/"+c.Image, &state.ContainerResources{Requests: w.resources(), Limits: w.resources()}, state.RestartNever
		c.RequestZeros, c.LimitZeros = state.ZeroCPU, state.ZeroMemory|state.ZeroEphemeralStorage
	case 3:
		c.NoStatus, c.State, c.Reason, c.Ready = true, state.Waiting, "ContainerCreating", false
	}
	return c
}

// service returns a Service of type LoadBalancer with its ports, targets and storage.
func (w *Cluster) service(i, nodes int) []state.Object {
	namespace, name := fmt.Sprintf("team-%d", i%12), fmt.Sprintf("svc-%d", i)
	port := &state.ServicePort{Name: "http", Port: 80}
	objects := []state.Object{
		&state.Service{
			Namespace: namespace, Name: name, UID: w.uid(), Type: state.ServiceLoadBalancer, ClusterIP: w.ip(), LoadBalancerIP: pick(w, "", "203.0.113.7"),
			ExternalTrafficPolicy: state.TrafficPolicyCluster, CreatedAt: w.randomTime(), NoPodsSince: pick(w, 0, w.randomTime()), NoEndpointsSince: pick(w, 0, w.randomTime()), NoAddressSince: pick(w, 0, w.randomTime()),
		},
		&state.Claim{
			Namespace: namespace, Name: name, Phase: pick(w, state.ClaimBound, state.ClaimPending), StorageClass: "fast", VolumeMode: "Filesystem", Volume: "pv-" + name,
			RequestedBytes: 10 << 30, CapacityBytes: 10 << 30, CreatedAt: w.randomTime(),
		},
		&state.PersistentVolume{
			Name: "pv-" + name, Phase: pick(w, state.VolumeBound, state.VolumeFailed), Reason: "reason", Message: "message", StorageClass: "fast",
			ClaimNamespace: namespace, Claim: name, CapacityBytes: 10 << 30, CreatedAt: w.randomTime(), PhaseSince: w.randomTime(),
		},
		&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: uint16(30000 + i%2768), Kind: state.NodePort, Namespace: namespace, Service: name, ServicePort: port, ExternalTrafficPolicy: state.TrafficPolicyCluster},
		&state.Port{Node: state.AllNodes, Address: pick(w, "203.0.113.7", "lb.example.com"), Protocol: state.TCP, Port: 80, Kind: state.LoadBalancer, Namespace: namespace, Service: name, ServicePort: port, ExternalTrafficPolicy: state.TrafficPolicyCluster},
	}
	for j := range w.rand.IntN(5) {
		t := &state.Target{
			ServiceNamespace: namespace, Service: name, ServicePort: "http", Protocol: state.TCP,
			Addresses: []string{w.ip()}, Namespace: namespace, Pod: fmt.Sprintf("%s-%d", name, j), Container: "c0", ContainerPort: 8080,
			Node: nodeName(w.rand.IntN(nodes)), Ready: w.rand.IntN(5) > 0, Serving: true, Terminating: w.rand.IntN(9) == 0,
		}
		if w.rand.IntN(8) == 0 {
			t.Pod, t.Container, t.Node = "", "", ""
		}
		objects = append(objects, t)
	}
	return objects
}

func (w *Cluster) uid() state.UID {
	var u state.UID
	binary.LittleEndian.PutUint64(u[:], w.rand.Uint64())
	binary.LittleEndian.PutUint64(u[8:], w.rand.Uint64())
	return u
}

func (w *Cluster) ip() string {
	return fmt.Sprintf("10.%d.%d.%d", w.rand.IntN(256), w.rand.IntN(256), w.rand.IntN(256))
}
