package heapster

import (
	"time"

	"rollcall.dev/rollcall/master/samples"
)

// Labels of metric-export.
var (
	commonLabels = []LabelDescriptor{
		{"nodename", "Name of the node"},
		{"hostname", "Host name of the node"},
		{"container_name", "Name of the container; \"machine\" for a node, \"/pod\" for a pod"},
		{"container_base_image", "Image of the container, as its pod names it"},
	}
	podLabels = []LabelDescriptor{
		{"pod_name", "Name of the pod"},
		{"namespace_name", "Namespace of the pod"},
	}
)

// schema returns the schema of metric-export.
func schema() TimeseriesSchema {
	s := TimeseriesSchema{CommonLabels: commonLabels, PodLabels: podLabels}
	for _, m := range exported {
		s.Metrics = append(s.Metrics, descriptors[m])
	}
	return s
}

// export returns the newest point of each metric of each node, pod and container.
func (s *Source) export() []Timeseries {
	all := []Timeseries{}
	for set := range s.allSets() {
		if set.Kind == samples.KindContainer || set.Kind == samples.KindPod || set.Kind == samples.KindNode {
			all = append(all, s.timeseries(&set))
		}
	}
	return all
}

func (s *Source) timeseries(set *samples.Set) Timeseries {
	t := Timeseries{Metrics: map[string][]Point{}, Labels: exportLabels(set)}
	at := time.UnixMilli(set.At).UTC()
	for _, m := range exported {
		v, ok := m.Value(set)
		if !ok {
			continue
		}
		p := Point{Start: at, End: at, Value: int64(v)}
		switch {
		case m == Uptime:
			p.Start = time.UnixMilli(set.Started).UTC()
		case m == CPUUsage && s.Since.Before(at):
			p.Start = s.Since.UTC()
		}
		t.Metrics[m.String()] = []Point{p}
	}
	return t
}

func exportLabels(s *samples.Set) map[string]string {
	labels := map[string]string{"nodename": s.Node, "hostname": s.Host}
	switch s.Kind {
	case samples.KindNode:
		labels["container_name"] = "machine"
		return labels
	case samples.KindPod:
		labels["container_name"] = "/pod"
	case samples.KindContainer:
		labels["container_name"], labels["container_base_image"] = s.Container, s.Image
	}
	labels["pod_name"], labels["namespace_name"] = s.Pod, s.Namespace
	return labels
}
