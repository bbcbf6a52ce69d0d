package samples

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
)

// Count is a number of a cluster's summary.
type Count struct {
	Count history.Count
	// Field is its name in systems without labels, "" if they do not get it.
	Field string
	// Family is its metric, and Labels the names and values of the labels of its series.
	Family *Family
	Labels []string
	// divisor converts it to the unit of the Family.
	divisor float64
}

// Of returns the number of a summary, in the unit of the Family.
func (c *Count) Of(all *history.Counts) float64 { return float64(all.Value(c.Count)) / c.divisor }

// countFamily is a metric of some numbers.
type countFamily struct {
	name, help string
	counts     []Count
}

// one returns the only series of a metric.
func one(c history.Count, field string) []Count { return []Count{{Count: c, Field: field, divisor: 1}} }

// labeled returns a series of a metric that has one for each value of a label.
func labeled(c history.Count, field, label, value string) Count {
	return Count{Count: c, Field: field, Labels: []string{label, value}, divisor: 1}
}

// byResource returns series of CPU, memory, ephemeral storage and pods, in this order, for as many
// counts as are passed.
func byResource(of ...history.Count) []Count {
	all := []Count{
		{divisor: 1000, Labels: []string{"resource", "cpu", "unit", "core"}},
		{divisor: 1, Labels: []string{"resource", "memory", "unit", "byte"}},
		{divisor: 1, Labels: []string{"resource", "ephemeral_storage", "unit", "byte"}},
		{divisor: 1, Labels: []string{"resource", "pods", "unit", "integer"}},
	}[:len(of)]
	for i, c := range of {
		all[i].Count = c
	}
	return all
}

var countFamilies = []countFamily{
	{"nodes", "Number of nodes.", one(history.NodesTotal, "nodes_total")},
	{"nodes_ready", "Number of nodes that are ready.", one(history.NodesReady, "nodes_ready")},
	{"nodes_schedulable", "Number of schedulable nodes.", one(history.NodesSchedulable, "nodes_schedulable")},
	{"pods", "Number of pods.", one(history.PodsTotal, "pods_total")},
	{"pods_by_phase", "Number of pods by phase.", []Count{
		labeled(history.PodsPending, "pods_pending", "phase", phases[0]),
		labeled(history.PodsRunning, "pods_running", "phase", phases[1]),
		labeled(history.PodsSucceeded, "pods_succeeded", "phase", phases[2]),
		labeled(history.PodsFailed, "pods_failed", "phase", phases[3]),
		labeled(history.PodsUnknown, "pods_unknown", "phase", phases[4]),
	}},
	{"pods_terminating", "Number of pods that are being deleted. They are included in the counts by phase.", one(history.PodsTerminating, "pods_terminating")},
	{"containers", "Number of containers of all kinds.", one(history.ContainersTotal, "containers_total")},
	{"containers_by_state", "Number of containers by state.", []Count{
		labeled(history.ContainersRunning, "containers_running", "state", "running"),
		labeled(history.ContainersWaiting, "containers_waiting", "state", "waiting"),
		labeled(history.ContainersTerminated, "containers_terminated", "state", "terminated"),
		labeled(history.ContainersUnknown, "containers_unknown", "state", "unknown"),
	}},
	{"containers_desired", "Number of main and sidecar containers of unfinished pods.", one(history.ContainersDesired, "containers_desired")},
	{"containers_ready", "Number of main and sidecar containers of unfinished pods that are ready.", one(history.ContainersReady, "containers_ready")},
	{"container_restarts", "Total restarts of all existing containers. It falls when a container is deleted.", one(history.ContainersRestarts, "containers_restarts")},
	{"capacity", "The capacity of all nodes.", byResource(history.CapacityCPU, history.CapacityMemory, history.CapacityStorage, history.CapacityPods)},
	{"allocatable", "The allocatable resources of all nodes.", byResource(history.AllocatableCPU, history.AllocatableMemory, history.AllocatableStorage, history.AllocatablePods)},
	{"requested", "The resource requests of unfinished pods.", byResource(history.RequestedCPU, history.RequestedMemory, history.RequestedStorage)},
	{"limits", "The resource limits of unfinished pods.", byResource(history.LimitsCPU, history.LimitsMemory, history.LimitsStorage)},
	{"used", "The resource usage of all nodes whose usage is known.", byResource(history.UsedCPU, history.UsedMemory)},
	{"used_nodes", "Number of nodes whose usage is known.", one(history.UsedNodes, "")},
	{"largest_free", "The largest free amount on a single ready and schedulable node.", byResource(history.LargestFreeCPU, history.LargestFreeMemory)},
	{"ports_taken", "Number of ports in use.", one(history.PortsTaken, "ports_taken")},
	{"ports_conflicts", "Number of ports that are claimed more than once.", one(history.PortsConflicts, "ports_conflicts")},
	{"problems", "Number of critical problems and warnings, without muted ones.", one(history.ProblemCount, "problems")},
	{"problems_by_severity", "Number of problems by severity, without muted ones.", []Count{
		labeled(history.ProblemsCritical, "", "severity", "critical"),
		labeled(history.ProblemsWarning, "", "severity", "warning"),
		labeled(history.ProblemsInfo, "", "severity", "info"),
	}},
	{"healthy", "Whether the cluster is healthy.", one(history.Healthy, "healthy")},
}

