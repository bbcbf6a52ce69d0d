package main

import (
	"fmt"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// updateContainers changes at most n containers of pods with a name prefix.
func (cs *clusterState) updateContainers(prefix string, n int, change func(c *state.Container)) {
	var c state.Changes
	for o := range cs.State.Containers() {
		if len(c.Upserts) < n && strings.HasPrefix(o.Pod, prefix) {
			updated := *o
			change(&updated)
			c.Upserts = append(c.Upserts, &updated)
		}
	}
	cs.Apply(c)
}

// updatePods changes the first container of at most n pods with a name prefix. status is
// the new STATUS of the pods, as kubectl prints it.
func (cs *clusterState) updatePods(prefix string, n int, status string, change func(c *state.Container)) {
	var c state.Changes
	for p := range cs.State.Pods() {
		if n > 0 && strings.HasPrefix(p.Name, prefix) {
			n--
			c.Upserts = append(c.Upserts, cs.updatedPod(p, status, change)...)
		}
	}
	cs.Apply(c)
}

// updatedPod returns copies of a pod and its first container after a change of the container.
func (cs *clusterState) updatedPod(p *state.Pod, status string, change func(c *state.Container)) []state.Object {
	updated := *p
	updated.Status, updated.Ready, updated.Restarts, updated.NotReadySince = status, state.Fraction{}, 0, 0
	updated.ReadyCondition = state.ConditionTrue
	var objects []state.Object
	for c := range cs.State.ContainersOf(p.Namespace, p.Name) {
		if len(objects) == 0 {
			first := *c
			change(&first)
			c, objects = &first, append(objects, &first)
		}
		if c.Kind != state.Init {
			updated.Ready.Total++
			if c.Ready {
				updated.Ready.Of++
			}
		}
		updated.Restarts += c.Restarts
		if c.Last != nil {
			updated.LastRestartAt = max(updated.LastRestartAt, c.Last.FinishedAt)
		}
		if c.NotReadySince != 0 {
			updated.NotReadySince, updated.ReadyCondition = c.NotReadySince, state.ConditionFalse
		}
	}
	return append(objects, &updated)
}

// setCrashLoop returns a change that puts a container in a crash loop since some time ago.
func setCrashLoop(since time.Duration) func(c *state.Container) {
	return func(c *state.Container) {
		c.State, c.Ready, c.Reason, c.Message = state.Waiting, false, "CrashLoopBackOff", "back-off 5m0s restarting failed container"
		c.NotReadySince, c.CrashLoopSince, c.StartedAt, c.Restarts = ago(since), ago(since), 0, c.Restarts+7
		c.Last = &state.LastTermination{Reason: "OOMKilled", ExitCode: 137, FinishedAt: ago(40 * time.Second)}
	}
}

// setWaiting returns a change that makes a container wait since some time ago. It has never started.
func setWaiting(since time.Duration, reason, message string) func(c *state.Container) {
	return func(c *state.Container) {
		c.State, c.Ready, c.Reason, c.Message, c.NotReadySince, c.StartedAt = state.Waiting, false, reason, message, ago(since), 0
	}
}

// crash puts one container of an app in a crash loop.
func (cs *clusterState) crash(app string, since time.Duration) {
	cs.updatePods(app, 1, "CrashLoopBackOff", setCrashLoop(since))
	cs.setTargetReady(app, false)
}

// endCrash undoes crash.
func (cs *clusterState) endCrash(app string) {
	cs.updatePods(app, 1, "Running", func(c *state.Container) {
		c.State, c.Ready, c.Reason, c.Message, c.NotReadySince, c.CrashLoopSince, c.StartedAt = state.Running, true, "", "", 0, 0, ago(0)
	})
	cs.setTargetReady(app, true)
}

// deploy adds an app, with its pods spread over the nodes.
func (cs *clusterState) deploy(a app) {
	c := state.Changes{Upserts: cs.app(a)}
	for _, l := range cs.load {
		load := *l
		c.Upserts = append(c.Upserts, &load)
	}
	cs.Apply(c)
}

// addMissingConfigMap adds a workload with 14 pods, 12 of which lack their ConfigMap.
func (cs *clusterState) addMissingConfigMap() {
	cs.deploy(app{namespace: "batch", name: "importer", replicas: 14, cpu: 50, memory: 64 * mib})
	cs.updatePods("importer-", 12, "CreateContainerConfigError", setWaiting(25*time.Minute, "CreateContainerConfigError", `configmap "importer-settings" not found`))
}

// addMissingImage adds two workloads whose image cannot be pulled.
func (cs *clusterState) addMissingImage() {
	for i, name := range []string{"mailer", "notifier"} {
		cs.deploy(app{namespace: "office", name: name, image: "registry.example/office:9.0.0", replicas: 1, cpu: 50, memory: 64 * mib})
		cs.updatePods(name+"-", 1, "ImagePullBackOff", setWaiting(time.Duration(40-i)*time.Minute, "ImagePullBackOff", `Back-off pulling image "registry.example/office:9.0.0": not found`))
	}
}

// addCrashingInit adds a pod whose init container is in a crash loop.
func (cs *clusterState) addCrashingInit() {
	const pod = "migrator-6d4f9c7b8-q7z2m"
	failing := &state.Container{Namespace: "payments", Pod: pod, Name: "await-database", Kind: state.Init, Node: nodeName(3), Image: "registry.example/await:1.0.2"}
	setCrashLoop(18 * time.Minute)(failing)
	failing.Last.Reason, failing.Last.ExitCode = "Error", 1
	cs.Apply(state.Changes{Upserts: []state.Object{
		&state.Pod{
			Namespace: "payments", Name: pod, Node: failing.Node, Phase: state.PodPending, Status: "Init:CrashLoopBackOff", Ready: state.Fraction{Total: 1}, Restarts: failing.Restarts, LastRestartAt: failing.Last.FinishedAt,
			Reason: "ContainersNotInitialized", Message: "containers with incomplete status: [await-database]", ReadyCondition: state.ConditionFalse, ScheduledCondition: state.ConditionTrue, NotReadySince: failing.NotReadySince,
			Owner: state.Owner{Kind: "Deployment", Name: "migrator"}, Controller: state.Owner{Kind: "ReplicaSet", Name: "migrator-6d4f9c7b8"}, QOSClass: state.BestEffort, RestartPolicy: state.RestartAlways, CreatedAt: failing.NotReadySince, PodIPs: []string{"10.244.3.77"},
		},
		failing,
		&state.Container{Namespace: "payments", Pod: pod, Name: "migrator", Kind: state.Main, Node: failing.Node, Image: "registry.example/migrator:4.1.0", State: state.Waiting, Reason: "PodInitializing"},
	}})
}

// addMuted adds a crashing workload that is muted by an annotation of its pod.
func (cs *clusterState) addMuted() {
	cs.deploy(app{namespace: "sandbox", name: "experiment", replicas: 1, cpu: 50, memory: 64 * mib, mute: "nobody is on call for it"})
	cs.updatePods("experiment-", 1, "CrashLoopBackOff", setCrashLoop(3*time.Hour))
}

// addInfo adds problems of the severity info: a pod with scheduling gates, and a Service
// without pods.
func (cs *clusterState) addInfo() {
	cs.Apply(state.Changes{Upserts: []state.Object{
		&state.Pod{
			Namespace: "batch", Name: "train-nightly-0", Phase: state.PodPending, Status: "SchedulingGated", Ready: state.Fraction{Total: 1}, Reason: "SchedulingGated", Message: "Scheduling is blocked due to non-empty scheduling gates",
			NotReadySince: ago(50 * time.Minute), CreatedAt: ago(50 * time.Minute), Owner: state.Owner{Kind: "Job", Name: "train-nightly"}, Controller: state.Owner{Kind: "Job", Name: "train-nightly"},
			ScheduledCondition: state.ConditionFalse, RestartPolicy: state.RestartNever,
		},
		&state.Container{Namespace: "batch", Pod: "train-nightly-0", Name: "train", Kind: state.Main, Image: "registry.example/train:3", State: state.Waiting, NoStatus: true},
		&state.Service{Namespace: "shop", Name: "debug", Type: state.ServiceNodePort, ClusterIP: "10.96.7.7", NoPodsSince: ago(5 * time.Hour), CreatedAt: ago(5 * time.Hour)},
	}})
}

// addCrashing adds n crashing workloads.
func (cs *clusterState) addCrashing(n int) {
	for i := range n {
		name := fmt.Sprintf("job-%02d", i)
		cs.deploy(app{namespace: "batch", name: name, replicas: 1, cpu: 10, memory: mib})
		cs.updatePods(name+"-", 1, "CrashLoopBackOff", setCrashLoop(time.Duration(i+10)*time.Minute))
	}
}

// setTargetReady sets whether the first target of an app's Service is ready.
func (cs *clusterState) setTargetReady(app string, ready bool) {
	for e := range cs.State.Entries(state.KindTarget) {
		if t := e.Object.(*state.Target); t.Service == app {
			updated := *t
			updated.Ready = ready
			cs.Apply(state.Changes{Upserts: []state.Object{&updated}})
			return
		}
	}
}

// updateNode changes the i-th node.
func (cs *clusterState) updateNode(i int, change func(n *state.Node)) {
	e, _ := cs.State.Get(state.Key{Kind: state.KindNode, Name: nodeName(i)})
	n := *e.Object.(*state.Node)
	change(&n)
	cs.Apply(state.Changes{Upserts: []state.Object{&n}})
}

// loseNode makes the kubelet of a node stop reporting. The control plane marks its pods as not
// ready; their containers keep their last state.
func (cs *clusterState) loseNode(i int) {
	since := ago(6 * time.Minute)
	cs.updateNode(i, func(n *state.Node) {
		n.Ready = state.Unknown
		n.Conditions = conditions(state.NodeCondition{Type: "Ready", Status: state.Unknown, Reason: "NodeStatusUnknown", Message: "Kubelet stopped posting node status.", Since: since})
	})
	var c state.Changes
	for p := range cs.State.Pods() {
		if p.Node == nodeName(i) {
			lost := *p
			lost.ReadyCondition, lost.NotReadySince = state.ConditionFalse, since
			c.Upserts = append(c.Upserts, &lost)
		}
	}
	cs.Apply(c)
}

// setMemoryPressure sets the condition MemoryPressure of a node.
func (cs *clusterState) setMemoryPressure(i int) {
	cs.updateNode(i, func(n *state.Node) {
		n.Conditions = conditions(state.NodeCondition{Type: "MemoryPressure", Status: state.True, Reason: "KubeletHasInsufficientMemory", Message: "kubelet has insufficient memory available", Since: ago(2 * time.Minute)})
	})
}

// conditions returns the conditions of a healthy node, with one replaced.
func conditions(replacement state.NodeCondition) []state.NodeCondition {
	since := ago(90 * 24 * time.Hour)
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

// cordon makes node i unschedulable.
func (cs *clusterState) cordon(i int) {
	cs.updateNode(i, func(n *state.Node) { n.Schedulable = false })
}

// addConflict adds a NodePort and a HostPort that conflict.
func (cs *clusterState) addConflict() {
	cs.Apply(state.Changes{Upserts: []state.Object{
		&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: 31500, Kind: state.NodePort, Namespace: "shop", Service: "debug", ServicePort: &state.ServicePort{Port: 80}},
		&state.Port{Node: nodeName(1), Protocol: state.TCP, Port: 31500, Kind: state.HostPort, Namespace: "media", Pod: "probe-7f", Target: &state.Target{Addresses: []string{"10.244.9.9"}, Namespace: "media", Pod: "probe-7f", ContainerPort: 31500, Node: nodeName(1), Ready: true, Serving: true}},
	}})
}

// addNodePort adds a Service with a node port.
func (cs *clusterState) addNodePort(port uint16) {
	cs.Apply(state.Changes{Upserts: []state.Object{&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: port, Kind: state.NodePort, Namespace: "shop", Service: fmt.Sprintf("web-%d", port), ServicePort: &state.ServicePort{Port: 80}}}})
}

