package samples

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

// mixinFamilies returns the results of the recording rules of kubernetes-mixin that its dashboards
// use, as far as they can be derived from series that exist.
func mixinFamilies() []Family {
	gauge := model.MetricTypeGauge
	all := []Family{
		{
			"namespace_workload_pod:kube_pod_owner:relabel", "The workload that owns a pod, as kubernetes-mixin records it.",
			gauge, Details, kubeStateLabels, objectSeries(state.KindPod, podWorkload),
		},
		{
			"node_namespace_pod:kube_pod_info:", "The node of a pod, as kubernetes-mixin records it.",
			gauge, Details, nil, objectSeries(state.KindPod, podOnNode),
		},
		{
			"node_namespace_pod_container:container_memory_working_set_bytes", "Working set memory of containers, as kubernetes-mixin records it.",
			gauge, Details, cadvisorLabels, usage(history.Memory, 1, []usageFunc{imageUsage}),
		},
		{
			"node_namespace_pod_container:container_cpu_usage_seconds_total:sum_irate", "CPU usage of a container, as kubernetes-mixin records it. The value is that of metrics.k8s.io.",
			gauge, Details, nil, usage(history.CPU, 1000, []usageFunc{coresUsage(samplesOf)}),
		},
		{
			"node_namespace_pod_container:container_cpu_usage_seconds_total:sum_rate5m", "Average CPU usage of a container over five minutes, as kubernetes-mixin records it.",
			gauge, Details, nil, usage(history.CPUTotal, 1000, []usageFunc{coresUsage(rateSamples)}),
		},
	}
	for _, resource := range []string{"cpu", "memory"} {
		for _, of := range []string{"requests", "limits"} {
			all = append(all,
				Family{
					"cluster:namespace:pod_" + resource + ":active:kube_pod_container_resource_" + of, "The " + resource + " " + of + " of containers of unfinished pods, as kubernetes-mixin records it.",
					gauge, Details, kubeStateLabels, activeAmounts(resource, of),
				},
				Family{
					"namespace_" + resource + ":kube_pod_container_resource_" + of + ":sum", "The " + resource + " " + of + " of a namespace's unfinished pods, as kubernetes-mixin records it.",
					gauge, Details, nil, namespaceAmounts(resource, of),
				})
		}
	}
	return all
}

// workloadTypes maps kinds of owners to the workload_type of kubernetes-mixin.
var workloadTypes = map[string]string{
	"Deployment": "deployment", "DaemonSet": "daemonset", "StatefulSet": "statefulset", "Job": "job", "ReplicaSet": "replicaset", "Pod": "barepod", "Node": "staticpod",
}

func podWorkload(p *state.Pod, add addFunc) {
	kind, ok := workloadTypes[p.Owner.Kind]
	if !ok {
		kind = p.Owner.Kind
	}
	add(1, "namespace", p.Namespace, "pod", p.Name, "workload", p.Owner.Name, "workload_type", kind)
}

func podOnNode(p *state.Pod, add addFunc) {
	if p.Node != "" {
		add(1, "namespace", p.Namespace, "pod", p.Name, "node", p.Node)
	}
}

// imageUsage adds the series of containerUsage, except those of containers that no longer exist.
func imageUsage(c *Cluster, out *Collector, m history.Metric, divisor float64) {
	eachContainerUsage(c, func(s history.Series, image, name string) {
		if image != "" {
			out.Add(samplesOf(s, m, divisor), "namespace", s.Namespace, "pod", s.Pod, "container", s.Container, "node", s.Node, "image", image, "name", name)
		}
	})
}

func coresUsage(of func(s history.Series, m history.Metric, divisor float64) Func) usageFunc {
	return func(c *Cluster, out *Collector, m history.Metric, divisor float64) {
		for s := range c.History.Series(state.KindContainer) {
			out.Add(of(s, m, divisor), "namespace", s.Namespace, "pod", s.Pod, "container", s.Container, "node", s.Node)
		}
	}
}

// rateSamples returns the rates of a counter over the five minutes before each of its samples.
func rateSamples(s history.Series, m history.Metric, divisor float64) Func {
	const over = int64(5 * time.Minute / time.Millisecond)
	return func(from, to int64, yield func(Sample) bool) {
		var window []history.Sample
		for sample := range s.Samples(m, from-over, to) {
			if sample.Stale {
				window = window[:0]
				if sample.Time >= from && !yield(Sample{sample.Time, StaleNaN}) {
					return
				}
				continue
			}
			window = append(slices.DeleteFunc(window, func(old history.Sample) bool { return old.Time <= sample.Time-over }), sample)
			if first := window[0]; sample.Time >= from && sample.Time > first.Time {
				seconds := float64(sample.Time-first.Time) / 1000
				if !yield(Sample{sample.Time, float64(sample.Value-first.Value) / divisor / seconds}) {
					return
				}
			}
		}
	}
}

// activeContainers calls f with each main container of pending and running pods.
func activeContainers(s *state.State, f func(e state.Entry, k *state.Container, uid string)) {
	pods := podLookup{state: s}
	for e := range s.Entries(state.KindContainer) {
		k := e.Object.(*state.Container)
		if k.Kind != state.Main {
			continue
		}
		if p := pods.find(k); p != nil && (p.Phase == state.PodPending || p.Phase == state.PodRunning) {
			f(e, k, pods.uid)
		}
	}
}

func activeAmounts(resource, of string) func(*Cluster, *Collector) {
	return func(c *Cluster, out *Collector) {
		s := c.state()
		if s == nil {
			return
		}
		activeContainers(s, func(e state.Entry, k *state.Container, uid string) {
			constant := c.entryInterval(e).constant
			amounts, zeros := specResources(k, of)
			addKubeResources(func(value float64, pairs ...string) {
				if valueOf("resource", pairs) == resource {
					out.Add(constant(value), append([]string{"namespace", k.Namespace, "pod", k.Pod, "uid", uid, "container", k.Name, "node", k.Node}, pairs...)...)
				}
			}, amounts, zeros)
		})
	}
}

func namespaceAmounts(resource, of string) func(*Cluster, *Collector) {
	return func(c *Cluster, out *Collector) {
		s := c.state()
		if s == nil {
			return
		}
		sums := map[string]float64{}
		activeContainers(s, func(_ state.Entry, k *state.Container, _ string) {
			amounts, zeros := specResources(k, of)
			addKubeResources(func(value float64, pairs ...string) {
				if valueOf("resource", pairs) == resource {
					sums[k.Namespace] += value
				}
			}, amounts, zeros)
		})
		for namespace, sum := range sums {
			out.Add(c.reportInterval().constant(sum), "namespace", namespace)
		}
	}
}

// specResources returns the requests or limits of a container's spec. It also returns which of
// them are set to zero.
func specResources(k *state.Container, of string) (*state.Resources, state.Zeros) {
	requests, limits := &k.Requests, &k.Limits
	if k.Spec != nil {
		requests, limits = &k.Spec.Requests, &k.Spec.Limits
	}
	if of == "limits" {
		return limits, k.LimitZeros
	}
	return requests, k.RequestZeros
}
