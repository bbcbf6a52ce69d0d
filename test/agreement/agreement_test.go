package agreement

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

// seeds is the number of random states.
const seeds = 30

// sizes has numbers of pods: small ones, and one with more problems than a summary
// lists.
var sizes = []int{3, 20, 250}

// document has the fields of a response for one cluster.
type document struct {
	Summary    state.Summary         `json:"summary"`
	Nodes      []state.NodeView      `json:"nodes"`
	Pods       []state.PodView       `json:"pods"`
	Containers []state.ContainerView `json:"containers"`
	Ports      []state.PortView      `json:"ports"`
}

// equal fails the test unless two values are deeply equal.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, text(got), text(want))
	}
}

// text formats a value as JSON.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(b)
}

func TestSummariesAgree(t *testing.T) {
	env := newEnvironment(t, seeds, sizes...)
	listed := map[string]state.Summary{}
	for c, err := range env.client.AllClusters(t.Context(), client.ClusterOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		listed[c.Name] = *c.Summary
	}
	watched := watchedSummaries(t, env)
	unlisted := 0
	for _, name := range env.names() {
		var whole, part document
		env.get(t, "/api/v1/clusters/"+name, nil, &whole)
		env.get(t, "/api/v1/clusters/"+name+"/summary", nil, &part)
		equal(t, name+": summaries of the whole document and of /summary", whole.Summary, part.Summary)
		equal(t, name+": summaries of /clusters and /summary", listed[name], part.Summary)
		equal(t, name+": summaries of the watch of /clusters and /summary", watched[name], part.Summary)
		equal(t, name+": output of kubectl rollcall problems, and the problems of /summary", printedProblems(t, env, name), problemCells(part.Summary.Problems))
		unlisted += part.Summary.More.Critical + part.Summary.More.Warning + part.Summary.More.Info
	}
	if unlisted == 0 {
		t.Error("no cluster has more problems than a summary lists, want some")
	}
}

// watchedSummaries returns the summaries in the initial events of the watch of clusters.
func watchedSummaries(t *testing.T, env *environment) map[string]state.Summary {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	watched := map[string]state.Summary{}
	for e, err := range env.client.WatchClusters(ctx, client.WatchClustersOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := e.Object.(*client.Cluster); ok {
			watched[c.Name] = *c.Summary
		}
		if e.InitialEnd {
			break
		}
	}
	return watched
}

// printedProblems returns the rows of kubectl's table without ages.
func printedProblems(t *testing.T, env *environment, name string) [][]string {
	t.Helper()
	var rows [][]string
	for line := range strings.Lines(env.kubectl(t, "problems", name, "--no-headers")) {
		rows = append(rows, strings.Fields(line)[:5])
	}
	return rows
}

// problemCells returns the columns SEVERITY, KIND, WHAT, WHERE and COUNT of problems.
func problemCells(problems []state.Problem) [][]string {
	var rows [][]string
	for _, p := range problems {
		severity := p.Severity.String()
		if p.Muted != "" {
			severity = "muted"
		}
		rows = append(rows, []string{severity, p.Kind, p.What, p.Where, strconv.Itoa(p.Count)})
	}
	return rows
}

func TestSummaryCountsMatchTheLists(t *testing.T) {
	env := newEnvironment(t, seeds, sizes...)
	for _, name := range env.names() {
		var d, nodes, pods, containers, ports document
		env.get(t, "/api/v1/clusters/"+name, nil, &d)
		for part, into := range map[string]*document{"nodes": &nodes, "pods": &pods, "containers": &containers, "ports": &ports} {
			env.get(t, "/api/v1/clusters/"+name+"/"+part, nil, into)
		}
		equal(t, name+": /nodes and the whole document", nodes.Nodes, d.Nodes)
		equal(t, name+": /pods and the whole document", pods.Pods, d.Pods)
		equal(t, name+": /containers and the whole document", containers.Containers, d.Containers)
		equal(t, name+": /ports and the whole document", ports.Ports, d.Ports)
		got, want := d.Summary, countLists(&d)
		want.Healthy, want.Problems = got.Healthy, got.Problems
		want.ProblemCount, want.ProblemCounts, want.More, want.Muted = got.ProblemCount, got.ProblemCounts, got.More, got.Muted
		equal(t, name+": the summary, and the counts of the lists", got, want)
		checkProblemCounts(t, name, &got)
	}
}

