package sink

import "rollcall.dev/rollcall/api/state"

// count describes one number of a cluster's summary.
type count struct {
	// name is the field or metric in InfluxDB and Kafka. series, label and value are those of
	// Prometheus, without prefix, as in master/prom.
	name, series, label, value string
	get                        func(*state.Summary) int
}

// counts are the numbers that are sent with the metric set of a cluster.
var counts = []count{
	{"nodes_total", "nodes", "", "", func(s *state.Summary) int { return s.Nodes.Total }},
	{"nodes_ready", "nodes_ready", "", "", func(s *state.Summary) int { return s.Nodes.Ready }},
	{"nodes_schedulable", "nodes_schedulable", "", "", func(s *state.Summary) int { return s.Nodes.Schedulable }},
	{"pods_total", "pods", "", "", func(s *state.Summary) int { return s.Pods.Total }},
	{"pods_pending", "pods_by_phase", "phase", "Pending", func(s *state.Summary) int { return s.Pods.Pending }},
	{"pods_running", "pods_by_phase", "phase", "Running", func(s *state.Summary) int { return s.Pods.Running }},
	{"pods_succeeded", "pods_by_phase", "phase", "Succeeded", func(s *state.Summary) int { return s.Pods.Succeeded }},
	{"pods_failed", "pods_by_phase", "phase", "Failed", func(s *state.Summary) int { return s.Pods.Failed }},
	{"pods_unknown", "pods_by_phase", "phase", "Unknown", func(s *state.Summary) int { return s.Pods.Unknown }},
	{"pods_terminating", "pods_terminating", "", "", func(s *state.Summary) int { return s.Pods.Terminating }},
	{"containers_total", "containers", "", "", func(s *state.Summary) int { return s.Containers.Total }},
	{"containers_running", "containers_by_state", "state", "running", func(s *state.Summary) int { return s.Containers.Running }},
	{"containers_waiting", "containers_by_state", "state", "waiting", func(s *state.Summary) int { return s.Containers.Waiting }},
	{"containers_terminated", "containers_by_state", "state", "terminated", func(s *state.Summary) int { return s.Containers.Terminated }},
	{"containers_unknown", "containers_by_state", "state", "unknown", func(s *state.Summary) int { return s.Containers.Unknown }},
	{"containers_restarts", "container_restarts", "", "", func(s *state.Summary) int { return s.Containers.Restarts }},
	{"containers_desired", "containers_desired", "", "", func(s *state.Summary) int { return s.Containers.Desired }},
	{"containers_ready", "containers_ready", "", "", func(s *state.Summary) int { return s.Containers.Ready }},
	{"ports_taken", "ports_taken", "", "", func(s *state.Summary) int { return s.Ports.Taken }},
	{"ports_conflicts", "ports_conflicts", "", "", func(s *state.Summary) int { return s.Ports.Conflicts }},
	{"problems", "problems", "", "", func(s *state.Summary) int { return s.ProblemCount }},
	{"healthy", "healthy", "", "", func(s *state.Summary) int {
		if s.Healthy {
			return 1
		}
		return 0
	}},
}
