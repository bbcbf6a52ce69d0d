package simulated

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// KubernetesVersion is the version of all simulated clusters.
const KubernetesVersion = "v1.36.3"

// ClusterOptions describes a Cluster.
type ClusterOptions struct {
	// Apps are the applications that it runs.
	Apps []App
	// Nodes is the number of nodes, Containers the number of containers.
	Nodes, Containers int
	// CreatedAfter is the time after which all objects were created.
	CreatedAfter state.Time
	// Random determines everything else.
	Random *rand.Rand
}

// Cluster has the objects of one simulated cluster. Its methods are safe for concurrent use.
type Cluster struct {
	createdAfter state.Time

	mu sync.Mutex
	// Under mu. Objects that the cluster has returned are replaced and not modified.
	nodes      []*state.Node
	loads      map[string]*state.NodeLoad
	pods       []pod
	containers []*state.Container
	others     []state.Object
}

// pod is a pod, with the index of its first container.
type pod struct {
	*state.Pod
	app             *App
	first, numOwned int
	target          *state.Target // nil if no Service selects the pod
}

// NewCluster returns a cluster in which all pods are ready.
func NewCluster(o ClusterOptions) *Cluster {
	c := &Cluster{createdAfter: o.CreatedAfter, loads: map[string]*state.NodeLoad{}}
	for i := range o.Nodes {
		c.addNode(o.Random, fmt.Sprintf("node-%03d", i))
	}
	for _, i := range o.Random.Perm(len(o.Apps)) {
		c.deploy(o.Random, &o.Apps[i], o.Containers)
	}
	for len(c.containers) < o.Containers {
		c.deploy(o.Random, &o.Apps[o.Random.IntN(len(o.Apps))], o.Containers)
	}
	return c
}

// addNode adds a ready node with its kubelet's port.
func (c *Cluster) addNode(random *rand.Rand, name string) {
	has := state.Resources{CPUMillis: 64_000, MemoryBytes: 256 << 30, EphemeralStorageBytes: 500 << 30, Pods: 250}
	c.nodes = append(c.nodes, &state.Node{
		Name: name, Ready: state.True, Schedulable: true, Roles: []string{"worker"},
		Addresses: []state.NodeAddress{{Type: "InternalIP", Address: address(random, 10)}, {Type: "Hostname", Address: name}},
		Zone:      "zone-a", Region: "region-1", InstanceType: "m6.16xlarge",
		KubeletVersion: KubernetesVersion, KernelVersion: "6.12.9", OSImage: "Debian GNU/Linux 13", Architecture: "amd64", ContainerRuntime: "containerd://2.1.4",
		CreatedAt: c.creationTime(random), Capacity: has, Allocatable: has,
	})
	c.loads[name] = &state.NodeLoad{Node: name}
	c.others = append(c.others, &state.Port{Node: name, Protocol: state.TCP, Port: 10250, Kind: state.Kubelet})
}