// countLists returns a summary's counts, computed from lists.
func countLists(d *document) state.Summary {
	var sum state.Summary
	for _, n := range d.Nodes {
		sum.Nodes.Total++
		sum.Nodes.Ready += count(n.Ready == state.True)
		sum.Nodes.Schedulable += count(n.Schedulable)
		sum.Capacity.Add(n.Capacity)
		sum.Allocatable.Add(n.Allocatable)
		load := n.NodeLoad
		if load == nil {
			load = &state.NodeLoad{}
		}
		sum.Requested.Add(load.Requested)
		sum.Limits.Add(load.Limits)
		if n.Ready == state.True && n.Schedulable {
			free := &sum.Fragmentation
			free.CPUMillis = max(free.CPUMillis, n.Allocatable.CPUMillis-load.Requested.CPUMillis)
			free.MemoryBytes = max(free.MemoryBytes, n.Allocatable.MemoryBytes-load.Requested.MemoryBytes)
		}
		if n.Used != nil {
			if sum.Used == nil {
				sum.Used = &state.UsedSum{SampledAt: n.Used.SampledAt}
			}
			sum.Used.Nodes++
			sum.Used.CPUMillis += n.Used.CPUMillis
			sum.Used.MemoryBytes += n.Used.MemoryBytes
			sum.Used.SampledAt = min(sum.Used.SampledAt, n.Used.SampledAt)
		}
	}
	countPods(d, &sum)
	for _, p := range d.Ports {
		sum.Ports.Taken++
		sum.Ports.Conflicts += count(len(p.Conflicts) > 0)
	}
	return sum
}

// countPods adds the counts of pods and containers.
func countPods(d *document, sum *state.Summary) {
	finished := map[string]bool{}
	for _, p := range d.Pods {
		sum.Pods.Total++
		sum.Pods.Terminating += count(p.Terminating)
		*map[state.PodPhase]*int{
			state.PodPending: &sum.Pods.Pending, state.PodRunning: &sum.Pods.Running, state.PodSucceeded: &sum.Pods.Succeeded,
			state.PodFailed: &sum.Pods.Failed, state.PodUnknown: &sum.Pods.Unknown,
		}[p.Phase]++
		finished[p.Namespace+"/"+p.Name] = p.Phase == state.PodSucceeded || p.Phase == state.PodFailed
	}
	for _, c := range d.Containers {
		sum.Containers.Total++
		if finished[c.Namespace+"/"+c.Pod] {
			sum.Containers.Terminated++
			continue
		}
		*map[state.ContainerState]*int{
			state.Running: &sum.Containers.Running, state.Waiting: &sum.Containers.Waiting,
			state.Terminated: &sum.Containers.Terminated, state.ContainerUnknown: &sum.Containers.Unknown,
		}[c.State]++
		sum.Containers.Restarts += int(c.Restarts)
		if c.Kind == state.Main || c.Kind == state.Sidecar {
			sum.Containers.Desired++
			sum.Containers.Ready += count(c.Ready)
		}
	}
}

// checkProblemCounts compares the counts of problems with the listed problems.
func checkProblemCounts(t *testing.T, name string, sum *state.Summary) {
	t.Helper()
	var rows, counts state.ProblemCounts
	muted := 0
	for _, p := range sum.Problems {
		switch {
		case p.Muted != "":
			muted++
		case p.Severity == state.SeverityCritical:
			rows.Critical++
		case p.Severity == state.SeverityWarning:
			rows.Warning++
		case p.Severity == state.SeverityInfo:
			rows.Info++
		}
	}
	counts = sum.ProblemCounts
	counts.Critical -= sum.More.Critical
	counts.Warning -= sum.More.Warning
	counts.Info -= sum.More.Info
	equal(t, name+": problemCounts without more, and the rows", counts, rows)
	equal(t, name+": problemCount, and the sum of critical and warning", sum.ProblemCount, sum.ProblemCounts.Critical+sum.ProblemCounts.Warning)
	if muted > sum.Muted || len(sum.Problems) < state.MaxProblems && (muted != sum.Muted || sum.More != state.ProblemCounts{}) {
		t.Errorf("%s: got %d of %d muted problems and %+v unlisted problems in %d rows", name, muted, sum.Muted, sum.More, len(sum.Problems))
	}
	if !slices.IsSortedFunc(sum.Problems, func(a, b state.Problem) int {
		if (a.Muted != "") != (b.Muted != "") {
			return count(a.Muted != "") - count(b.Muted != "")
		}
		return int(a.Severity) - int(b.Severity)
	}) {
		t.Errorf("%s: problems are not sorted by severity", name)
	}
}