// Counts are the numbers that have a Field, in the order of history.Count.
var Counts = countsWithField()

func countsWithField() (all []Count) {
	for _, f := range countFamilies {
		for _, c := range f.counts {
			if c.Field != "" {
				c.Family = mustFamily(f.familyName())
				all = append(all, c)
			}
		}
	}
	slices.SortFunc(all, func(a, b Count) int { return cmp.Compare(a.Count, b.Count) })
	return all
}

func (f *countFamily) familyName() string { return "rollcall_cluster_" + f.name }

// clusterFamilies returns the families of the counts and of the sessions.
func clusterFamilies() []Family {
	var all []Family
	for _, f := range countFamilies {
		all = append(all, Family{f.familyName(), f.help, model.MetricTypeGauge, Summary, rollcallLabels, f.collect})
	}
	return append(all, sessionFamilies()...)
}

func (f *countFamily) collect(c *Cluster, out *Collector) {
	if c.History == nil {
		return
	}
	for _, n := range f.counts {
		out.Add(scaled(func(from, to int64) iter.Seq[history.Sample] { return c.History.Count(n.Count, from, to) }, n.divisor), n.Labels...)
	}
}

var sessionPhases = []session.Phase{session.Idle, session.Connecting, session.Reporting, session.Backoff}

// sessionFamilies returns the families of the sessions of all registered clusters.
func sessionFamilies() []Family {
	gauge := model.MetricTypeGauge
	return []Family{
		{"up", "Whether the cluster's last report is current enough to be served.", gauge, Summary, rollcallLabels, func(c *Cluster, out *Collector) {
			out.Add(c.sessionInterval().constant(boolValue(c.Fresh())), "instance", c.Name)
		}},
		{"rollcall_cluster_info", "Information about a registered cluster.", gauge, Summary, rollcallLabels, func(c *Cluster, out *Collector) {
			out.Add(c.sessionInterval().constant(1), "uid", c.Status.UID, "kubernetes_version", c.Status.KubernetesVersion, "agent_version", c.Status.AgentVersion)
		}},
		{"rollcall_session_phase", "The phase of the session with the cluster.", gauge, Summary, rollcallLabels, func(c *Cluster, out *Collector) {
			for _, phase := range sessionPhases {
				out.Add(c.sessionInterval().constant(boolValue(phase == c.Status.Session.Phase)), "phase", string(phase))
			}
		}},
		{"rollcall_session_expires", "When the session with the cluster expires unless it is renewed, in Unix seconds.", gauge, Summary, rollcallLabels, func(c *Cluster, out *Collector) {
			if c.Status.Session.Phase == session.Reporting {
				out.Add(c.sessionInterval().constant(math.Floor(float64(c.Status.Session.ExpiresAt.UnixMilli())/1000)), "session", c.Status.Session.ID)
			}
		}},
		{"rollcall_report_age_seconds", "Age of the cluster's last report, in seconds since it was received.", gauge, Summary, rollcallLabels, reportAge},
	}
}

func reportAge(c *Cluster, out *Collector) {
	at := c.Status.ReceivedAt
	if c.Report != nil && c.Report.ReceivedAt.After(at) {
		at = c.Report.ReceivedAt
	}
	if at.IsZero() {
		return
	}
	received := at.UnixMilli()
	s := interval{since: max(received, c.Now-presentWindow.Milliseconds()), until: c.Now}
	out.Add(s.sampled(func(t int64) float64 { return float64(t-received) / 1000 }))
}
