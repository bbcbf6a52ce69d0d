package samples

import (
	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

func serviceFamilies() []Family {
	gauge := model.MetricTypeGauge
	of := func(f func(v *state.Service, add addFunc, labels []string)) func(*Cluster, *Collector) {
		return objectSeries(state.KindService, func(v *state.Service, add addFunc) {
			f(v, add, []string{"namespace", v.Namespace, "service", v.Name, "uid", v.UID.String()})
		})
	}
	return []Family{
		{"kube_service_info", "Information about a Service.", gauge, Details, kubeStateLabels, of(func(v *state.Service, add addFunc, labels []string) {
			add(1, append(labels, "cluster_ip", v.ClusterIP, "external_name", v.ExternalName,
				"external_traffic_policy", v.ExternalTrafficPolicy.String(), "load_balancer_ip", v.LoadBalancerIP)...)
		})},
		{"kube_service_created", "The creation time of a Service, in Unix seconds.", gauge, Details, kubeStateLabels, of(func(v *state.Service, add addFunc, labels []string) {
			addTime(add, v.CreatedAt, labels...)
		})},
		{"kube_service_spec_type", "The type of a Service.", gauge, Details, kubeStateLabels, of(func(v *state.Service, add addFunc, labels []string) {
			add(1, append(labels, "type", v.Type.String())...)
		})},
	}
}
