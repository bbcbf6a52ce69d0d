package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30
)

// app is a workload of a fake cluster, with its Service.
type app struct {
	namespace, name string
	replicas        int   // negative: one on every node
	cpu, memory     int64 // requested
	sidecar         string
	nodePort        uint16
	loadBalancer    bool
	hostPort        uint16 // on every node
	// image is the image of all containers; if it is empty, each container has a different one.
	image string
	// mute is the annotation rollcall.dev/mute of the pods.
	mute string
}

// apps has the workloads of every cluster.
var apps = []app{
	{namespace: "shop", name: "web", replicas: 6, cpu: 250, memory: 256 * mib, sidecar: "envoy", nodePort: 30080, loadBalancer: true},
	{namespace: "shop", name: "cart", replicas: 4, cpu: 200, memory: 384 * mib, sidecar: "envoy"},
	{namespace: "shop", name: "search", replicas: 3, cpu: 900, memory: 2 * gib},
	{namespace: "payments", name: "gateway", replicas: 3, cpu: 500, memory: 512 * mib, sidecar: "envoy", nodePort: 30443},
	{namespace: "payments", name: "ledger", replicas: 2, cpu: 800, memory: 3 * gib},
	{namespace: "media", name: "thumbnailer", replicas: 5, cpu: 700, memory: 768 * mib},
	{namespace: "media", name: "transcoder", replicas: 2, cpu: 1500, memory: 2 * gib},
	{namespace: "monitoring", name: "prometheus", replicas: 1, cpu: 1000, memory: 4 * gib, nodePort: 30900},
	{namespace: "monitoring", name: "node-exporter", replicas: -1, cpu: 50, memory: 48 * mib, hostPort: 9100},
	{namespace: "ingress", name: "nginx", replicas: -1, cpu: 200, memory: 200 * mib, hostPort: 443},
	{namespace: "kube-system", name: "coredns", replicas: 2, cpu: 100, memory: 128 * mib},
}

// clusterState has the objects and usage of one simulated cluster.
type clusterState struct {
	*statetest.Cluster
	rand     *rand.Rand
	nodes    int
	sections [state.NumSections]state.SectionStatus
	load     map[string]*state.NodeLoad
	placed   int // number of pods that were assigned to nodes in turn
}

// newClusterState returns a cluster with the given number of nodes, and with all apps the given number of times. Equal
// names give equal clusters.
func newClusterState(name string, nodes, times int) *clusterState {
	h := fnv.New64a()
	h.Write([]byte(name))
	seed := h.Sum64()
	cs := &clusterState{Cluster: &statetest.Cluster{State: &state.State{Epoch: seed}}, rand: rand.New(rand.NewPCG(seed, 1)), nodes: nodes, load: map[string]*state.NodeLoad{}}
	for i := range cs.sections {
		cs.sections[i] = state.SectionStatus{Live: true}
	}
	var c state.Changes
	for i := range nodes {
		c.Upserts = append(c.Upserts, cs.node(i)...)
	}
	for i := range times {
		for _, a := range apps {
			if i > 0 {
				if a.replicas < 0 {
					continue
				}
				a.name, a.nodePort, a.loadBalancer = fmt.Sprintf("%s-%d", a.name, i), 0, false
			}
			c.Upserts = append(c.Upserts, cs.app(a)...)
		}
	}
	for _, l := range cs.load {
		c.Upserts = append(c.Upserts, l)
	}
	cs.Apply(c)
	return cs
}

// nodeName returns the name of node i.
func nodeName(i int) string { return fmt.Sprintf("worker-%c%02d", 'a'+i%3, i/3+1) }

// node returns the objects of the i-th node.
func (cs *clusterState) node(i int) []state.Object {
	name := nodeName(i)
	size := state.Resources{CPUMillis: 10000, MemoryBytes: 32 * gib, EphemeralStorageBytes: 100 * gib, Pods: 110}
	allocatable := size
	allocatable.CPUMillis, allocatable.MemoryBytes = 9800, 30*gib
	cs.load[name] = &state.NodeLoad{Node: name}
	return []state.Object{
		&state.Node{
			Name: name, Ready: state.True, Schedulable: true, Roles: []string{"worker"}, Zone: "zone-" + string(rune('a'+i%3)), Region: "eu-1", InstanceType: "m8.2xlarge",
			Addresses:      []state.NodeAddress{{Type: "InternalIP", Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)}},
			KubeletVersion: "v1.36.3", KernelVersion: "6.12.0", OSImage: "Debian GNU/Linux 13", Architecture: "amd64", ContainerRuntime: "containerd://2.2.0",
			SystemUUID: fmt.Sprintf("4c4c4544-0000-4000-8000-%012x", i), ProviderID: "example:///eu-1/" + name, PodCIDR: fmt.Sprintf("10.244.%d.0/24", i%256), Conditions: conditions(state.NodeCondition{}),
			CreatedAt: ago(90 * 24 * time.Hour), Capacity: size, Allocatable: allocatable,
		},
		&state.Port{Node: name, Protocol: state.TCP, Port: 10250, Kind: state.Kubelet},
	}
}

// ago returns the time d ago.
func ago(d time.Duration) state.Time { return state.TimeOf(time.Now().Add(-d)) }

