package main

import (
	"fmt"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// alter puts altered copies of some containers in their place: those whose pod begins
// with a prefix, at most n.
func (w *world) alter(prefix string, n int, change func(c *state.Container)) {
	var c state.Changes
	for o := range w.State.Containers() {
		if len(c.Upserts) < n && strings.HasPrefix(o.Pod, prefix) {
			altered := *o
			change(&altered)
			c.Upserts = append(c.Upserts, &altered)
		}
	}
	w.Apply(c)
}

// crash has one container of an app crash again and again.
func (w *world) crash(app string, since time.Duration) {
	w.alter(app, 1, func(c *state.Container) {
		c.State, c.Ready, c.Reason, c.Message = state.Waiting, false, "CrashLoopBackOff", "back-off 5m0s restarting failed container"
		c.NotReadySince, c.CrashLoopSince, c.StartedAt, c.Restarts = ago(since), ago(since), 0, c.Restarts+7
		c.Last = &state.LastTermination{Reason: "OOMKilled", ExitCode: 137, FinishedAt: ago(40 * time.Second)}
	})
	w.lead(app, false)
}

func (w *world) heal(app string) {
	w.alter(app, 1, func(c *state.Container) {
		c.State, c.Ready, c.Reason, c.Message, c.NotReadySince, c.CrashLoopSince, c.StartedAt = state.Running, true, "", "", 0, 0, ago(0)
	})
	w.lead(app, true)
}

// lead has the first target of an app's Service ready or not.
func (w *world) lead(app string, ready bool) {
	for e := range w.State.Entries(state.KindTarget) {
		if t := e.Object.(*state.Target); t.Service == app {
			altered := *t
			altered.Ready = ready
			w.Apply(state.Changes{Upserts: []state.Object{&altered}})
			return
		}
	}
}

func (w *world) setNode(i int, change func(n *state.Node)) {
	e, _ := w.State.Get(state.Key{Kind: state.KindNode, Name: nodeName(i)})
	n := *e.Object.(*state.Node)
	change(&n)
	w.Apply(state.Changes{Upserts: []state.Object{&n}})
}

func (w *world) loseNode(i int) {
	w.setNode(i, func(n *state.Node) {
		n.Ready = state.Unknown
		n.Conditions = []state.NodeCondition{{Type: "Ready", Status: state.Unknown, Reason: "NodeStatusUnknown", Message: "Kubelet stopped posting node status.", Since: ago(6 * time.Minute)}}
	})
}

func (w *world) press(i int) {
	w.setNode(i, func(n *state.Node) {
		n.Conditions = []state.NodeCondition{{Type: "MemoryPressure", Status: state.True, Reason: "KubeletHasInsufficientMemory", Message: "kubelet has insufficient memory available", Since: ago(2 * time.Minute)}}
	})
}

func (w *world) cordon(i int) { w.setNode(i, func(n *state.Node) { n.Schedulable = false }) }

// conflict has a NodePort and a HostPort meet.
func (w *world) conflict() {
	w.Apply(state.Changes{Upserts: []state.Object{
		&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: 31500, Kind: state.NodePort, Namespace: "shop", Service: "debug", ServicePort: &state.ServicePort{Port: 80}},
		&state.Port{Node: nodeName(1), Protocol: state.TCP, Port: 31500, Kind: state.HostPort, Namespace: "media", Pod: "probe-7f", Target: &state.Target{Addresses: []string{"10.244.9.9"}, Namespace: "media", Pod: "probe-7f", ContainerPort: 31500, Node: nodeName(1), Ready: true, Serving: true}},
	}})
}

// take takes a node port for a Service.
func (w *world) take(port uint16) {
	w.Apply(state.Changes{Upserts: []state.Object{&state.Port{Node: state.AllNodes, Protocol: state.TCP, Port: port, Kind: state.NodePort, Namespace: "shop", Service: fmt.Sprintf("web-%d", port), ServicePort: &state.ServicePort{Port: 80}}}})
}

// arrive adds pods whose names come before all others.
func (w *world) arrive(n int) {
	var c state.Changes
	for range n {
		c.Upserts = append(c.Upserts, w.pod(app{namespace: "shop", name: "aaa", cpu: 10, memory: mib}, nodeName(0))...)
	}
	w.Apply(c)
}

// strand adds a pod that no node has room for.
func (w *world) strand(since time.Duration) {
	const message = "0/9 nodes are available: 9 Insufficient nvidia.com/gpu."
	w.Apply(state.Changes{Upserts: []state.Object{
		&state.Pod{Namespace: "media", Name: "upscaler-5c9f7d-x2x8q", Phase: state.PodPending, Reason: "Unschedulable", Message: message, Status: "Pending", NotReadySince: ago(since), UnschedulableSince: ago(since), CreatedAt: ago(since), Owner: state.Owner{Kind: "Deployment", Name: "upscaler"}},
		&state.Container{Namespace: "media", Pod: "upscaler-5c9f7d-x2x8q", Name: "upscaler", Kind: state.Main, Image: "registry.example/upscaler:2", State: state.Waiting},
	}})
}

// hostile are texts that would do harm, or deceive, where they are taken for more than
// text. Names are as long as Kubernetes lets them be.
var hostile = []string{
	`<script>window.pwned=1</script>`, `<img src=x onerror="window.pwned=2">`, `"><svg/onload=window.pwned=3>`, `javascript:window.pwned=4`,
	`{{constructor.constructor('window.pwned=5')()}}`, "${window.pwned=6}", "\u202etxt.exe\u202c", "a\u0000b\u001b[31mred", "line\nbreak\ttab", `'; DROP TABLE nodes; --`,
}

func (w *world) harass() {
	long := strings.Repeat("a23456789.", 25) + "xyz" // 253
	label := strings.Repeat("b", 63)
	c := state.Changes{Upserts: []state.Object{
		&state.Node{Name: long, Ready: state.False, Conditions: []state.NodeCondition{{Type: hostile[0], Status: state.True, Message: hostile[1], Since: ago(time.Hour)}}, Roles: []string{hostile[2]}, Zone: hostile[6]},
		&state.NodeLoad{Node: long},
		&state.Pod{Namespace: label, Name: long, Node: long, Phase: state.PodRunning, Reason: hostile[1], Message: hostile[0], Owner: state.Owner{Kind: hostile[4], Name: long}},
		&state.Port{Node: long, Address: hostile[1], Protocol: state.TCP, Port: 31666, Kind: state.HostPort, Namespace: label, Pod: long, Target: &state.Target{Namespace: label, Pod: long, ContainerPort: 1, Node: long, Container: hostile[0]}},
	}}
	for i, text := range hostile {
		c.Upserts = append(c.Upserts, &state.Container{
			Namespace: label, Pod: long, Name: fmt.Sprintf("c%d-%s", i, strings.Repeat("c", 60)), Kind: state.Main, Node: long, Image: text, State: state.Waiting, Reason: text, Message: text + " and " + hostile[(i+1)%len(hostile)],
			NotReadySince: ago(time.Hour), Last: &state.LastTermination{Reason: text, ExitCode: 1},
		})
	}
	w.Apply(c)
}

// provoke has what changes bear hostile texts.
func (w *world) provoke() {
	w.alter("cart", 3, func(c *state.Container) {
		c.State, c.Ready, c.Reason, c.Message = state.Waiting, false, hostile[0], hostile[1]
	})
	w.alter("search", 1, func(c *state.Container) { c.Image = hostile[6] })
}