// addFirstPods adds n pods that are first in the order by name.
func (cs *clusterState) addFirstPods(n int) {
	var c state.Changes
	for range n {
		c.Upserts = append(c.Upserts, cs.pod(app{namespace: "shop", name: "aaa", cpu: 10, memory: mib}, nodeName(0))...)
	}
	cs.Apply(c)
}

// addUnschedulable adds a pod that has been unschedulable since some time ago.
func (cs *clusterState) addUnschedulable(since time.Duration) {
	const message = "0/9 nodes are available: 9 Insufficient nvidia.com/gpu."
	cs.Apply(state.Changes{Upserts: []state.Object{
		&state.Pod{
			Namespace: "media", Name: "upscaler-5c9f7d-x2x8q", Phase: state.PodPending, Reason: "Unschedulable", Message: message, Status: "Pending", Ready: state.Fraction{Total: 1}, ScheduledCondition: state.ConditionFalse,
			NotReadySince: ago(since), UnschedulableSince: ago(since), CreatedAt: ago(since), Owner: state.Owner{Kind: "Deployment", Name: "upscaler"}, RestartPolicy: state.RestartAlways,
		},
		&state.Container{Namespace: "media", Pod: "upscaler-5c9f7d-x2x8q", Name: "upscaler", Kind: state.Main, Image: "registry.example/upscaler:2", State: state.Waiting, NoStatus: true},
	}})
}