// count returns 1 for true and 0 for false.
func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func TestSeriesMatchTheSummary(t *testing.T) {
	env := newEnvironment(t, seeds, sizes...)
	for _, name := range env.names() {
		var d document
		env.get(t, "/api/v1/clusters/"+name+"/summary", nil, &d)
		var response struct{ Data struct{ Result model.Vector } }
		env.get(t, "/prometheus/api/v1/query", map[string][]string{"query": {fmt.Sprintf(`{__name__=~"rollcall_cluster_.+",__name__!="rollcall_cluster_info",cluster=%q}`, name)}}, &response)
		got := map[string]float64{}
		for _, s := range response.Data.Result {
			key := strings.TrimPrefix(string(s.Metric[model.MetricNameLabel]), "rollcall_cluster_")
			for _, label := range []model.LabelName{"phase", "state", "severity", "resource"} {
				if value := s.Metric[label]; value != "" {
					key += " " + string(value)
				}
			}
			got[key] = float64(s.Value)
		}
		equal(t, name+": the series and the summary", got, seriesOf(&d.Summary))
	}
}

// seriesOf returns the series rollcall_cluster_… of a summary.
func seriesOf(sum *state.Summary) map[string]float64 {
	pods, containers := &sum.Pods, &sum.Containers
	all := map[string]float64{}
	for name, n := range map[string]int{
		"nodes": sum.Nodes.Total, "nodes_ready": sum.Nodes.Ready, "nodes_schedulable": sum.Nodes.Schedulable,
		"pods": pods.Total, "pods_by_phase Pending": pods.Pending, "pods_by_phase Running": pods.Running, "pods_by_phase Succeeded": pods.Succeeded,
		"pods_by_phase Failed": pods.Failed, "pods_by_phase Unknown": pods.Unknown, "pods_terminating": pods.Terminating,
		"containers": containers.Total, "containers_by_state running": containers.Running, "containers_by_state waiting": containers.Waiting,
		"containers_by_state terminated": containers.Terminated, "containers_by_state unknown": containers.Unknown,
		"containers_desired": containers.Desired, "containers_ready": containers.Ready, "container_restarts": containers.Restarts,
		"ports_taken": sum.Ports.Taken, "ports_conflicts": sum.Ports.Conflicts, "problems": sum.ProblemCount, "healthy": count(sum.Healthy),
		"problems_by_severity critical": sum.ProblemCounts.Critical, "problems_by_severity warning": sum.ProblemCounts.Warning,
		"problems_by_severity info": sum.ProblemCounts.Info,
	} {
		all[name] = float64(n)
	}
	for name, r := range map[string]state.Resources{"capacity": sum.Capacity, "allocatable": sum.Allocatable, "requested": sum.Requested, "limits": sum.Limits} {
		all[name+" cpu"], all[name+" memory"], all[name+" ephemeral_storage"] = float64(r.CPUMillis)/1000, float64(r.MemoryBytes), float64(r.EphemeralStorageBytes)
	}
	all["capacity pods"], all["allocatable pods"] = float64(sum.Capacity.Pods), float64(sum.Allocatable.Pods)
	all["largest_free cpu"], all["largest_free memory"] = float64(sum.Fragmentation.CPUMillis)/1000, float64(sum.Fragmentation.MemoryBytes)
	if u := sum.Used; u != nil {
		all["used cpu"], all["used memory"], all["used_nodes"] = float64(u.CPUMillis)/1000, float64(u.MemoryBytes), float64(u.Nodes)
	}
	return all
}
