package samples

import (
	"cmp"
	"iter"
	"strconv"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

const (
	integral = "the integral of the usage that metrics.k8s.io samples. It is a counter that resets when a session with the cluster starts; use rate() or increase()."
	podSum   = "The value of a pod is the sum of its main containers and sidecars."
)

// usageFamilies returns the usage of nodes, pods and containers. As in cAdvisor, the series of a
// node has id="/" and that of a pod no container, so that a sum over container!="" does not
// count them. Nodes and pods also have the series of the kubelet's /metrics/resource, which
// metrics.k8s.io is based on.
func usageFamilies() []Family {
	counter, gauge := model.MetricTypeCounter, model.MetricTypeGauge
	cpu := func(of ...usageFunc) func(*Cluster, *Collector) { return usage(history.CPUTotal, 1000, of) }
	memory := func(of ...usageFunc) func(*Cluster, *Collector) { return usage(history.Memory, 1, of) }
	rate := func(of ...usageFunc) func(*Cluster, *Collector) { return usage(history.CPU, 1000, of) }
	return []Family{
		{"container_cpu_usage_seconds_total", "CPU time used, in seconds: " + integral + " " + podSum, counter, Details, cadvisorLabels, cpu(rootUsage, podUsage, containerUsage)},
		{"container_memory_working_set_bytes", "Working set memory, as metrics.k8s.io samples it. The series of a node has id=\"/\". " + podSum, gauge, Details, cadvisorLabels, memory(rootUsage, podUsage, containerUsage)},
		{"container_start_time_seconds", "The start time of a running container, in Unix seconds.", gauge, Details, cadvisorLabels, objectSeriesIn(state.KindContainer, startTime)},
		{"pod_cpu_usage_seconds_total", "CPU time used by a pod, in seconds: " + integral + " " + podSum, counter, Details, resourceLabels, cpu(podUsage)},
		{"pod_memory_working_set_bytes", "Working set memory of a pod, as metrics.k8s.io samples it. " + podSum, gauge, Details, resourceLabels, memory(podUsage)},
		{"node_cpu_usage_seconds_total", "CPU time used by a node, in seconds: " + integral, counter, Details, resourceLabels, cpu(nodeUsage)},
		{"node_memory_working_set_bytes", "Working set memory of a node, as metrics.k8s.io samples it.", gauge, Details, resourceLabels, memory(nodeUsage)},
		{"rollcall_container_cpu_cores", "CPU usage of a container in cores, as metrics.k8s.io samples it.", gauge, Details, rollcallLabels, rate(containerUsage)},
		{"rollcall_node_cpu_cores", "CPU usage of a node in cores, as metrics.k8s.io samples it.", gauge, Details, rollcallLabels, rate(nodeUsage)},
	}
}

// usageFunc adds series with the samples of a metric, divided by divisor.
type usageFunc func(c *Cluster, out *Collector, m history.Metric, divisor float64)

func usage(m history.Metric, divisor float64, of []usageFunc) func(*Cluster, *Collector) {
	return func(c *Cluster, out *Collector) {
		if c.History == nil {
			return
		}
		for _, f := range of {
			f(c, out, m, divisor)
		}
	}
}

func nodeUsage(c *Cluster, out *Collector, m history.Metric, divisor float64) {
	for s := range c.History.Series(state.KindNode) {
		out.Add(samplesOf(s, m, divisor), "node", s.Node)
	}
}

func rootUsage(c *Cluster, out *Collector, m history.Metric, divisor float64) {
	for s := range c.History.Series(state.KindNode) {
		out.Add(samplesOf(s, m, divisor), "node", s.Node, "id", "/")
	}
}

func containerUsage(c *Cluster, out *Collector, m history.Metric, divisor float64) {
	eachContainerUsage(c, func(s history.Series, image, name string) {
		out.Add(samplesOf(s, m, divisor), "namespace", s.Namespace, "pod", s.Pod, "container", s.Container, "node", s.Node, "image", image, "name", name)
	})
}

// eachContainerUsage calls f with the history of each container. image and name are empty if the
// container no longer exists.
func eachContainerUsage(c *Cluster, f func(s history.Series, image, name string)) {
	pods := podLookup{state: c.state()}
	for s := range c.History.Series(state.KindContainer) {
		image, name := "", ""
		if k := c.container(s); k != nil {
			pods.find(k)
			image, name = cmp.Or(k.StatusImage, k.Image), runtimeName(k, pods.uid)
		}
		f(s, image, name)
	}
}

// podUsage adds series of existing pods. A pod has no CPU time once one of its main containers or
// sidecars has terminated: the usage of that container leaves the history while the pod remains,
// and a counter must not fall.
func podUsage(c *Cluster, out *Collector, m history.Metric, divisor float64) {
	s := c.state()
	if s == nil {
		return
	}
	type podOn struct{ namespace, pod, node string }
	parts, ended := map[podOn][]history.Series{}, map[podOn]bool{}
	var order []podOn
	for series := range c.History.Series(state.KindContainer) {
		k := c.container(series)
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
		out.Add(summed(parts[of], m, divisor), "namespace", of.namespace, "pod", of.pod, "node", of.node)
	}
}

func samplesOf(s history.Series, m history.Metric, divisor float64) Func {
	return scaled(func(from, to int64) iter.Seq[history.Sample] { return s.Samples(m, from, to) }, divisor)
}

// container returns the container that a history series belongs to, nil if it no longer exists.
func (c *Cluster) container(l history.Series) *state.Container {
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

// runtimeName returns the name that Docker gives a container. Recording rules distinguish
// containers from cgroups by whether they have a name. The name that containerd gives, the ID
// of the container, is not known.
func runtimeName(k *state.Container, podUID string) string {
	return "k8s_" + k.Name + "_" + k.Pod + "_" + k.Namespace + "_" + podUID + "_" + strconv.Itoa(int(k.Restarts))
}

func startTime(_ *state.State, k *state.Container, add addFunc) {
	if k.State == state.Running {
		addTime(add, k.StartedAt, "namespace", k.Namespace, "pod", k.Pod, "container", k.Name, "node", k.Node, "image", cmp.Or(k.StatusImage, k.Image))
	}
}
