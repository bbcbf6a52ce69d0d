package prom

import (
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
	add := func(name, help string, kind model.MetricType, f func(k *state.Container, add adder)) {
		each := objects(state.KindContainer, func(k *state.Container, add adder) {
			if which(k.Kind) {
				f(k, func(value float64, pairs ...string) {
					add(value, append([]string{"namespace", k.Namespace, "pod", k.Pod, "container", k.Name}, pairs...)...)
				})
			}
		})
		all = append(all, family{prefix + name, help, kind, Details, kubeState, each})
	}
	gauge := model.MetricTypeGauge
	add("info", "A container and its image.", gauge, func(k *state.Container, add adder) {
		add(1, "image", k.Image, "image_id", k.ImageID, "image_spec", k.Image)
	})
	add("status_ready", "Whether a container is ready.", gauge, func(k *state.Container, add adder) { add(truth(k.Ready)) })
	add("status_running", "Whether a container runs.", gauge, func(k *state.Container, add adder) { add(truth(k.State == state.Running)) })
	add("status_waiting", "Whether a container waits.", gauge, func(k *state.Container, add adder) { add(truth(k.State == state.Waiting)) })
	add("status_terminated", "Whether a container has ended.", gauge, func(k *state.Container, add adder) { add(truth(k.State == state.Terminated)) })
	add("status_waiting_reason", "Why a container waits.", gauge, func(k *state.Container, add adder) {
		if k.State == state.Waiting && k.Reason != "" {
			add(1, "reason", k.Reason)
		}
	})
	add("status_terminated_reason", "Why a container has ended.", gauge, func(k *state.Container, add adder) {
		if k.State == state.Terminated && k.Reason != "" {
			add(1, "reason", k.Reason)
		}
	})
	add("status_last_terminated_reason", "Why a container ended before its present state.", gauge, func(k *state.Container, add adder) {
		if k.Last != nil && k.Last.Reason != "" {
			add(1, "reason", k.Last.Reason)
		}
	})
	add("status_last_terminated_exitcode", "How a container ended before its present state.", gauge, func(k *state.Container, add adder) {
		if k.Last != nil {
			add(float64(k.Last.ExitCode))
		}
	})
	add("status_restarts_total", "How often a container was started again.", model.MetricTypeCounter, func(k *state.Container, add adder) { add(float64(k.Restarts)) })
	add("state_started", "When a container was started, in Unix seconds.", gauge, func(k *state.Container, add adder) {
		if k.StartedAt != 0 {
			add(float64(k.StartedAt))
		}
	})
	add("resource_requests", "What a container requests.", gauge, func(k *state.Container, add adder) {
		amounts(add, &k.Requests, false, "node", k.Node)
	})
	add("resource_limits", "What a container may use at most; without a limit there is none.", gauge, func(k *state.Container, add adder) {
		amounts(add, &k.Limits, false, "node", k.Node)
	})
	return all
}
