package simulated

import (
	"fmt"
	"math/rand/v2"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Trouble is something that is wrong with a cluster.
type Trouble uint8

const (
	// CrashLoop is a container that crashes again and again.
	CrashLoop Trouble = iota
	// MissingImage is a pod whose image cannot be pulled.
	MissingImage
	// Pending is a pod that fits on no node.
	Pending
	// LostNode is a node whose kubelet does not report.
	LostNode
	// MemoryPressure is a node that runs out of memory.
	MemoryPressure
	// Cordoned is a node that takes no new pods. It is no problem by itself.
	Cordoned
	// PortConflict is a hostPort that is also a Service's nodePort.
	PortConflict
)

// Add adds a trouble that began some time before now, at a random place, and returns the changed objects.
func (c *Cluster) Add(trouble Trouble, random *rand.Rand, now, since state.Time) state.Changes {
	c.mu.Lock()
	defer c.mu.Unlock()
	var changed []state.Object
	switch trouble {
	case CrashLoop:
		changed = c.editPod(c.healthyPod(random), crashLoop(now, since))
	case MissingImage:
		changed = c.editPod(c.healthyPod(random), missingImage(since))
	case Pending:
		changed = c.addPending(random, since)
	case LostNode:
		changed = c.loseNode(random.IntN(len(c.nodes)), since)
	case MemoryPressure:
		changed = c.editNode(random.IntN(len(c.nodes)), func(n *state.Node) {
			n.Conditions = conditions(n.CreatedAt, state.NodeCondition{Type: "MemoryPressure", Status: state.True, Reason: "KubeletHasInsufficientMemory", Message: "kubelet has insufficient memory available", Since: since})
		})
	case Cordoned:
		changed = c.editNode(random.IntN(len(c.nodes)), func(n *state.Node) { n.Schedulable = false })
	case PortConflict:
		changed = c.addPortConflict(random)
	}
	return state.Changes{Upserts: changed}
}

// podChange changes a pod and its first container, which are copies.
type podChange func(p *state.Pod, first *state.Container)

// crashLoop returns the change into a crash loop that began at since.
func crashLoop(now, since state.Time) podChange {
	return func(p *state.Pod, first *state.Container) {
		restarts := int32(1 + (now-since)/300) //nolint:gosec // troubles began recently
		first.State, first.Ready, first.StartedAt = state.Waiting, false, 0
		first.Reason, first.Message = "CrashLoopBackOff", fmt.Sprintf("back-off 5m0s restarting failed container=%s pod=%s", first.Name, p.Name)
		first.NotReadySince, first.CrashLoopSince, first.Restarts = since, since, first.Restarts+restarts
		first.Last = &state.LastTermination{Reason: "OOMKilled", ExitCode: 137, FinishedAt: now - 40}
		p.Status, p.Restarts, p.LastRestartAt = "CrashLoopBackOff", p.Restarts+restarts, now-40
	}
}

// missingImage returns the change of a container whose image cannot be pulled since a time.
func missingImage(since state.Time) podChange {
	return func(p *state.Pod, first *state.Container) {
		first.State, first.Ready, first.StartedAt, first.ImageID = state.Waiting, false, 0, ""
		first.Reason, first.Message = "ImagePullBackOff", fmt.Sprintf("Back-off pulling image %q: not found", first.Image)
		first.NotReadySince, p.Status = since, "ImagePullBackOff"
	}
}

// starting returns the change of a container that is being created since a time.
func starting(since state.Time) podChange {
	return func(p *state.Pod, first *state.Container) {
		first.State, first.Ready, first.StartedAt = state.Waiting, false, 0
		first.Reason, first.NotReadySince, p.Status = "ContainerCreating", since, "ContainerCreating"
	}
}

// running returns the change into a ready pod.
func running(now state.Time) podChange {
	return func(p *state.Pod, first *state.Container) {
		first.State, first.Ready, first.StartedAt = state.Running, true, now
		first.Reason, first.Message, first.NotReadySince, first.CrashLoopSince = "", "", 0, 0
		p.Status = "Running"
	}
}

// editPod applies a change to copies of the i-th pod and its first container, and returns the changed objects. c.mu
// must be held.
func (c *Cluster) editPod(i int, change podChange) []state.Object {
	entry := &c.pods[i]
	p, first := *entry.Pod, *c.containers[entry.first]
	change(&p, &first)
	p.Ready.Of = p.Ready.Total
	if p.ReadyCondition, p.NotReadySince = state.ConditionTrue, first.NotReadySince; !first.Ready {
		p.ReadyCondition, p.Ready.Of = state.ConditionFalse, p.Ready.Total-1
	}
	entry.Pod, c.containers[entry.first] = &p, &first
	changed := []state.Object{&p, &first}
	if entry.target != nil && entry.target.Ready != first.Ready {
		target := *entry.target
		target.Ready, target.Serving = first.Ready, first.Ready
		entry.target = &target
		changed = append(changed, &target)
	}
	return changed
}

// healthyPod returns the index of a random ready pod, or of any if it finds none. c.mu must be held.
func (c *Cluster) healthyPod(random *rand.Rand) int {
	for range 20 {
		if i := random.IntN(len(c.pods)); c.pods[i].NotReadySince == 0 && c.pods[i].Node != "" {
			return i
		}
	}
	return 0
}

// addPending adds a pod that needs more GPUs than there are. c.mu must be held.
func (c *Cluster) addPending(random *rand.Rand, since state.Time) []state.Object {
	a := &App{Namespace: "media", Name: "upscaler", Containers: []Template{container("registry.example.com/media/upscaler:2.0.0", state.Main, 2000, 8192)}}
	a.Containers[0].Name = a.Name
	entry, owned := c.newPod(random, a, fmt.Sprintf("upscaler-%09x-%05x", random.Uint64N(1<<36), random.Uint64N(1<<20)), "", since, a.Containers)
	p, waiting := entry.Pod, owned[0]
	p.Phase, p.Status, p.StartedAt, p.PodIPs, p.Ready.Of = state.PodPending, "Pending", 0, nil, 0
	p.Reason, p.Message = "Unschedulable", fmt.Sprintf("0/%d nodes are available: %d Insufficient nvidia.com/gpu.", len(c.nodes), len(c.nodes))
	p.ReadyCondition, p.ScheduledCondition, p.NotReadySince, p.UnschedulableSince = state.ConditionFalse, state.ConditionFalse, since, since
	waiting.State, waiting.Ready, waiting.StartedAt, waiting.NoStatus = state.Waiting, false, 0, true
	entry.first = len(c.containers)
	c.pods, c.containers = append(c.pods, entry), append(c.containers, waiting)
	return []state.Object{p, waiting}
}

// addPortConflict adds a nodePort that a pod uses as hostPort. c.mu must be held.
func (c *Cluster) addPortConflict(random *rand.Rand) []state.Object {
	const port = 31500
	user := c.pods[c.healthyPod(random)]
	added := []state.Object{
		&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: port, Kind: state.NodePort, Namespace: "shop", Service: "debug", ServicePort: &state.ServicePort{Name: "http", Port: 80}, ExternalTrafficPolicy: state.TrafficPolicyCluster},
		&state.Port{Node: user.Node, Protocol: state.TCP, Port: port, Kind: state.HostPort, Namespace: user.Namespace, Pod: user.Name, Target: &state.Target{
			Addresses: user.PodIPs, Namespace: user.Namespace, Pod: user.Name, ContainerPort: port, Node: user.Node, Ready: true, Serving: true,
		}},
	}
	c.others = append(c.others, added...)
	return added
}

