package controllers

import (
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// summaryAt returns the session.Status of a small, healthy cluster, the given time after noon.
func summaryAt(after time.Duration) session.Status {
	o := open
	o.ObservedAt = noon.Add(after)
	o.Summary = &state.Summary{
		Nodes:       state.NodeCounts{Total: 3, Ready: 3, Schedulable: 3},
		Pods:        state.PodCounts{Total: 40, Running: 40},
		Containers:  state.ContainerCounts{Total: 122, Running: 122, Desired: 122, Ready: 120},
		Allocatable: state.Resources{CPUMillis: 10_000, MemoryBytes: 100 << 30},
		Requested:   state.Resources{CPUMillis: 4_100, MemoryBytes: 63 << 30},
		Used:        &state.UsedSum{CPUMillis: 1_200, MemoryBytes: 55 << 30, SampledAt: state.TimeOf(noon), Nodes: 3},
		Healthy:     true,
	}
	return o
}

// with returns a session.Status with a changed summary.
func with(o session.Status, change func(*state.Summary)) session.Status {
	summary := *o.Summary
	change(&summary)
	o.Summary = &summary
	return o
}

// inputsAt returns the inputs for a cluster whose summary of noon is stored, the given time later.
func inputsAt(t *testing.T, after time.Duration, observed session.Status) statusInputs {
	in := statusInputs{now: noon, agent: agentOf("prod-eu", 0), observed: summaryAt(0), interval: time.Minute}
	in.stored = decideStatus(in)
	in.now, in.observed = noon.Add(after), observed
	return in
}

func TestDecideStatusHealthy(t *testing.T) {
	unreachable := failing(dial.DialFailed, "refused")
	unhealthy := with(summaryAt(time.Second), func(s *state.Summary) { s.Healthy = false })
	for _, c := range []struct {
		name string
		with func(*statusInputs)
		want string
	}{
		{"healthy", func(in *statusInputs) { in.observed = summaryAt(time.Second) }, "True/NoProblems"},
		{"not healthy", func(in *statusInputs) { in.observed = unhealthy }, "False/Problems"},
		{"not healthy, with problems", func(in *statusInputs) {
			in.observed = with(unhealthy, func(s *state.Summary) {
				s.ProblemCount, s.Problems = 3, []state.Problem{{Kind: "Node", What: "NotReady", Where: "n1", Message: "kubelet stopped"}}
			})
		}, "False/Problems"},
		{"unreachable for less than cacheTTL", func(in *statusInputs) { in.observed, in.now = unreachable, noon.Add(9*time.Second) }, "True/NoProblems"},
		{"unreachable for cacheTTL", func(in *statusInputs) { in.observed, in.now = unreachable, noon.Add(10*time.Second) }, "Unknown/Stale"},
		{"never reached", func(in *statusInputs) { in.observed, in.stored = unreachable, v1alpha1.ClusterStatusStatus{} }, "Unknown/Stale"},
		{"no attempt yet", func(in *statusInputs) { in.observed, in.stored = session.Status{}, v1alpha1.ClusterStatusStatus{} }, "Unknown/AwaitingFirstContact"},
		{"answered, no summary yet", func(in *statusInputs) { in.observed, in.stored = answered, v1alpha1.ClusterStatusStatus{} }, "Unknown/AwaitingFirstContact"},
		{"after a restart", func(in *statusInputs) { in.observed = session.Status{} }, "True/NoProblems"},
		{"after a restart, unreachable before", func(in *statusInputs) {
			in.observed = session.Status{}
			in.stored.Conditions[0] = in.condition(metav1.ConditionUnknown, v1alpha1.ReasonStale, "DialFailed: refused")
		}, "Unknown/Stale"},
		{"after a restart, from the cache", func(in *statusInputs) { in.observed = unhealthy; in.observed.Ready = state.Unknown }, "False/Problems"},
		{"an agent that cannot read its cluster", func(in *statusInputs) { in.observed.Stale = outdated.Stale }, "Unknown/Stale"},
		{"an agent that cannot read usage", func(in *statusInputs) { in.observed.Stale[state.SectionUsage] = outdated.Stale[state.SectionUsage] }, "True/NoProblems"},
		{"suspended", func(in *statusInputs) { in.agent.Spec.Suspend = true }, "Unknown/Suspended"},
		{"resumed, no attempt yet", func(in *statusInputs) {
			in.observed = session.Status{}
			in.stored.Conditions[0] = in.condition(metav1.ConditionUnknown, v1alpha1.ReasonSuspended, "")
		}, "Unknown/AwaitingFirstContact"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := inputsAt(t, time.Hour, summaryAt(0))
			c.with(&in)
			healthy := decideStatus(in).Conditions[0]
			if got := string(healthy.Status) + "/" + healthy.Reason; got != c.want {
				t.Errorf("got %s (%s), want %s", got, healthy.Message, c.want)
			}
			if healthy.Message == "" {
				t.Error("the message is empty")
			}
		})
	}
}

