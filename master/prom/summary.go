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
	counted := func(name, help string, numbers ...countSeries) {
		all = append(all, family{"rollcall_cluster_" + name, help, model.MetricTypeGauge, Summary, rollcallLabels, counts(numbers)})
	}
	plainly := func(name, help string, c history.Count) { counted(name, help, countSeries{count: c, divisor: 1}) }
	plainly("nodes", "Number of nodes.", history.NodesTotal)
	plainly("nodes_ready", "Number of nodes that are ready.", history.NodesReady)
	plainly("nodes_schedulable", "Number of schedulable nodes.", history.NodesSchedulable)
	plainly("pods", "Number of pods.", history.PodsTotal)
	counted("pods_by_phase", "Number of pods by phase.", byLabel("phase", history.PodsPending, phases[0], history.PodsRunning, phases[1], history.PodsSucceeded, phases[2], history.PodsFailed, phases[3], history.PodsUnknown, phases[4])...)
	plainly("pods_terminating", "Number of pods that are being deleted. They are included in the counts by phase.", history.PodsTerminating)
	plainly("containers", "Number of containers of all kinds.", history.ContainersTotal)
	counted("containers_by_state", "Number of containers by state.", byLabel("state", history.ContainersRunning, "running", history.ContainersWaiting, "waiting", history.ContainersTerminated, "terminated", history.ContainersUnknown, "unknown")...)
	plainly("containers_desired", "Number of main and sidecar containers of unfinished pods.", history.ContainersDesired)
	plainly("containers_ready", "Number of main and sidecar containers of unfinished pods that are ready.", history.ContainersReady)
	plainly("container_restarts", "Total restarts of all existing containers. It falls when a container is deleted.", history.ContainersRestarts)
	counted("capacity", "The capacity of all nodes.", byResource(history.CapacityCPU, history.CapacityMemory, history.CapacityStorage, history.CapacityPods)...)
	counted("allocatable", "The allocatable resources of all nodes.", byResource(history.AllocatableCPU, history.AllocatableMemory, history.AllocatableStorage, history.AllocatablePods)...)
	counted("requested", "The resource requests of unfinished pods.", byResource(history.RequestedCPU, history.RequestedMemory, history.RequestedStorage)...)
	counted("limits", "The resource limits of unfinished pods.", byResource(history.LimitsCPU, history.LimitsMemory, history.LimitsStorage)...)
	counted("used", "The resource usage of all nodes whose usage is known.", byResource(history.UsedCPU, history.UsedMemory)...)
	plainly("used_nodes", "Number of nodes whose usage is known.", history.UsedNodes)
	counted("largest_free", "The largest free amount on a single ready and schedulable node.", byResource(history.LargestFreeCPU, history.LargestFreeMemory)...)
	plainly("ports_taken", "Number of ports in use.", history.PortsTaken)
	plainly("ports_conflicts", "Number of ports that are claimed more than once.", history.PortsConflicts)
	plainly("problems", "Number of critical problems and warnings, without muted ones.", history.ProblemCount)
	counted("problems_by_severity", "Number of problems by severity, without muted ones.", byLabel("severity", history.ProblemsCritical, "critical", history.ProblemsWarning, "warning", history.ProblemsInfo, "info")...)
	plainly("healthy", "Whether the cluster is healthy.", history.Healthy)
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
	like := []countSeries{
		{divisor: 1000, pairs: []string{"resource", "cpu", "unit", "core"}},
		{divisor: 1, pairs: []string{"resource", "memory", "unit", "byte"}},
		{divisor: 1, pairs: []string{"resource", "ephemeral_storage", "unit", "byte"}},
		{divisor: 1, pairs: []string{"resource", "pods", "unit", "integer"}},
	}[:len(of)]
	for i, c := range of {
		like[i].count = c
	}
	return like
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
			fresh := c.value != nil && c.value.State != nil && c.expiredAt() == 0
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
	if c.value != nil && c.value.ReceivedAt.After(at) {
		at = c.value.ReceivedAt
	}
	if at.IsZero() {
		return
	}
	received := at.UnixMilli()
	s := interval{since: max(received, c.now-presentWindow.Milliseconds()), until: c.now}
	out.add(s.sampled(func(t int64) float64 { return float64(t-received) / 1000 }))
}
