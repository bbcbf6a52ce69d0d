package prom

import (
	"iter"
	"math"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
)

// countSeries is a series of one of a summary's counts, divided by divisor.
type countSeries struct {
	count   history.Count
	divisor float64
	pairs   []string
}

func clusterFamilies() []family {
	var all []family
	addFamily := func(name, help string, numbers ...countSeries) {
		all = append(all, family{"rollcall_cluster_" + name, help, model.MetricTypeGauge, Summary, rollcallLabels, counts(numbers)})
	}
	addCount := func(name, help string, c history.Count) { addFamily(name, help, countSeries{count: c, divisor: 1}) }
	addCount("nodes", "Number of nodes.", history.NodesTotal)
	addCount("nodes_ready", "Number of nodes that are ready.", history.NodesReady)
	addCount("nodes_schedulable", "Number of schedulable nodes.", history.NodesSchedulable)
	addCount("pods", "Number of pods.", history.PodsTotal)
	addFamily("pods_by_phase", "Number of pods by phase.", byLabel("phase", history.PodsPending, phases[0], history.PodsRunning, phases[1], history.PodsSucceeded, phases[2], history.PodsFailed, phases[3], history.PodsUnknown, phases[4])...)
	addCount("pods_terminating", "Number of pods that are being deleted. They are included in the counts by phase.", history.PodsTerminating)
	addCount("containers", "Number of containers of all kinds.", history.ContainersTotal)
	addFamily("containers_by_state", "Number of containers by state.", byLabel("state", history.ContainersRunning, "running", history.ContainersWaiting, "waiting", history.ContainersTerminated, "terminated", history.ContainersUnknown, "unknown")...)
	addCount("containers_desired", "Number of main and sidecar containers of unfinished pods.", history.ContainersDesired)
	addCount("containers_ready", "Number of main and sidecar containers of unfinished pods that are ready.", history.ContainersReady)
	addCount("container_restarts", "Total restarts of all existing containers. It falls when a container is deleted.", history.ContainersRestarts)
	addFamily("capacity", "The capacity of all nodes.", byResource(history.CapacityCPU, history.CapacityMemory, history.CapacityStorage, history.CapacityPods)...)
	addFamily("allocatable", "The allocatable resources of all nodes.", byResource(history.AllocatableCPU, history.AllocatableMemory, history.AllocatableStorage, history.AllocatablePods)...)
	addFamily("requested", "The resource requests of unfinished pods.", byResource(history.RequestedCPU, history.RequestedMemory, history.RequestedStorage)...)
	addFamily("limits", "The resource limits of unfinished pods.", byResource(history.LimitsCPU, history.LimitsMemory, history.LimitsStorage)...)
	addFamily("used", "The resource usage of all nodes whose usage is known.", byResource(history.UsedCPU, history.UsedMemory)...)
	addCount("used_nodes", "Number of nodes whose usage is known.", history.UsedNodes)
	addFamily("largest_free", "The largest free amount on a single ready and schedulable node.", byResource(history.LargestFreeCPU, history.LargestFreeMemory)...)
	addCount("ports_taken", "Number of ports in use.", history.PortsTaken)
	addCount("ports_conflicts", "Number of ports that are claimed more than once.", history.PortsConflicts)
	addCount("problems", "Number of critical problems and warnings, without muted ones.", history.ProblemCount)
	addFamily("problems_by_severity", "Number of problems by severity, without muted ones.", byLabel("severity", history.ProblemsCritical, "critical", history.ProblemsWarning, "warning", history.ProblemsInfo, "info")...)
	addCount("healthy", "Whether the cluster is healthy.", history.Healthy)
	return append(all, sessionFamilies()...)
}

// byLabel returns series that differ in the value of a label. pairs alternates a history.Count and
// its label value.
func byLabel(label string, pairs ...any) []countSeries {
	var all []countSeries
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, countSeries{pairs[i].(history.Count), 1, []string{label, pairs[i+1].(string)}}) //nolint:gosec // pairs has an even length
	}
	return all
}

// byResource returns series of CPU, memory, ephemeral storage and pods, in this order, for as many
// counts as are passed.
func byResource(of ...history.Count) []countSeries {
	all := []countSeries{
		{divisor: 1000, pairs: []string{"resource", "cpu", "unit", "core"}},
		{divisor: 1, pairs: []string{"resource", "memory", "unit", "byte"}},
		{divisor: 1, pairs: []string{"resource", "ephemeral_storage", "unit", "byte"}},
		{divisor: 1, pairs: []string{"resource", "pods", "unit", "integer"}},
	}[:len(of)]
	for i, c := range of {
		all[i].count = c
	}
	return all
}

func counts(numbers []countSeries) func(*cluster, *seriesCollector) {
	return func(c *cluster, out *seriesCollector) {
		if c.history == nil {
			return
		}
		for _, n := range numbers {
			out.add(scaled(func(from, to int64) iter.Seq[history.Sample] { return c.history.Count(n.count, from, to) }, n.divisor), n.pairs...)
		}
	}
}

var sessionPhases = []session.Phase{session.Idle, session.Connecting, session.Reporting, session.Backoff}

// sessionFamilies returns the families of the sessions of all registered clusters.
func sessionFamilies() []family {
	gauge := model.MetricTypeGauge
	return []family{
		{"up", "Whether the cluster's last report is current enough to be served.", gauge, Summary, rollcallLabels, func(c *cluster, out *seriesCollector) {
			fresh := c.hasState() && c.expiredAt() == 0
			out.add(c.sessionInterval().constant(boolValue(fresh)), "instance", c.name)
		}},
		{"rollcall_cluster_info", "Information about a registered cluster.", gauge, Summary, rollcallLabels, func(c *cluster, out *seriesCollector) {
			out.add(c.sessionInterval().constant(1), "uid", c.status.UID, "kubernetes_version", c.status.KubernetesVersion, "agent_version", c.status.AgentVersion)
		}},
		{"rollcall_session_phase", "The phase of the session with the cluster.", gauge, Summary, rollcallLabels, func(c *cluster, out *seriesCollector) {
			for _, phase := range sessionPhases {
				out.add(c.sessionInterval().constant(boolValue(phase == c.status.Session.Phase)), "phase", string(phase))
			}
		}},
		{"rollcall_session_expires", "When the session with the cluster expires unless it is renewed, in Unix seconds.", gauge, Summary, rollcallLabels, func(c *cluster, out *seriesCollector) {
			if c.status.Session.Phase == session.Reporting {
				out.add(c.sessionInterval().constant(math.Floor(float64(c.status.Session.ExpiresAt.UnixMilli())/1000)), "session", c.status.Session.ID)
			}
		}},
		{"rollcall_report_age_seconds", "Age of the cluster's last report, in seconds since it was received.", gauge, Summary, rollcallLabels, reportAge},
	}
}

func reportAge(c *cluster, out *seriesCollector) {
	at := c.status.ReceivedAt
	if c.report != nil && c.report.ReceivedAt.After(at) {
		at = c.report.ReceivedAt
	}
	if at.IsZero() {
		return
	}
	received := at.UnixMilli()
	s := interval{since: max(received, c.now-presentWindow.Milliseconds()), until: c.now}
	out.add(s.sampled(func(t int64) float64 { return float64(t-received) / 1000 }))
}
