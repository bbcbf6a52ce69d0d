package samples

import (
	"cmp"
	"slices"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// containerFamilies returns kube_pod_container_* for main containers, and
// kube_pod_init_container_* for init containers and sidecars, which are restartable init
// containers.
func containerFamilies() []Family {
	return append(
		containerFamiliesOf("kube_pod_container_", func(k state.ContainerKind) bool { return k == state.Main }),
		containerFamiliesOf("kube_pod_init_container_", func(k state.ContainerKind) bool { return k == state.Init || k == state.Sidecar })...)
}

// containerSet builds the families for some kinds of containers, with a common prefix.
type containerSet struct {
	prefix   string
	matches  func(state.ContainerKind) bool
	families []Family
}

func containerFamiliesOf(prefix string, which func(state.ContainerKind) bool) []Family {
	s := containerSet{prefix: prefix, matches: which}
	s.addStates()
	s.addTerminations()
	s.addResources()
	return s.families
}

// addSpec adds a family that depends on the container's spec only.
func (s *containerSet) addSpec(name, help string, f func(k *state.Container, add addFunc)) {
	each := eachContainer(func(k *state.Container) bool { return s.matches(k.Kind) }, f)
	s.families = append(s.families, Family{s.prefix + name, help, model.MetricTypeGauge, Details, kubeStateLabels, each})
}

// addStatus adds a gauge for containers that have a status.
func (s *containerSet) addStatus(name, help string, f func(k *state.Container, add addFunc)) {
	s.addStatusOf(model.MetricTypeGauge, name, help, f)
}

func (s *containerSet) addStatusOf(kind model.MetricType, name, help string, f func(k *state.Container, add addFunc)) {
	each := eachContainer(func(k *state.Container) bool { return s.matches(k.Kind) && !k.NoStatus }, f)
	s.families = append(s.families, Family{s.prefix + name, help, kind, Details, kubeStateLabels, each})
}

func (s *containerSet) addState(name, help string, of state.ContainerState) {
	s.addStatus(name, help, func(k *state.Container, add addFunc) { add(boolValue(k.State == of)) })
}

func (s *containerSet) addReason(name, help string, of state.ContainerState) {
	s.addStatus(name, help, func(k *state.Container, add addFunc) {
		if k.State == of {
			add(1, "reason", k.Reason)
		}
	})
}

func (s *containerSet) addLast(name, help string, f func(addLast *state.LastTermination, add addFunc)) {
	s.addStatus(name, help, func(k *state.Container, add addFunc) {
		if k.Last != nil {
			f(k.Last, add)
		}
	})
}

// eachContainer returns a collect function that calls f for each selected container. The series
// have the labels that identify the container.
func eachContainer(of func(k *state.Container) bool, f func(k *state.Container, add addFunc)) func(*Cluster, *Collector) {
	return func(c *Cluster, out *Collector) {
		s := c.state()
		if s == nil {
			return
		}
		pods := podLookup{state: s}
		for e := range s.Entries(state.KindContainer) {
			k := e.Object.(*state.Container)
			if !of(k) {
				continue
			}
			pods.find(k)
			constant := c.entryInterval(e).constant
			labels := []string{"namespace", k.Namespace, "pod", k.Pod, "uid", pods.uid, "container", k.Name}
			out.resetUnique()
			f(k, func(value float64, pairs ...string) {
				out.addUnique(constant(value), append(slices.Clip(labels), pairs...)...)
			})
		}
	}
}

// addStates adds the families of the current state of containers.
func (s *containerSet) addStates() {
	s.addStatus("info", "Information about a container. image is the image that the kubelet reports, image_spec that of the pod's spec.", func(k *state.Container, add addFunc) {
		policy := ""
		switch k.Kind {
		case state.Init:
			policy = k.RestartPolicy.String()
		case state.Sidecar:
			policy = state.RestartAlways.String()
		}
		add(1, "image", cmp.Or(k.StatusImage, k.Image), "image_id", k.ImageID, "image_spec", k.Image, "restart_policy", policy)
	})
	s.addStatus("status_ready", "Whether the container is ready.", func(k *state.Container, add addFunc) { add(boolValue(k.Ready)) })
	s.addState("status_running", "Whether the container is running.", state.Running)
	s.addState("status_waiting", "Whether the container is waiting.", state.Waiting)
	s.addState("status_terminated", "Whether the container has terminated.", state.Terminated)
	s.addReason("status_waiting_reason", "The reason why the container is waiting.", state.Waiting)
	s.addReason("status_terminated_reason", "The reason why the container terminated.", state.Terminated)
}

// addTerminations adds the families of restarts and of the last termination.
func (s *containerSet) addTerminations() {
	s.addLast("status_last_terminated_reason", "The reason of the container's last termination before its current state.", func(last *state.LastTermination, add addFunc) {
		add(1, "reason", last.Reason)
	})
	s.addLast("status_last_terminated_exitcode", "The exit code of the container's last termination before its current state.", func(last *state.LastTermination, add addFunc) {
		add(float64(last.ExitCode))
	})
	s.addLast("status_last_terminated_timestamp", "The time of the container's last termination before its current state, in Unix seconds.", func(last *state.LastTermination, add addFunc) {
		addTime(add, last.FinishedAt)
	})
	s.addStatusOf(model.MetricTypeCounter, "status_restarts_total", "The number of restarts of the container.", func(k *state.Container, add addFunc) {
		add(float64(k.Restarts))
	})
	s.addStatus("state_started", "The start time of a running or terminated container, in Unix seconds.", func(k *state.Container, add addFunc) {
		if k.State == state.Running || k.State == state.Terminated {
			addTime(add, k.StartedAt)
		}
	})
}

// addResources adds the families of requests and limits.
func (s *containerSet) addResources() {
	s.addSpec("resource_requests", "The resource requests in the container's spec.", func(k *state.Container, add addFunc) {
		amounts, zeros := specResources(k, "requests")
		addKubeResources(add, amounts, zeros, "node", k.Node)
	})
	s.addSpec("resource_limits", "The resource limits in the container's spec. There is no series without a limit.", func(k *state.Container, add addFunc) {
		amounts, zeros := specResources(k, "limits")
		addKubeResources(add, amounts, zeros, "node", k.Node)
	})
}

// podLookup finds the pods of containers. It caches the last pod, as containers of one pod
// usually follow each other.
type podLookup struct {
	state *state.State
	// namespace and name identify pod. If the pod is missing, pod is nil and uid is empty.
	namespace, name string
	pod             *state.Pod
	uid             string
}

// find returns the pod of a container, nil if it is missing, and sets uid.
func (p *podLookup) find(k *state.Container) *state.Pod {
	if p.namespace != k.Namespace || p.name != k.Pod {
		p.namespace, p.name, p.pod, p.uid = k.Namespace, k.Pod, nil, ""
		if e, ok := p.state.Get(state.Key{Kind: state.KindPod, Namespace: k.Namespace, Name: k.Pod}); ok {
			p.pod = e.Object.(*state.Pod)
			p.uid = p.pod.UID.String()
		}
	}
	return p.pod
}