// app returns the objects of an app: its pods, and the ports of its Service.
func (cs *clusterState) app(a app) []state.Object {
	replicas := a.replicas
	if replicas < 0 {
		replicas = cs.nodes
	}
	var objects []state.Object
	for i := range replicas {
		node := nodeName(cs.placed % cs.nodes)
		if a.replicas < 0 {
			node = nodeName(i)
		} else {
			cs.placed++
		}
		objects = append(objects, cs.pod(a, node)...)
	}
	port := &state.ServicePort{Name: "http", Port: 80}
	if a.nodePort > 0 {
		objects = append(objects, &state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: a.nodePort, Kind: state.NodePort, Namespace: a.namespace, Service: a.name, ServicePort: port, ExternalTrafficPolicy: state.TrafficPolicyCluster})
	}
	if a.loadBalancer {
		objects = append(objects, &state.Port{Node: state.AllNodes, Address: "203.0.113.80", Protocol: state.TCP, Port: 80, Kind: state.LoadBalancer, Namespace: a.namespace, Service: a.name, ServicePort: port, ExternalTrafficPolicy: state.TrafficPolicyCluster})
	}
	return objects
}

// pod returns the objects of one pod of an app.
func (cs *clusterState) pod(a app, node string) []state.Object {
	requests := state.Resources{CPUMillis: a.cpu, MemoryBytes: a.memory}
	ip := fmt.Sprintf("10.244.%d.%d", cs.rand.IntN(256), cs.rand.IntN(256))
	started := ago(time.Duration(cs.rand.IntN(20*24)) * time.Hour)
	p := &state.Pod{
		Namespace: a.namespace, Name: fmt.Sprintf("%s-%08x-%05x", a.name, cs.rand.Uint32(), cs.rand.IntN(1<<20)), Node: node, Phase: state.PodRunning,
		Owner: state.Owner{Kind: "Deployment", Name: a.name}, QOSClass: state.Burstable, PodIPs: []string{ip}, CreatedAt: started, StartedAt: started, Requested: requests,
		Status: "Running", ReadyCondition: state.ConditionTrue, ScheduledCondition: state.ConditionTrue, RestartPolicy: state.RestartAlways, Mute: a.mute,
	}
	p.Controller = state.Owner{Kind: "ReplicaSet", Name: p.Name[:strings.LastIndexByte(p.Name, '-')]}
	objects := []state.Object{p}
	names := []string{a.name}
	if a.sidecar != "" {
		names = append(names, a.sidecar)
	}
	p.Ready = state.Fraction{Of: int32(len(names)), Total: int32(len(names))}
	for i, name := range names {
		c := &state.Container{
			Namespace: p.Namespace, Pod: p.Name, Name: name, Kind: state.Main, Node: node, Image: cmp.Or(a.image, "registry.example/"+name+":1.4."+fmt.Sprint(cs.rand.IntN(9))),
			State: state.Running, Ready: true, StartedAt: started, Requests: requests,
		}
		if i > 0 {
			c.Kind, c.Requests = state.Sidecar, state.Resources{CPUMillis: 50, MemoryBytes: 64 * mib}
		}
		cs.load[node].Requested.Add(c.Requests)
		objects = append(objects, c)
	}
	cs.load[node].Pods++
	target := &state.Target{Addresses: p.PodIPs, Namespace: p.Namespace, Pod: p.Name, Container: a.name, ContainerPort: 8080, Node: node, Ready: true, Serving: true}
	if a.hostPort > 0 {
		objects = append(objects, &state.Port{Node: node, Protocol: state.TCP, Port: a.hostPort, Kind: state.HostPort, Namespace: p.Namespace, Pod: p.Name, Target: target})
	}
	if a.nodePort > 0 || a.loadBalancer {
		t := *target
		t.ServiceNamespace, t.Service, t.ServicePort, t.Protocol = a.namespace, a.name, "http", state.TCP
		objects = append(objects, &t)
	}
	return objects
}

// sample sets the usage of every node and running container to a random value below its requests.
func (cs *clusterState) sample() {
	u := &state.Usage{N: 1}
	if cs.State.Usage != nil {
		u.N = cs.State.Usage.N + 1
	}
	now := state.TimeOf(time.Now())
	nodes := map[string]*state.Used{}
	set := func(slot uint32, used state.Used) {
		used.SampledAt = now
		if n := int(slot) + 1 - len(u.BySlot); n > 0 {
			u.BySlot = append(u.BySlot, make([]state.Used, n)...)
		}
		u.BySlot[slot] = used
	}
	for e := range cs.State.Entries(state.KindContainer) {
		c := e.Object.(*state.Container)
		if c.State != state.Running {
			continue
		}
		used := state.Used{CPUMillis: c.Requests.CPUMillis * int64(20+cs.rand.IntN(50)) / 100, MemoryBytes: c.Requests.MemoryBytes * int64(55+cs.rand.IntN(15)) / 100}
		set(e.Slot, used)
		if nodes[c.Node] == nil {
			nodes[c.Node] = &state.Used{CPUMillis: 150, MemoryBytes: gib}
		}
		nodes[c.Node].CPUMillis += used.CPUMillis
		nodes[c.Node].MemoryBytes += used.MemoryBytes
	}
	for e := range cs.State.Entries(state.KindNode) {
		if used := nodes[e.Object.(*state.Node).Name]; used != nil {
			set(e.Slot, *used)
		}
	}
	cs.applyDelta(state.Delta{To: 1, Usage: u})
}

// updateSections updates the times and errors of the sections.
func (cs *clusterState) updateSections(now time.Time) {
	var sections [state.NumSections]state.Section
	steps := uint64(0)
	for i, r := range cs.sections {
		sections[i] = r.At(now)
		if sections[i].Error != cs.State.Sections[i].Error {
			steps = 1
		}
	}
	cs.applyDelta(state.Delta{To: steps, Sections: &sections})
}

// applyDelta applies a delta without objects. d.To is relative: the number by which the seq rises.
func (cs *clusterState) applyDelta(d state.Delta) {
	d.Epoch, d.From, d.To = cs.State.Epoch, cs.State.Seq, cs.State.Seq+d.To
	next, err := state.Apply(cs.State, d)
	if err != nil {
		panic(err)
	}
	cs.State = next
}