// editNode applies a change to a copy of the i-th node, and returns the node. c.mu must be held.
func (c *Cluster) editNode(i int, change func(n *state.Node)) []state.Object {
	n := *c.nodes[i]
	change(&n)
	c.nodes[i] = &n
	return []state.Object{&n}
}

// loseNode makes the kubelet of the i-th node stop reporting. The control plane marks its pods as not ready; their
// containers keep their last state. c.mu must be held.
func (c *Cluster) loseNode(i int, since state.Time) []state.Object {
	changed := c.editNode(i, func(n *state.Node) {
		n.Ready, n.NotReadySince = state.Unknown, since
		n.Conditions = conditions(n.CreatedAt, state.NodeCondition{Type: "Ready", Status: state.Unknown, Reason: "NodeStatusUnknown", Message: "Kubelet stopped posting node status.", Since: since})
	})
	return append(changed, c.editPodsOf(c.nodes[i].Name, func(p *state.Pod) bool {
		if p.NotReadySince != 0 {
			return false
		}
		p.ReadyCondition, p.NotReadySince = state.ConditionFalse, since
		return true
	})...)
}

// restoreNode undoes loseNode. c.mu must be held.
func (c *Cluster) restoreNode(i int, now state.Time) []state.Object {
	since := c.nodes[i].NotReadySince
	changed := c.editNode(i, func(n *state.Node) {
		n.Ready, n.NotReadySince = state.True, 0
		n.Conditions = conditions(n.CreatedAt, state.NodeCondition{Type: "Ready", Status: state.True, Reason: "KubeletReady", Since: now})
	})
	return append(changed, c.editPodsOf(c.nodes[i].Name, func(p *state.Pod) bool {
		if p.Status != "Running" || p.NotReadySince != since {
			return false
		}
		p.ReadyCondition, p.NotReadySince = state.ConditionTrue, 0
		return true
	})...)
}

// editPodsOf applies a change to copies of the pods of a node. It returns those for which it returned true. c.mu must
// be held.
func (c *Cluster) editPodsOf(node string, change func(p *state.Pod) bool) []state.Object {
	var changed []state.Object
	for i := range c.pods {
		if c.pods[i].Node != node {
			continue
		}
		if p := *c.pods[i].Pod; change(&p) {
			c.pods[i].Pod = &p
			changed = append(changed, &p)
		}
	}
	return changed
}

// conditions returns the conditions of a healthy node since a time, with one replaced.
func conditions(since state.Time, replacement state.NodeCondition) []state.NodeCondition {
	all := []state.NodeCondition{
		{Type: "DiskPressure", Status: state.False, Reason: "KubeletHasNoDiskPressure", Since: since},
		{Type: "MemoryPressure", Status: state.False, Reason: "KubeletHasSufficientMemory", Since: since},
		{Type: "PIDPressure", Status: state.False, Reason: "KubeletHasSufficientPID", Since: since},
		{Type: "Ready", Status: state.True, Reason: "KubeletReady", Since: since},
	}
	for i := range all {
		if all[i].Type == replacement.Type {
			all[i] = replacement
		}
	}
	return all
}

// minutesBefore returns the time a number of minutes before another.
func minutesBefore(now state.Time, minutes int) state.Time {
	return state.TimeOf(now.Time().Add(-time.Duration(minutes) * time.Minute))
}