func TestProblemsMessage(t *testing.T) {
	summary := &v1alpha1.Summary{ProblemCount: 3, Problems: []v1alpha1.Problem{{Kind: "Node", What: "NotReady", Where: "n1", Message: "kubelet stopped"}}}
	if got, want := problems(summary), "Node n1: NotReady: kubelet stopped (and 2 more)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDisplayColumns(t *testing.T) {
	next := decideStatus(statusInputs{now: noon, agent: agentOf("prod-eu", 0), observed: summaryAt(0)})
	want := v1alpha1.Display{Nodes: "3/3", Containers: "120/122", CPURequested: "41%", MemoryRequested: "63%", CPUUsed: "12%", MemoryUsed: "55%"}
	if next.Display != want {
		t.Errorf("got  %+v\nwant %+v", next.Display, want)
	}
	if next.KubernetesVersion != "v1.36.3" || !next.ObservedAt.Equal(timeOf(noon)) {
		t.Errorf("got %q at %v", next.KubernetesVersion, next.ObservedAt)
	}
}

func TestSummaryIsKeptWithoutNewOne(t *testing.T) {
	for name, observed := range map[string]session.Status{
		"a starting master":      {},
		"an unreachable cluster": failing(dial.DialFailed, "refused"),
		"a session without data": open,
		"an older summary":       with(summaryAt(-time.Minute), func(s *state.Summary) { s.Nodes = state.NodeCounts{} }),
		"one without a time": func() session.Status {
			o := with(summaryAt(0), func(s *state.Summary) { s.Nodes = state.NodeCounts{} })
			o.ObservedAt = time.Time{}
			return o
		}(),
	} {
		in := inputsAt(t, time.Hour, observed)
		next := decideStatus(in)
		next.Conditions, in.stored.Conditions = nil, nil
		if !reflect.DeepEqual(next, in.stored) {
			t.Errorf("%s: got  %+v\nwant %+v", name, next, in.stored)
		}
	}
}

func TestFutureObservedAtIsReplaced(t *testing.T) {
	in := inputsAt(t, time.Minute, summaryAt(time.Minute))
	in.stored.ObservedAt = timeOf(noon.Add(time.Hour))
	if got := decideStatus(in).ObservedAt; !got.Equal(timeOf(noon.Add(time.Minute))) {
		t.Errorf("got %v, want what was observed now", got)
	}
}

