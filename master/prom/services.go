package prom

import (
	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

func serviceFamilies() []family {
	gauge := model.MetricTypeGauge
	of := func(f func(v *state.Service, add adder, labels []string)) func(*cluster, *sink) {
		return objects(state.KindService, func(v *state.Service, add adder) {
			f(v, add, []string{"namespace", v.Namespace, "service", v.Name, "uid", v.UID.String()})
		})
	}
	return []family{
		{"kube_service_info", "A Service.", gauge, Details, kubeState, of(func(v *state.Service, add adder, labels []string) {
			add(1, append(labels, "cluster_ip", v.ClusterIP, "external_name", v.ExternalName,
				"external_traffic_policy", v.ExternalTrafficPolicy.String(), "load_balancer_ip", v.LoadBalancerIP)...)
		})},
		{"kube_service_created", "When a Service was made, in Unix seconds.", gauge, Details, kubeState, of(func(v *state.Service, add adder, labels []string) {
			created(add, v.CreatedAt, labels...)
		})},
		{"kube_service_spec_type", "The type of a Service.", gauge, Details, kubeState, of(func(v *state.Service, add adder, labels []string) {
			add(1, append(labels, "type", v.Type.String())...)
		})},
	}
}
