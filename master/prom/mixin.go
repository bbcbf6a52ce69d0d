package prom

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

// mixinFamilies are what the recording rules of kubernetes-mixin give and its dashboards
// read, as far as it is made of series that there are.
func mixinFamilies() []family {
	gauge := model.MetricTypeGauge
	all := []family{
		{
			"namespace_workload_pod:kube_pod_owner:relabel", "Who made a pod, under the name that the dashboards of kubernetes-mixin read.",
			gauge, Details, kubeState, objects(state.KindPod, podWorkload),
		},
		{
			"node_namespace_pod:kube_pod_info:", "The node of a pod, as kubernetes-mixin records it.",
			gauge, Details, nil, objects(state.KindPod, podOnNode),
		},
		{
			"node_namespace_pod_container:container_memory_working_set_bytes", "Memory in use in containers, as kubernetes-mixin records it.",
			gauge, Details, cadvisor, usage(history.Memory, 1, []usageOf{imageUsage}),
		},
		{
			"node_namespace_pod_container:container_cpu_usage_seconds_total:sum_irate", "CPU that a container uses, as kubernetes-mixin records it: what metrics.k8s.io samples.",
			gauge, Details, nil, usage(history.CPU, 1000, []usageOf{coresUsage(samplesOf)}),
		},
		{
			"node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m", "CPU that a container used over the last five minutes, as kubernetes-mixin records it.",
			gauge, Details, nil, usage(history.CPUTotal, 1000, []usageOf{coresUsage(rateOf)}),
		},
	}
	for _, resource := range []string{"cpu", "memory"} {
		for _, of := range []string{"requests", "limits"} {
			all = append(all,
				family{
					"cluster:namespace:pod_" + resource + ":active:kube_pod_container_resource_" + of, "The " + of + " of " + resource + " of containers of unfinished pods, as kubernetes-mixin records it.",
					gauge, Details, kubeState, activeAmounts(resource, of),
				},
				family{
					"namespace_" + resource + ":kube_pod_container_resource_" + of + ":sum", "The " + of + " of " + resource + " of a namespace's unfinished pods, as kubernetes-mixin records it.",
					gauge, Details, nil, namespaceAmounts(resource, of),
				})
		}
	}
	return all
}

// workloads are the kinds of owners as kubernetes-mixin writes them.
var workloads = map[string]string{
	"Deployment": "deployment", "DaemonSet": "daemonset", "StatefulSet": "statefulset", "Job": "job", "ReplicaSet": "replicaset", "Pod": "barepod", "Node": "staticpod",
}

func podWorkload(p *state.Pod, add adder) {
	kind, ok := workloads[p.Owner.Kind]
	if !ok {
		kind = p.Owner.Kind
	}
	add(1, "namespace", p.Namespace, "pod", p.Name, "workload", p.Owner.Name, "workload_type", kind)
}

func podOnNode(p *state.Pod, add adder) {
	if p.Node != "" {
		add(1, "namespace", p.Namespace, "pod", p.Name, "node", p.Node)
	}
}

// imageUsage is containerUsage of containers that are there.
func imageUsage(c *cluster, out *sink, m history.Metric, by float64) {
	eachContainerUsage(c, func(s history.Series, image, name string) {
		if image != "" {
			out.add(samplesOf(s, m, by), "namespace", s.Namespace, "pod", s.Pod, "container", s.Container, "node", s.Node, "image", image, "name", name)
		}
	})
}

func coresUsage(of func(s history.Series, m history.Metric, by float64) points) usageOf {
	return func(c *cluster, out *sink, m history.Metric, by float64) {
		for s := range c.past.Series(state.KindContainer) {
			out.add(of(s, m, by), "namespace", s.Namespace, "pod", s.Pod, "container", s.Container, "node", s.Node)
		}
	}
}

// rateOf are the rates of a counter over the five minutes before each of its samples.
func rateOf(s history.Series, m history.Metric, by float64) points {
	const over = int64(5 * time.Minute / time.Millisecond)
	return func(from, to int64, yield func(point) bool) {
		var window []history.Sample
		for sample := range s.Samples(m, from-over, to) {
			if sample.Stale {
				window = window[:0]
				if sample.Time >= from && !yield(point{sample.Time, stale}) {
					return
				}
				continue
			}
			window = append(slices.DeleteFunc(window, func(old history.Sample) bool { return old.Time <= sample.Time-over }), sample)
			if first := window[0]; sample.Time >= from && sample.Time > first.Time {
				seconds := float64(sample.Time-first.Time) / 1000
				if !yield(point{sample.Time, float64(sample.Value-first.Value) / by / seconds}) {
					return
				}
			}
		}
	}
}

// activeContainers calls f with each main container of a pod that has not finished.
func activeContainers(s *state.State, f func(e state.Entry, k *state.Container, uid string)) {
	pods := podsOf{state: s}
	for e := range s.Entries(state.KindContainer) {
		k := e.Object.(*state.Container)
		if k.Kind != state.Main {
			continue
		}
		if p := pods.of(k); p != nil && (p.Phase == state.PodPending || p.Phase == state.PodRunning) {
			f(e, k, pods.uid)
		}
	}
}

func activeAmounts(resource, of string) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		s := c.state()
		if s == nil {
			return
		}
		activeContainers(s, func(e state.Entry, k *state.Container, uid string) {
			holds := c.asItIs(e).holds
			amounts, zeros := amountsOfSpec(k, of)
			kubeAmounts(func(value float64, pairs ...string) {
				if valueOf("resource", pairs) == resource {
					out.add(holds(value), append([]string{"namespace", k.Namespace, "pod", k.Pod, "uid", uid, "container", k.Name, "node", k.Node}, pairs...)...)
				}
			}, amounts, zeros)
		})
	}
}

func namespaceAmounts(resource, of string) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		s := c.state()
		if s == nil {
			return
		}
		sums := map[string]float64{}
		activeContainers(s, func(_ state.Entry, k *state.Container, _ string) {
			amounts, zeros := amountsOfSpec(k, of)
			kubeAmounts(func(value float64, pairs ...string) {
				if valueOf("resource", pairs) == resource {
					sums[k.Namespace] += value
				}
			}, amounts, zeros)
		})
		for namespace, sum := range sums {
			out.add(c.atReport().holds(sum), "namespace", namespace)
		}
	}
}

// amountsOfSpec returns the requests or limits that a container's spec has.
func amountsOfSpec(k *state.Container, of string) (*state.Resources, state.Zeros) {
	requests, limits := &k.Requests, &k.Limits
	if k.Spec != nil {
		requests, limits = &k.Spec.Requests, &k.Spec.Limits
	}
	if of == "limits" {
		return limits, k.LimitZeros
	}
	return requests, k.RequestZeros
}
