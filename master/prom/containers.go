package prom

import (
	"cmp"
	"slices"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// containerFamilies are kube_pod_container_… of main containers, and kube_pod_init_container_…
// of init containers and sidecars, which are init containers that stay.
func containerFamilies() []family {
	return append(
		containersUnder("kube_pod_container_", func(k state.ContainerKind) bool { return k == state.Main }),
		containersUnder("kube_pod_init_container_", func(k state.ContainerKind) bool { return k == state.Init || k == state.Sidecar })...)
}

// containerSet gathers the families of some kinds of containers under a prefix.
type containerSet struct {
	prefix string
	which  func(state.ContainerKind) bool
	all    []family
}

func containersUnder(prefix string, which func(state.ContainerKind) bool) []family {
	s := containerSet{prefix: prefix, which: which}
	s.states()
	s.counters()
	s.amounts()
	return s.all
}

// spec adds a family of what a container's spec says.
func (s *containerSet) spec(name, help string, f func(k *state.Container, add adder)) {
	each := eachContainer(func(k *state.Container) bool { return s.which(k.Kind) }, f)
	s.all = append(s.all, family{s.prefix + name, help, model.MetricTypeGauge, Details, kubeState, each})
}

// status adds a family of what the kubelet says of a container.
func (s *containerSet) status(name, help string, f func(k *state.Container, add adder)) {
	s.statusOf(model.MetricTypeGauge, name, help, f)
}

func (s *containerSet) statusOf(kind model.MetricType, name, help string, f func(k *state.Container, add adder)) {
	each := eachContainer(func(k *state.Container) bool { return s.which(k.Kind) && !k.NoStatus }, f)
	s.all = append(s.all, family{s.prefix + name, help, kind, Details, kubeState, each})
}

func (s *containerSet) is(name, help string, of state.ContainerState) {
	s.status(name, help, func(k *state.Container, add adder) { add(truth(k.State == of)) })
}

func (s *containerSet) reason(name, help string, of state.ContainerState) {
	s.status(name, help, func(k *state.Container, add adder) {
		if k.State == of {
			add(1, "reason", k.Reason)
		}
	})
}

func (s *containerSet) last(name, help string, f func(last *state.LastTermination, add adder)) {
	s.status(name, help, func(k *state.Container, add adder) {
		if k.Last != nil {
			f(k.Last, add)
		}
	})
}

// eachContainer makes series of some containers, with the labels that name them.
func eachContainer(of func(k *state.Container) bool, f func(k *state.Container, add adder)) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		s := c.state()
		if s == nil {
			return
		}
		pods := podsOf{state: s}
		for e := range s.Entries(state.KindContainer) {
			k := e.Object.(*state.Container)
			if !of(k) {
				continue
			}
			pods.of(k)
			holds := c.asItIs(e).holds
			labels := []string{"namespace", k.Namespace, "pod", k.Pod, "uid", pods.uid, "container", k.Name}
			out.distinct()
			f(k, func(value float64, pairs ...string) {
				out.addOnce(holds(value), append(slices.Clip(labels), pairs...)...)
			})
		}
	}
}

// states adds what a container is and how it stands.
func (s *containerSet) states() {
	s.status("info", "A container and its image: image is the one that the kubelet reports, image_spec the one that was asked for.", func(k *state.Container, add adder) {
		policy := ""
		switch k.Kind {
		case state.Init:
			policy = k.RestartPolicy.String()
		case state.Sidecar:
			policy = state.RestartAlways.String()
		}
		add(1, "image", cmp.Or(k.StatusImage, k.Image), "image_id", k.ImageID, "image_spec", k.Image, "restart_policy", policy)
	})
	s.status("status_ready", "Whether a container is ready.", func(k *state.Container, add adder) { add(truth(k.Ready)) })
	s.is("status_running", "Whether a container runs.", state.Running)
	s.is("status_waiting", "Whether a container waits.", state.Waiting)
	s.is("status_terminated", "Whether a container has ended.", state.Terminated)
	s.reason("status_waiting_reason", "Why a container waits.", state.Waiting)
	s.reason("status_terminated_reason", "Why a container has ended.", state.Terminated)
}

// counters adds what happened to a container before, and when.
func (s *containerSet) counters() {
	s.last("status_last_terminated_reason", "Why a container ended before its present state.", func(last *state.LastTermination, add adder) {
		add(1, "reason", last.Reason)
	})
	s.last("status_last_terminated_exitcode", "How a container ended before its present state.", func(last *state.LastTermination, add adder) {
		add(float64(last.ExitCode))
	})
	s.last("status_last_terminated_timestamp", "When a container ended before its present state, in Unix seconds.", func(last *state.LastTermination, add adder) {
		created(add, last.FinishedAt)
	})
	s.statusOf(model.MetricTypeCounter, "status_restarts_total", "How often a container was started again.", func(k *state.Container, add adder) {
		add(float64(k.Restarts))
	})
	s.status("state_started", "When a container was started that runs or has ended, in Unix seconds.", func(k *state.Container, add adder) {
		if k.State == state.Running || k.State == state.Terminated {
			created(add, k.StartedAt)
		}
	})
}

// amounts adds what a container asks for.
func (s *containerSet) amounts() {
	s.spec("resource_requests", "What a container requests, as its spec has it.", func(k *state.Container, add adder) {
		amounts, zeros := amountsOfSpec(k, "requests")
		kubeAmounts(add, amounts, zeros, "node", k.Node)
	})
	s.spec("resource_limits", "What a container may use at most, as its spec has it; without a limit there is none.", func(k *state.Container, add adder) {
		amounts, zeros := amountsOfSpec(k, "limits")
		kubeAmounts(add, amounts, zeros, "node", k.Node)
	})
}

// podsOf finds containers' pods. It is quick for the containers of one pod behind each
// other.
type podsOf struct {
	state *state.State
	// namespace and name are those of pod, which is nil where it is not known, as uid is
	// empty.
	namespace, name string
	pod             *state.Pod
	uid             string
}

// of returns the pod of a container, nil where it is not known, and sets uid.
func (p *podsOf) of(k *state.Container) *state.Pod {
	if p.namespace != k.Namespace || p.name != k.Pod {
		p.namespace, p.name, p.pod, p.uid = k.Namespace, k.Pod, nil, ""
		if e, ok := p.state.Get(state.Key{Kind: state.KindPod, Namespace: k.Namespace, Name: k.Pod}); ok {
			p.pod = e.Object.(*state.Pod)
			p.uid = p.pod.UID.String()
		}
	}
	return p.pod
}
