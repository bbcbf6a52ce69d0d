package sink

import (
	"rollcall.dev/rollcall/master/heapster"
	"rollcall.dev/rollcall/master/samples"
)

// tag is a label as Heapster names it.
type tag struct{ name, value string }

// tags returns the labels of a metric set as Heapster names them, sorted by name. Those
// that do not apply to its kind have an empty value.
func tags(cluster string, s *samples.Set) []tag {
	return []tag{
		{"cluster_name", cluster},
		{"container_base_image", s.Image},
		{"container_name", s.Container},
		{"hostname", s.Host},
		{"namespace_name", s.Namespace},
		{"nodename", s.Node},
		{"pod_name", s.Pod},
		{"type", heapster.TypeOf(s.Kind)},
	}
}

// tagMap returns the tags that are not empty.
func tagMap(cluster string, s *samples.Set) map[string]string {
	m := map[string]string{}
	for _, t := range tags(cluster, s) {
		if t.value != "" {
			m[t.name] = t.value
		}
	}
	return m
}
