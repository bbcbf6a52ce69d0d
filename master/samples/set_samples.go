package samples

import "iter"

// SetSample is a metric of a Set as a sample of a Family.
type SetSample struct {
	Family *Family
	// Labels has the names and values of the labels besides the Job of the Family and the cluster.
	Labels []string
	Value  float64
	// Usage is true if the value was sampled by the member, and false if it is known at any time.
	Usage bool
}

// resourceFamily is a Family with one series for each resource.
type resourceFamily struct {
	family *Family
	labels []string
	metric Metric
	scale  float64
}

func cpuOf(name string, m Metric) resourceFamily {
	return resourceFamily{mustFamily(name), []string{"resource", "cpu", "unit", "core"}, m, 1e-3}
}

func memoryOf(name string, m Metric) resourceFamily {
	return resourceFamily{mustFamily(name), []string{"resource", "memory", "unit", "byte"}, m, 1}
}

// usageFamily are the families of the usage of containers or nodes.
type usageFamily struct{ cpuTime, memory, cpu *Family }

// The families of sets. They have other labels here than in a scrape: uid and name are left out, since an Inventory does
// not keep them.
var (
	mainResources = containerResources("kube_pod_container_")
	initResources = containerResources("kube_pod_init_container_")
	nodeResources = []resourceFamily{
		cpuOf("kube_node_status_capacity", CPUCapacity), memoryOf("kube_node_status_capacity", MemoryCapacity),
		cpuOf("kube_node_status_allocatable", CPUAllocatable), memoryOf("kube_node_status_allocatable", MemoryAllocatable),
	}
	containerUsages = usageFamily{mustFamily("container_cpu_usage_seconds_total"), mustFamily("container_memory_working_set_bytes"), mustFamily("rollcall_container_cpu_cores")}
	nodeUsages      = usageFamily{mustFamily("node_cpu_usage_seconds_total"), mustFamily("node_memory_working_set_bytes"), mustFamily("rollcall_node_cpu_cores")}
)

func containerResources(prefix string) []resourceFamily {
	return []resourceFamily{
		cpuOf(prefix+"resource_requests", CPURequest), memoryOf(prefix+"resource_requests", MemoryRequest),
		cpuOf(prefix+"resource_limits", CPULimit), memoryOf(prefix+"resource_limits", MemoryLimit),
	}
}

// mustFamily returns a Family that exists. It is called at the start of the program only.
func mustFamily(name string) *Family {
	f := FamilyOf(name)
	if f == nil {
		panic("samples: no family " + name)
	}
	return f
}

// Samples yields the metrics of a container or node under the names of Prometheus. Pods, namespaces and the cluster have
// none: they are sums of these. Labels are overwritten by the next sample.
func (s *Set) Samples() iter.Seq[SetSample] {
	return func(yield func(SetSample) bool) {
		labels := make([]string, 0, 16)
		switch s.Kind {
		case KindContainer:
			labels = append(labels, "container", s.Container, "namespace", s.Namespace, "node", s.Node, "pod", s.Pod)
			resources := mainResources
			if s.Init {
				resources = initResources
			}
			_ = s.resources(resources, false, labels, yield) && s.usage(&containerUsages, true, append(labels, "image", s.Image), yield)
		case KindNode:
			labels = append(labels, "node", s.Node)
			_ = s.resources(nodeResources, true, labels, yield) && s.usage(&nodeUsages, true, labels, yield) &&
				s.usage(&containerUsages, false, append(labels, "id", "/"), yield) // the root cgroup, as cAdvisor names it
		}
	}
}

// resources yields requests, limits, capacities or allocatable resources. If zeros is false, it leaves out those that are 0.
func (s *Set) resources(of []resourceFamily, zeros bool, labels []string, yield func(SetSample) bool) bool {
	for i := range of {
		r := &of[i]
		v, _ := s.Value(r.metric)
		if (zeros || v > 0) && !yield(SetSample{Family: r.family, Labels: append(labels, r.labels...), Value: v * r.scale}) {
			return false
		}
	}
	return true
}

// usage yields CPU time and memory and, if cores is true, the sampled CPU usage in cores.
func (s *Set) usage(of *usageFamily, cores bool, labels []string, yield func(SetSample) bool) bool {
	cpuTime, _ := s.Value(CPUTime)
	memory, _ := s.Value(Memory)
	cpu, _ := s.Value(CPU)
	return yield(SetSample{of.cpuTime, labels, cpuTime / 1e3, true}) && yield(SetSample{of.memory, labels, memory, true}) &&
		(!cores || yield(SetSample{of.cpu, labels, cpu / 1e3, true}))
}
