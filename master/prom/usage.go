package prom

import (
	"iter"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

const integral = "the integral of the rate that metrics.k8s.io samples, since the session with the cluster began; it begins anew with each session, as a counter does with each process. Use rate() or increase()."

// usageFamilies are what nodes and containers used. A node is the series with id="/", as
// cAdvisor calls the root of all, and so is not part of what a sum over containers or
// pods adds up; and once more under the names that the kubelet's /metrics/resource has,
// from which metrics.k8s.io is made.
func usageFamilies() []family {
	counter, gauge := model.MetricTypeCounter, model.MetricTypeGauge
	return []family{
		{"container_cpu_usage_seconds_total", "CPU time used: " + integral, counter, Details, cadvisor, usage(history.CPUTotal, 1000, true, true)},
		{"container_memory_working_set_bytes", "Memory in use, as metrics.k8s.io samples it; a node has id=\"/\".", gauge, Details, cadvisor, usage(history.Memory, 1, true, true)},
		{"node_cpu_usage_seconds_total", "CPU time that a node used: " + integral, counter, Details, resources, usage(history.CPUTotal, 1000, true, false)},
		{"node_memory_working_set_bytes", "Memory in use on a node, as metrics.k8s.io samples it.", gauge, Details, resources, usage(history.Memory, 1, true, false)},
		{"rollcall_container_cpu_cores", "CPU that a container uses, as metrics.k8s.io samples it.", gauge, Details, ours, usage(history.CPU, 1000, false, true)},
		{"rollcall_node_cpu_cores", "CPU that a node uses, as metrics.k8s.io samples it.", gauge, Details, ours, usage(history.CPU, 1000, true, false)},
	}
}

// usage makes a series of each node, each container, or both.
func usage(m history.Metric, by float64, nodes, containers bool) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		if c.past == nil {
			return
		}
		if nodes {
			root := ""
			if containers {
				root = "/"
			}
			for s := range c.past.Series(state.KindNode) {
				out.add(samplesOf(s, m, by), "node", s.Node, "id", root)
			}
		}
		if containers {
			for s := range c.past.Series(state.KindContainer) {
				out.add(samplesOf(s, m, by), "namespace", s.Namespace, "pod", s.Pod, "container", s.Container, "node", s.Node, "image", c.image(s.Labels))
			}
		}
	}
}

func samplesOf(s history.Series, m history.Metric, by float64) points {
	return scaled(func(from, to int64) iter.Seq[history.Sample] { return s.Samples(m, from, to) }, by)
}

// image is that of a container, empty where it has gone: dashboards tell containers from
// groups of them by it.
func (c *cluster) image(l history.Labels) string {
	s := c.state()
	if s == nil {
		return ""
	}
	e, ok := s.Get(state.Key{Kind: state.KindContainer, Namespace: l.Namespace, Name: l.Pod, Sub: l.Container})
	if !ok {
		return ""
	}
	return e.Object.(*state.Container).Image
}
