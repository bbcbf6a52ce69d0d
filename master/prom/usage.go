package prom

import (
	"cmp"
	"iter"
	"strconv"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

const (
	integral = "the integral of the rate that metrics.k8s.io samples, since the session with the cluster began; it begins anew with each session, as a counter does with each process. Use rate() or increase()."
	podSum   = "A pod is the sum of its main containers and sidecars."
)

// usageFamilies are what nodes, pods and containers used. A node is the series with
// id="/", as cAdvisor calls the root of all, and a pod the one without a container: so
// neither is part of what a sum over container!="" adds up. Nodes and pods are there once
// more under the names that the kubelet's /metrics/resource has, from which
// metrics.k8s.io is made.
func usageFamilies() []family {
	counter, gauge := model.MetricTypeCounter, model.MetricTypeGauge
	cpu := func(of ...usageOf) func(*cluster, *sink) { return usage(history.CPUTotal, 1000, of) }
	memory := func(of ...usageOf) func(*cluster, *sink) { return usage(history.Memory, 1, of) }
	rate := func(of ...usageOf) func(*cluster, *sink) { return usage(history.CPU, 1000, of) }
	return []family{
		{"container_cpu_usage_seconds_total", "CPU time used: " + integral + " " + podSum, counter, Details, cadvisor, cpu(rootUsage, podUsage, containerUsage)},
		{"container_memory_working_set_bytes", "Memory in use, as metrics.k8s.io samples it; a node has id=\"/\". " + podSum, gauge, Details, cadvisor, memory(rootUsage, podUsage, containerUsage)},
		{"container_start_time_seconds", "When a container was started that runs, in Unix seconds.", gauge, Details, cadvisor, objectsIn(state.KindContainer, startTime)},
		{"pod_cpu_usage_seconds_total", "CPU time that a pod used: " + integral + " " + podSum, counter, Details, resources, cpu(podUsage)},
		{"pod_memory_working_set_bytes", "Memory in use in a pod, as metrics.k8s.io samples it. " + podSum, gauge, Details, resources, memory(podUsage)},
		{"node_cpu_usage_seconds_total", "CPU time that a node used: " + integral, counter, Details, resources, cpu(nodeUsage)},
		{"node_memory_working_set_bytes", "Memory in use on a node, as metrics.k8s.io samples it.", gauge, Details, resources, memory(nodeUsage)},
		{"rollcall_container_cpu_cores", "CPU that a container uses, as metrics.k8s.io samples it.", gauge, Details, ours, rate(containerUsage)},
		{"rollcall_node_cpu_cores", "CPU that a node uses, as metrics.k8s.io samples it.", gauge, Details, ours, rate(nodeUsage)},
	}
}

// usageOf makes series of a metric's samples, each divided.
type usageOf func(c *cluster, out *sink, m history.Metric, by float64)

func usage(m history.Metric, by float64, of []usageOf) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		if c.past == nil {
			return
		}
		for _, f := range of {
			f(c, out, m, by)
		}
	}
}

func nodeUsage(c *cluster, out *sink, m history.Metric, by float64) {
	for s := range c.past.Series(state.KindNode) {
		out.add(samplesOf(s, m, by), "node", s.Node)
	}
}

func rootUsage(c *cluster, out *sink, m history.Metric, by float64) {
	for s := range c.past.Series(state.KindNode) {
		out.add(samplesOf(s, m, by), "node", s.Node, "id", "/")
	}
}

func containerUsage(c *cluster, out *sink, m history.Metric, by float64) {
	eachContainerUsage(c, func(s history.Series, image, name string) {
		out.add(samplesOf(s, m, by), "namespace", s.Namespace, "pod", s.Pod, "container", s.Container, "node", s.Node, "image", image, "name", name)
	})
}

// eachContainerUsage calls f with each container's series; image and name are empty where
// the container has gone.
func eachContainerUsage(c *cluster, f func(s history.Series, image, name string)) {
	pods := podsOf{state: c.state()}
	for s := range c.past.Series(state.KindContainer) {
		image, name := "", ""
		if k := c.container(s.Labels); k != nil {
			pods.of(k)
			image, name = cmp.Or(k.StatusImage, k.Image), runtimeName(k, pods.uid)
		}
		f(s, image, name)
	}
}

// podUsage is of pods that are there. One that has a main container or sidecar that ended
// has no CPU time: what that used goes from the history while the pod stays, and a counter
// must not fall.
func podUsage(c *cluster, out *sink, m history.Metric, by float64) {
	s := c.state()
	if s == nil {
		return
	}
	type podOn struct{ namespace, pod, node string }
	parts, ended := map[podOn][]history.Series{}, map[podOn]bool{}
	var order []podOn
	for series := range c.past.Series(state.KindContainer) {
		k := c.container(series.Labels)
		if k == nil || k.Kind != state.Main && k.Kind != state.Sidecar {
			continue
		}
		of := podOn{series.Namespace, series.Pod, series.Node}
		if parts[of] == nil {
			order = append(order, of)
		}
		parts[of] = append(parts[of], series)
		ended[of] = ended[of] || k.State == state.Terminated
	}
	for _, of := range order {
		if m == history.CPUTotal && ended[of] {
			continue
		}
		out.add(summed(parts[of], m, by), "namespace", of.namespace, "pod", of.pod, "node", of.node)
	}
}

func samplesOf(s history.Series, m history.Metric, by float64) points {
	return scaled(func(from, to int64) iter.Seq[history.Sample] { return s.Samples(m, from, to) }, by)
}

// container returns the container that a series is of, nil where it has gone.
func (c *cluster) container(l history.Labels) *state.Container {
	s := c.state()
	if s == nil {
		return nil
	}
	e, ok := s.Get(state.Key{Kind: state.KindContainer, Namespace: l.Namespace, Name: l.Pod, Sub: l.Container})
	if !ok || e.Object.(*state.Container).Node != l.Node {
		return nil
	}
	return e.Object.(*state.Container)
}

// runtimeName returns a container's name as Docker has it. Rules tell containers from
// groups of them by whether they have a name; containerd's, which is the container's id,
// is not known.
func runtimeName(k *state.Container, podUID string) string {
	return "k8s_" + k.Name + "_" + k.Pod + "_" + k.Namespace + "_" + podUID + "_" + strconv.Itoa(int(k.Restarts))
}

func startTime(_ *state.State, k *state.Container, add adder) {
	if k.State == state.Running {
		created(add, k.StartedAt, "namespace", k.Namespace, "pod", k.Pod, "container", k.Name, "node", k.Node, "image", cmp.Or(k.StatusImage, k.Image))
	}
}