func TestStatusChange(t *testing.T) {
	problem := state.Problem{Kind: "Pod", What: "Unschedulable", Where: "shop/web-1", Message: "no room"}
	otherWords := problem
	otherWords.Message = "still no room"
	for _, c := range []struct {
		name   string
		after  time.Duration
		change func(*state.Summary)
		want   string
	}{
		{"no difference", time.Minute, func(*state.Summary) {}, reasonHeartbeat},
		{"no difference, within the interval", 59 * time.Second, func(*state.Summary) {}, ""},
		{"a pod more, within the interval", 59 * time.Second, func(s *state.Summary) { s.Pods.Pending = 1 }, ""},
		{"health, within the interval", time.Second, func(s *state.Summary) { s.Healthy = false }, reasonCondition},
		{"a node less", time.Minute, func(s *state.Summary) { s.Nodes.Ready = 2 }, reasonSummary},
		{"a pod more", time.Minute, func(s *state.Summary) { s.Pods.Pending = 1 }, reasonSummary},
		{"a container less", time.Minute, func(s *state.Summary) { s.Containers.Ready = 119 }, reasonSummary},
		{"a port more", time.Minute, func(s *state.Summary) { s.Ports.Taken = 1 }, reasonSummary},
		{"health", time.Minute, func(s *state.Summary) { s.Healthy = false }, reasonCondition},
		{"a problem", time.Minute, func(s *state.Summary) { s.Problems = []state.Problem{problem} }, reasonSummary},
		{"more problems than are listed", time.Minute, func(s *state.Summary) { s.ProblemCounts.Warning = 51 }, reasonSummary},
		{"a muted problem", time.Minute, func(s *state.Summary) { s.Muted = 1 }, reasonSummary},
		{"requested by 4 points", time.Minute, func(s *state.Summary) { s.Requested.CPUMillis += 499 }, reasonHeartbeat},
		{"requested by 5 points", time.Minute, func(s *state.Summary) { s.Requested.CPUMillis += 500 }, reasonSummary},
		{"requested memory by 5 points", time.Minute, func(s *state.Summary) { s.Requested.MemoryBytes -= 5 << 30 }, reasonSummary},
		{"used by 4 points", time.Minute, func(s *state.Summary) { s.Used = &state.UsedSum{CPUMillis: 1_600, MemoryBytes: 51 << 30} }, reasonHeartbeat},
		{"used CPU by 5 points", time.Minute, func(s *state.Summary) { s.Used = &state.UsedSum{CPUMillis: 700, MemoryBytes: 55 << 30} }, reasonSummary},
		{"used memory by 5 points", time.Minute, func(s *state.Summary) { s.Used = &state.UsedSum{CPUMillis: 1_200, MemoryBytes: 60 << 30} }, reasonSummary},
		{"usage unknown", time.Minute, func(s *state.Summary) { s.Used = nil }, reasonSummary},
		{"nothing allocatable", time.Minute, func(s *state.Summary) { s.Allocatable = state.Resources{} }, reasonSummary},
		{"fragmentation", time.Minute, func(s *state.Summary) { s.Fragmentation.CPUMillis = 1 }, reasonHeartbeat},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := inputsAt(t, c.after, with(summaryAt(c.after), c.change))
			if got := statusChange(in.stored, decideStatus(in), in.now, in.interval); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	old, next := summaryAt(0), summaryAt(0)
	old.Summary.Problems, next.Summary.Problems = []state.Problem{problem}, []state.Problem{otherWords}
	if isSignificant(summaryOf(*old.Summary), summaryOf(*next.Summary)) {
		t.Error("other words for a problem count as a change")
	}
}

func TestVersionChangeIsWritten(t *testing.T) {
	in := inputsAt(t, time.Minute, summaryAt(time.Minute))
	in.observed.KubernetesVersion = "v1.37.0"
	if got := statusChange(in.stored, decideStatus(in), in.now, in.interval); got != reasonSummary {
		t.Errorf("got %q, want %q", got, reasonSummary)
	}
}

func TestNoHeartbeatWithoutNewSummary(t *testing.T) {
	in := inputsAt(t, time.Hour, summaryAt(0))
	if got := statusChange(in.stored, decideStatus(in), in.now, in.interval); got != "" {
		t.Errorf("got %q, want no write", got)
	}
}

func TestRequeueAfter(t *testing.T) {
	unreachable, idle := failing(dial.DialFailed, "refused"), summaryAt(0)
	idle.Session.Phase = session.Idle
	for _, c := range []struct {
		name     string
		after    time.Duration
		observed session.Status
		want     time.Duration
	}{
		{"until the interval is over", 20 * time.Second, summaryAt(20 * time.Second), 40 * time.Second},
		{"overdue", 6 * time.Minute, summaryAt(0), overdueRecheck},
		{"until the next refresh", time.Minute, idle, 4 * time.Minute},
		{"a refresh that is overdue", 6 * time.Minute, idle, overdueRecheck},
		{"until it is stale", 4 * time.Second, unreachable, 6 * time.Second},
		{"stale already", time.Minute, unreachable, 4 * time.Minute},
	} {
		in := inputsAt(t, c.after, c.observed)
		if got := in.requeueAfter(decideStatus(in)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