// deploy adds one to five pods of an app, with its Service. It stops when the cluster has the given number of
// containers.
func (c *Cluster) deploy(random *rand.Rand, a *App, containers int) {
	replicaSet := fmt.Sprintf("%s-%09x", a.Name, random.Uint64N(1<<36))
	if a.NodePort != 0 && len(c.containers) < containers {
		c.others = append(c.others, &state.Port{
			Node: state.AllNodes, Protocol: state.TCP, Port: a.NodePort, Kind: state.NodePort, Namespace: a.Namespace,
			Service: a.Name, ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyCluster,
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
func (c *Cluster) addPod(random *rand.Rand, a *App, name string, containers int) {
	node := c.nodes[random.IntN(len(c.nodes))].Name
	owned := a.Containers[:min(len(a.Containers), containers-len(c.containers))]
	p, all := c.newPod(random, a, name, node, c.creationTime(random), owned)
	p.first = len(c.containers)
	c.containers = append(c.containers, all...)
	c.pods = append(c.pods, p)
	onNode := c.loads[node]
	onNode.Pods++
	onNode.Requested.Add(p.Requested)
	onNode.Limits.Add(p.Limits)
}

// newPod returns a ready pod with its containers.
func (c *Cluster) newPod(random *rand.Rand, a *App, name, node string, created state.Time, owned []Template) (pod, []*state.Container) {
	p := pod{app: a, numOwned: len(owned), Pod: &state.Pod{
		Namespace: a.Namespace, Name: name, Node: node, Phase: state.PodRunning, PodIPs: []string{address(random, 172)},
		QOSClass: state.Burstable, CreatedAt: created, StartedAt: created, Owner: state.Owner{Kind: "Deployment", Name: a.Name},
		Controller: state.Owner{Kind: "ReplicaSet", Name: name[:strings.LastIndexByte(name, '-')]}, UID: uid(random), Status: "Running", RestartPolicy: state.RestartAlways,
		ReadyCondition: state.ConditionTrue, ScheduledCondition: state.ConditionTrue,
		Ready: state.Fraction{Of: int32(len(owned)), Total: int32(len(owned))}, //nolint:gosec // an app has few containers
	}}
	var containers []*state.Container
	for _, t := range owned {
		p.Requested.Add(t.Requests)
		p.Limits.Add(t.Limits)
		containers = append(containers, &state.Container{
			Namespace: a.Namespace, Pod: name, Name: t.Name, Kind: t.Kind, Node: node, Image: t.Image, ImageID: t.ImageID,
			State: state.Running, Ready: true, StartedAt: created + state.Time(1+random.IntN(20)), Requests: t.Requests, Limits: t.Limits,
		})
	}
	if a.NodePort != 0 {
		p.target = &state.Target{
			ServiceNamespace: a.Namespace, Service: a.Name, ServicePort: "http", Protocol: state.TCP, Addresses: p.PodIPs,
			Namespace: a.Namespace, Pod: name, Container: a.Containers[0].Name, ContainerPort: a.Port, Node: node, Ready: true, Serving: true,
		}
	}
	return p, containers
}

// uid returns a random UID.
func uid(random *rand.Rand) state.UID {
	var u state.UID
	binary.LittleEndian.PutUint64(u[:], random.Uint64())
	binary.LittleEndian.PutUint64(u[8:], random.Uint64())
	return u
}

// Objects returns all objects of the cluster.
func (c *Cluster) Objects() []state.Object {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.others)
	for _, n := range c.nodes {
		all = append(all, n, c.loads[n.Name])
	}
	for _, p := range c.pods {
		all = append(all, p.Pod)
		if p.target != nil {
			all = append(all, p.target)
		}
	}
	for _, container := range c.containers {
		all = append(all, container)
	}
	return all
}

// Usage returns the usage of a container in reading n.
type Usage func(c *state.Container, n int) state.Used

// Reading returns usage reading n of the cluster. A node's usage is the sum of its containers, which
// are sampled at the same time.
func (c *Cluster) Reading(usage Usage, n int, now time.Time) state.Reading {
	at, sums := map[string]state.Time{}, map[string]state.Used{}
	c.mu.Lock()
	nodes, containers := slices.Clone(c.nodes), slices.Clone(c.containers)
	c.mu.Unlock()
	for i, node := range nodes {
		at[node.Name] = state.TimeOf(now) - state.Time(i%10)
	}
	reading := make(state.Reading, len(containers)+len(nodes))
	for _, container := range containers {
		if container.State != state.Running {
			continue
		}
		used := usage(container, n)
		used.SampledAt = at[container.Node]
		reading[container.Key()] = used
		sum := sums[container.Node]
		sums[container.Node] = state.Used{CPUMillis: sum.CPUMillis + used.CPUMillis, MemoryBytes: sum.MemoryBytes + used.MemoryBytes}
	}
	for _, node := range nodes {
		used := sums[node.Name]
		used.SampledAt = at[node.Name]
		reading[node.Key()] = used
	}
	return reading
}

// ToggleReadiness toggles the readiness of a random container and returns the container.
func (c *Cluster) ToggleReadiness(random *rand.Rand) *state.Container {
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

// creationTime returns a random time in the 12 days after createdAfter.
func (c *Cluster) creationTime(random *rand.Rand) state.Time {
	return c.createdAfter + state.Time(random.IntN(1_000_000))
}