// hostile has texts that run, or look like other text, unless the page shows them as plain text.
var hostile = []string{
	`<script>window.pwned=1</script>`, `<img src=x onerror="window.pwned=2">`, `"><svg/onload=window.pwned=3>`, `javascript:window.pwned=4`,
	`{{constructor.constructor('window.pwned=5')()}}`, "${window.pwned=6}", "\u202etxt.exe\u202c", "a\u0000b\u001b[31mred", "line\nbreak\ttab", `'; DROP TABLE nodes; --`,
}

// addHostile adds objects with hostile texts, and with the longest names that Kubernetes accepts.
func (cs *clusterState) addHostile() {
	long := strings.Repeat("a23456789.", 25) + "xyz" // 253
	label := strings.Repeat("b", 63)
	c := state.Changes{Upserts: []state.Object{
		&state.Node{Name: long, Ready: state.False, Conditions: []state.NodeCondition{{Type: hostile[0], Status: state.True, Message: hostile[1], Since: ago(time.Hour)}}, Roles: []string{hostile[2]}, Zone: hostile[6]},
		&state.NodeLoad{Node: long},
		&state.Pod{Namespace: label, Name: long, Node: long, Phase: state.PodRunning, Status: hostile[1], Ready: state.Fraction{Total: int32(len(hostile))}, NotReadySince: ago(time.Hour), Reason: hostile[1], Message: hostile[0], Owner: state.Owner{Kind: hostile[4], Name: long}},
		&state.Port{Node: long, Address: hostile[1], Protocol: state.TCP, Port: 31666, Kind: state.HostPort, Namespace: label, Pod: long, Target: &state.Target{Namespace: label, Pod: long, ContainerPort: 1, Node: long, Container: hostile[0]}},
	}}
	for i, text := range hostile {
		c.Upserts = append(c.Upserts, &state.Container{
			Namespace: label, Pod: long, Name: fmt.Sprintf("c%d-%s", i, strings.Repeat("c", 60)), Kind: state.Main, Node: long, Image: text, State: state.Waiting, Reason: text, Message: text + " and " + hostile[(i+1)%len(hostile)],
			NotReadySince: ago(time.Hour), Last: &state.LastTermination{Reason: text, ExitCode: 1},
		})
	}
	cs.Apply(c)
}

// changeToHostile gives containers hostile texts, so that the timeline shows them.
func (cs *clusterState) changeToHostile() {
	cs.updateContainers("cart", 3, func(c *state.Container) {
		c.State, c.Ready, c.Reason, c.Message, c.NotReadySince = state.Waiting, false, hostile[0], hostile[1], ago(0)
	})
	cs.updateContainers("search", 1, func(c *state.Container) { c.Image = hostile[6] })
}
