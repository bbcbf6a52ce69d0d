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

func containersUnder(prefix string, which func(state.ContainerKind) bool) []family {
	var all []family
	each := func(of func(k *state.Container) bool, f func(k *state.Container, add adder)) func(*cluster, *sink) {
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
	// spec adds what a container's spec says, status what the kubelet says of it.
	spec := func(name, help string, f func(k *state.Container, add adder)) {
		each := each(func(k *state.Container) bool { return which(k.Kind) }, f)
		all = append(all, family{prefix + name, help, model.MetricTypeGauge, Details, kubeState, each})
	}
	counted := func(name, help string, kind model.MetricType, f func(k *state.Container, add adder)) {
		each := each(func(k *state.Container) bool { return which(k.Kind) && !k.NoStatus }, f)
		all = append(all, family{prefix + name, help, kind, Details, kubeState, each})
	}
	status := func(name, help string, f func(k *state.Container, add adder)) {
		counted(name, help, model.MetricTypeGauge, f)
	}
	is := func(name, help string, of state.ContainerState) {
		status(name, help, func(k *state.Container, add adder) { add(truth(k.State == of)) })
	}
	reason := func(name, help string, of state.ContainerState) {
		status(name, help, func(k *state.Container, add adder) {
			if k.State == of {
				add(1, "reason", k.Reason)
			}
		})
	}
	last := func(name, help string, f func(last *state.LastTermination, add adder)) {
		status(name, help, func(k *state.Container, add adder) {
			if k.Last != nil {
				f(k.Last, add)
			}
		})
	}

	status("info", "A container and its image: image is the one that the kubelet reports, image_spec the one that was asked for.", func(k *state.Container, add adder) {
		policy := ""
		switch k.Kind {
		case state.Init:
			policy = k.RestartPolicy.String()
		case state.Sidecar:
			policy = state.RestartAlways.String()
		}
		add(1, "image", cmp.Or(k.StatusImage, k.Image), "image_id", k.ImageID, "image_spec", k.Image, "restart_policy", policy)
	})
	status("status_ready", "Whether a container is ready.", func(k *state.Container, add adder) { add(truth(k.Ready)) })
	is("status_running", "Whether a container runs.", state.Running)
	is("status_waiting", "Whether a container waits.", state.Waiting)
	is("status_terminated", "Whether a container has ended.", state.Terminated)
	reason("status_waiting_reason", "Why a container waits.", state.Waiting)
	reason("status_terminated_reason", "Why a container has ended.", state.Terminated)
	last("status_last_terminated_reason", "Why a container ended before its present state.", func(last *state.LastTermination, add adder) {
		add(1, "reason", last.Reason)
	})
	last("status_last_terminated_exitcode", "How a container ended before its present state.", func(last *state.LastTermination, add adder) {
		add(float64(last.ExitCode))
	})
	last("status_last_terminated_timestamp", "When a container ended before its present state, in Unix seconds.", func(last *state.LastTermination, add adder) {
		created(add, last.FinishedAt)
	})
	counted("status_restarts_total", "How often a container was started again.", model.MetricTypeCounter, func(k *state.Container, add adder) {
		add(float64(k.Restarts))
	})
	status("state_started", "When a container was started that runs or has ended, in Unix seconds.", func(k *state.Container, add adder) {
		if k.State == state.Running || k.State == state.Terminated {
			created(add, k.StartedAt)
		}
	})
	spec("resource_requests", "What a container requests, as its spec has it.", func(k *state.Container, add adder) {
		amounts, zeros := amountsOfSpec(k, "requests")
		kubeAmounts(add, amounts, zeros, "node", k.Node)
	})
	spec("resource_limits", "What a container may use at most, as its spec has it; without a limit there is none.", func(k *state.Container, add adder) {
		amounts, zeros := amountsOfSpec(k, "limits")
		kubeAmounts(add, amounts, zeros, "node", k.Node)
	})
	return all
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
