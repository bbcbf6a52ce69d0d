package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/load"
)

// oldestCreation is the creation time of the oldest objects.
const oldestCreation state.Time = 1_790_000_000

// cluster has the objects of one simulated cluster.
type cluster struct {
	mu sync.Mutex
	// Under mu: toggleReadiness replaces elements.
	containers []*state.Container

	nodes  []*state.Node
	loads  map[string]*state.NodeLoad
	pods   []*state.Pod
	others []state.Object
}

// newCluster returns a cluster with applications of the catalog, all of them ready.
func newCluster(from *catalog, random *rand.Rand, nodes, containers int) *cluster {
	c := &cluster{loads: map[string]*state.NodeLoad{}}
	for i := range nodes {
		c.addNode(random, fmt.Sprintf("node-%03d", i))
	}
	for _, i := range random.Perm(len(from.apps)) {
		c.deploy(random, &from.apps[i], containers)
	}
	for len(c.containers) < containers {
		c.deploy(random, &from.apps[random.IntN(len(from.apps))], containers)
	}
	return c
}

// addNode adds a ready node with its kubelet's port.
func (c *cluster) addNode(random *rand.Rand, name string) {
	has := state.Resources{CPUMillis: 64_000, MemoryBytes: 256 << 30, EphemeralStorageBytes: 500 << 30, Pods: 250}
	c.nodes = append(c.nodes, &state.Node{
		Name: name, Ready: state.True, Schedulable: true, Roles: []string{"worker"},
		Addresses: []state.NodeAddress{{Type: "InternalIP", Address: address(random, 10)}, {Type: "Hostname", Address: name}},
		Zone:      "zone-a", Region: "region-1", InstanceType: "m6.16xlarge",
		KubeletVersion: kubernetesVersion, KernelVersion: "6.12.9", OSImage: "Debian GNU/Linux 13", Architecture: "amd64", ContainerRuntime: "containerd://2.1.4",
		CreatedAt: creationTime(random), Capacity: has, Allocatable: has,
	})
	c.loads[name] = &state.NodeLoad{Node: name}
	c.others = append(c.others, &state.Port{Node: name, Protocol: state.TCP, Port: 10250, Kind: state.Kubelet})
}

// deploy adds one to five pods of an app, with its Service. It stops when the cluster has the given number of
// containers.
func (c *cluster) deploy(random *rand.Rand, a *app, containers int) {
	replicaSet := fmt.Sprintf("%s-%09x", a.name, random.Uint64N(1<<36))
	if a.nodePort != 0 && len(c.containers) < containers {
		c.others = append(c.others, &state.Port{
			Node: state.AllNodes, Protocol: state.TCP, Port: a.nodePort, Kind: state.NodePort, Namespace: a.namespace,
			Service: a.name, ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyCluster,
		})
	}
	for range 1 + random.IntN(5) {
		if len(c.containers) >= containers {
			return
		}
		c.addPod(random, a, fmt.Sprintf("%s-%05x", replicaSet, random.Uint64N(1<<20)), containers)
	}
}

