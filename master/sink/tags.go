package sink

import "rollcall.dev/rollcall/master/heapster"

// tag is one of Heapster's labels.
type tag struct{ name, value string }

// tags are a Set's labels as Heapster called them, sorted by name; those that mean
// nothing for its kind are empty.
func tags(cluster string, s *heapster.Set) []tag {
	return []tag{
		{"cluster_name", cluster},
		{"container_base_image", s.Image},
		{"container_name", s.Container},
		{"hostname", s.Host},
		{"namespace_name", s.Namespace},
		{"nodename", s.Node},
		{"pod_name", s.Pod},
		{"type", s.Kind.String()},
	}
}

// tagMap are the tags that are not empty.
func tagMap(cluster string, s *heapster.Set) map[string]string {
	m := map[string]string{}
	for _, t := range tags(cluster, s) {
		if t.value != "" {
			m[t.name] = t.value
		}
	}
	return m
}
