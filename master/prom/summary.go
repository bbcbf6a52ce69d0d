package prom

import (
	"iter"
	"math"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
)

// number is one of a summary's counts as a series.
type number struct {
	count history.Count
	by    float64
	pairs []string
}

func clusterFamilies() []family {
	var all []family
	counted := func(name, help string, numbers ...number) {
		all = append(all, family{"rollcall_cluster_" + name, help, model.MetricTypeGauge, Summary, ours, counts(numbers)})
	}
	plainly := func(name, help string, c history.Count) { counted(name, help, number{count: c, by: 1}) }
	plainly("nodes", "Nodes.", history.NodesTotal)
	plainly("nodes_ready", "Nodes that are ready.", history.NodesReady)
	plainly("nodes_schedulable", "Nodes that take new pods.", history.NodesSchedulable)
	plainly("pods", "Pods.", history.PodsTotal)
	counted("pods_by_phase", "Pods by phase.", words("phase", history.PodsPending, phases[0], history.PodsRunning, phases[1], history.PodsSucceeded, phases[2], history.PodsFailed, phases[3], history.PodsUnknown, phases[4])...)
	plainly("pods_terminating", "Pods that are being deleted; they count under their phase too.", history.PodsTerminating)
	plainly("containers", "Containers of all kinds.", history.ContainersTotal)
	counted("containers_by_state", "Containers by state.", words("state", history.ContainersRunning, "running", history.ContainersWaiting, "waiting", history.ContainersTerminated, "terminated", history.ContainersUnknown, "unknown")...)
	plainly("containers_desired", "Main and sidecar containers of unfinished pods.", history.ContainersDesired)
	plainly("containers_ready", "Those of the desired containers that are ready.", history.ContainersReady)
	plainly("container_restarts", "Restarts of all containers that there are; it falls where one goes.", history.ContainersRestarts)
	counted("capacity", "What all nodes have.", amountsOf(history.CapacityCPU, history.CapacityMemory, history.CapacityStorage, history.CapacityPods)...)
	counted("allocatable", "What all nodes have for pods.", amountsOf(history.AllocatableCPU, history.AllocatableMemory, history.AllocatableStorage, history.AllocatablePods)...)
	counted("requested", "What unfinished pods request.", amountsOf(history.RequestedCPU, history.RequestedMemory, history.RequestedStorage)...)
	counted("limits", "What unfinished pods may use at most.", amountsOf(history.LimitsCPU, history.LimitsMemory, history.LimitsStorage)...)
	counted("used", "What all nodes use of which it is known.", amountsOf(history.UsedCPU, history.UsedMemory)...)
	plainly("used_nodes", "Nodes of which it is known what they use.", history.UsedNodes)
	counted("largest_free", "The most that is free on any one ready and schedulable node.", amountsOf(history.LargestFreeCPU, history.LargestFreeMemory)...)
	plainly("ports_taken", "Ports that are taken.", history.PortsTaken)
	plainly("ports_conflicts", "Ports that cannot be had by all who claim them.", history.PortsConflicts)
	plainly("problems", "Problems that are critical or warnings, without the muted ones.", history.ProblemCount)
	counted("problems_by_severity", "Problems by severity, without the muted ones.", words("severity", history.ProblemsCritical, "critical", history.ProblemsWarning, "warning", history.ProblemsInfo, "info")...)
	plainly("healthy", "Whether the cluster is healthy.", history.Healthy)
	return append(all, standingFamilies()...)
}

// words are counts that differ by a label: counts and words in turns.
func words(label string, pairs ...any) []number {
	var all []number
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, number{pairs[i].(history.Count), 1, []string{label, pairs[i+1].(string)}}) //nolint:gosec // they come in pairs
	}
	return all
}

// amountsOf are counts of CPU, memory, ephemeral storage and pods, as far as there are.
func amountsOf(of ...history.Count) []number {
	like := []number{
		{by: 1000, pairs: []string{"resource", "cpu", "unit", "core"}},
		{by: 1, pairs: []string{"resource", "memory", "unit", "byte"}},
		{by: 1, pairs: []string{"resource", "ephemeral_storage", "unit", "byte"}},
		{by: 1, pairs: []string{"resource", "pods", "unit", "integer"}},
	}[:len(of)]
	for i, c := range of {
		like[i].count = c
	}
	return like
}

func counts(numbers []number) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		if c.past == nil {
			return
		}
		for _, n := range numbers {
			out.add(scaled(func(from, to int64) iter.Seq[history.Sample] { return c.past.Count(n.count, from, to) }, n.by), n.pairs...)
		}
	}
}

var sessionPhases = []session.Phase{session.Idle, session.Connecting, session.Reporting, session.Backoff}

// standingFamilies are how a cluster's session stands, of all that are registered.
func standingFamilies() []family {
	gauge := model.MetricTypeGauge
	return []family{
		{"up", "Whether the cluster's last report may be served.", gauge, Summary, ours, func(c *cluster, out *sink) {
			fresh := c.value != nil && c.value.State != nil && c.expired() == 0
			out.add(c.reports().holds(truth(fresh)), "instance", c.name)
		}},
		{"rollcall_cluster_info", "A registered cluster.", gauge, Summary, ours, func(c *cluster, out *sink) {
			out.add(c.reports().holds(1), "uid", c.told.UID, "kubernetes_version", c.told.KubernetesVersion, "agent_version", c.told.AgentVersion)
		}},
		{"rollcall_session_phase", "How the session with the cluster stands.", gauge, Summary, ours, func(c *cluster, out *sink) {
			for _, phase := range sessionPhases {
				out.add(c.reports().holds(truth(phase == c.told.Session.Phase)), "phase", string(phase))
			}
		}},
		{"rollcall_session_expires", "When the session with the cluster ends unless it is renewed, in Unix seconds.", gauge, Summary, ours, func(c *cluster, out *sink) {
			if c.told.Session.Phase == session.Reporting {
				out.add(c.reports().holds(math.Floor(float64(c.told.Session.ExpiresAt.UnixMilli())/1000)), "session", c.told.Session.ID)
			}
		}},
		{"rollcall_report_age_seconds", "Seconds since the cluster's last report was received.", gauge, Summary, ours, reportAge},
	}
}

func reportAge(c *cluster, out *sink) {
	at := c.told.ReceivedAt
	if c.value != nil && c.value.ReceivedAt.After(at) {
		at = c.value.ReceivedAt
	}
	if at.IsZero() {
		return
	}
	received := at.UnixMilli()
	s := stretch{since: max(received, c.now-presentFor.Milliseconds()), until: c.now}
	out.add(s.follows(func(t int64) float64 { return float64(t-received) / 1000 }))
}