// addPod adds a ready pod of an app. It leaves out containers beyond the given number of containers in the cluster.
func (c *cluster) addPod(random *rand.Rand, a *app, name string, containers int) {
	node := c.nodes[random.IntN(len(c.nodes))].Name
	p := &state.Pod{
		Namespace: a.namespace, Name: name, Node: node, Phase: state.PodRunning, PodIPs: []string{address(random, 172)},
		QOSClass: state.Burstable, CreatedAt: creationTime(random), Owner: state.Owner{Kind: "Deployment", Name: a.name},
		Controller: state.Owner{Kind: "ReplicaSet", Name: name[:strings.LastIndexByte(name, '-')]}, UID: uid(random), Status: "Running", RestartPolicy: state.RestartAlways,
		ReadyCondition: state.ConditionTrue, ScheduledCondition: state.ConditionTrue,
	}
	p.StartedAt = p.CreatedAt
	for _, t := range a.containers {
		if len(c.containers) == containers {
			break
		}
		p.Requested.Add(t.requests)
		p.Limits.Add(t.limits)
		c.containers = append(c.containers, &state.Container{
			Namespace: a.namespace, Pod: name, Name: t.name, Kind: t.kind, Node: node, Image: t.image, ImageID: t.imageID,
			State: state.Running, Ready: true, StartedAt: p.CreatedAt + state.Time(1+random.IntN(20)), Requests: t.requests, Limits: t.limits,
		})
	}
	p.Ready = state.Fraction{Of: int32(len(a.containers)), Total: int32(len(a.containers))}
	c.pods = append(c.pods, p)
	onNode := c.loads[node]
	onNode.Pods++
	onNode.Requested.Add(p.Requested)
	onNode.Limits.Add(p.Limits)
	if a.nodePort != 0 {
		c.others = append(c.others, &state.Target{
			ServiceNamespace: a.namespace, Service: a.name, ServicePort: "http", Protocol: state.TCP, Addresses: p.PodIPs,
			Namespace: a.namespace, Pod: name, Container: a.containers[0].name, ContainerPort: a.port, Node: node, Ready: true, Serving: true,
		})
	}
}

// uid returns a random UID.
func uid(random *rand.Rand) state.UID {
	var u state.UID
	binary.LittleEndian.PutUint64(u[:], random.Uint64())
	binary.LittleEndian.PutUint64(u[8:], random.Uint64())
	return u
}

// objects returns all objects of the cluster.
func (c *cluster) objects() []state.Object {
	all := append([]state.Object{}, c.others...)
	for _, n := range c.nodes {
		all = append(all, n, c.loads[n.Name])
	}
	for _, p := range c.pods {
		all = append(all, p)
	}
	for _, container := range c.containers {
		all = append(all, container)
	}
	return all
}

// reading returns usage reading n of the cluster. A node's usage is the sum of its containers, which
// are sampled at the same time.
func (c *cluster) reading(name string, u *load.Usage, n int, now time.Time) state.Reading {
	at, sums := map[string]state.Time{}, map[string]state.Used{}
	c.mu.Lock()
	containers := slices.Clone(c.containers)
	c.mu.Unlock()
	for i, node := range c.nodes {
		at[node.Name] = state.TimeOf(now) - state.Time(i%10)
	}
	reading := make(state.Reading, len(containers)+len(c.nodes))
	for _, container := range containers {
		id := name + "/" + container.Namespace + "/" + container.Pod + "/" + container.Name
		used := u.At(id, u.Base(id), n)
		reading[container.Key()] = state.Used{CPUMillis: used.CPUMillis, MemoryBytes: used.MemoryBytes, SampledAt: at[container.Node]}
		sum := sums[container.Node]
		sums[container.Node] = state.Used{CPUMillis: sum.CPUMillis + used.CPUMillis, MemoryBytes: sum.MemoryBytes + used.MemoryBytes}
	}
	for _, node := range c.nodes {
		used := sums[node.Name]
		used.SampledAt = at[node.Name]
		reading[node.Key()] = used
	}
	return reading
}

// toggleReadiness toggles the readiness of a random container and returns the container.
func (c *cluster) toggleReadiness(random *rand.Rand) *state.Container {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := random.IntN(len(c.containers))
	flipped := *c.containers[i]
	flipped.Ready = !flipped.Ready
	if flipped.NotReadySince = 0; !flipped.Ready {
		flipped.NotReadySince = state.TimeOf(time.Now())
	}
	c.containers[i] = &flipped
	return &flipped
}

// address returns a random IPv4 address with the given first byte.
func address(random *rand.Rand, first int) string {
	return fmt.Sprintf("%d.%d.%d.%d", first, random.IntN(256), random.IntN(256), 1+random.IntN(254))
}

// creationTime returns a random time at or after oldestCreation.
func creationTime(random *rand.Rand) state.Time {
	return oldestCreation + state.Time(random.IntN(1_000_000))
}
