package state_test

import (
	"slices"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// check compares the problems and the health of a State at now with what they should be.
func check(t *testing.T, s *state.State, healthy bool, want ...row) state.Summary {
	t.Helper()
	got := state.Summarize(s, now)
	var rows []row
	for _, p := range got.Problems {
		rows = append(rows, row{p.Severity, p.Kind, p.What, p.Where, p.Count})
	}
	if got.Healthy != healthy || !slices.Equal(rows, want) {
		t.Errorf("healthy %v, problems %+v\nwant    %v          %+v", got.Healthy, rows, healthy, want)
	}
	return got
}

func TestACrashLoopIsToldWhileItLasts(t *testing.T) {
	// KubePodCrashLooping does not care in which state the container is at the moment.
	for name, edit := range map[string]func(*state.Container){
		"waiting":    func(c *state.Container) { c.Reason = "CrashLoopBackOff" },
		"terminated": func(c *state.Container) { c.State, c.Reason = state.Terminated, "Completed" },
		"running": func(c *state.Container) {
			c.State, c.Ready, c.NotReadySince, c.StartedAt = state.Running, true, 0, ago(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, cluster(t, pod("web-1"), container("web-1", "", time.Hour, looping(time.Hour), edit)), false,
				row{state.SeverityCritical, "Container", "CrashLoopBackOff", "shop/web-1/app", 1})
		})
	}
}

func TestRequestsOfPodsThatWaitForANodeCountAsRequested(t *testing.T) {
	waiting := pod("web-1", broken(time.Minute), func(p *state.Pod) {
		p.Node, p.Phase, p.Reason, p.UnschedulableSince = "", state.PodPending, "Unschedulable", ago(time.Minute)
		p.Requested = state.Resources{CPUMillis: 3000, MemoryBytes: 10}
	})
	has := state.Resources{CPUMillis: 2000, MemoryBytes: 100}
	a, b := &state.Node{Name: "a", Ready: state.True, Allocatable: has}, &state.Node{Name: "b", Ready: state.True, Allocatable: has}
	load := &state.NodeLoad{Node: "a", Requested: state.Resources{CPUMillis: 1000, MemoryBytes: 10}}
	unschedulable := row{state.SeverityCritical, "Pod", "Unschedulable", "shop/web-1", 1}
	overcommit := row{state.SeverityWarning, "Cluster", "CPUOvercommit", "cpu", 1}
	check(t, cluster(t, a, b, load, waiting), true, unschedulable, overcommit)
	// One node cannot be lost, but more can be asked for than it has.
	check(t, cluster(t, a, load, waiting), true, unschedulable, overcommit)
	check(t, cluster(t, a, load), true)
	check(t, cluster(t, waiting), true, unschedulable)
}

func TestAPodThatIsNotReadyIsToldThoughItTerminates(t *testing.T) {
	// It has an hour to terminate, and KubePodNotReady tells of it after a quarter.
	going := func(since time.Duration) *state.State {
		return cluster(t, pod("web-1", broken(since), terminating(-time.Hour)), container("web-1", "", since, func(c *state.Container) { c.State = state.Running }))
	}
	got := check(t, going(14*time.Minute), true)
	if want := now.Add(time.Minute); !got.NextEvaluation.Equal(want) {
		t.Errorf("it is evaluated anew at %v, want %v", got.NextEvaluation, want)
	}
	check(t, going(15*time.Minute), true, row{state.SeverityWarning, "Pod", "NotReady", "shop/web-1", 1})
}

func TestANodesProblemIsAsOldAsTheAgentSaw(t *testing.T) {
	n := node(condition("Ready", state.Unknown, 10*time.Second))
	n.NotReadySince = ago(time.Hour)
	check(t, cluster(t, n), false, row{state.SeverityCritical, "Node", "NotReady", "n", 1})
}

func TestJobsOfACronJobAreMutedByItsName(t *testing.T) {
	s := cluster(t, pod("cron-1", failed("Error", time.Hour), ofJob("load-29876540")))
	for owner, muted := range map[string]bool{"CronJob/load": true, "load": true, "Job/load-29876540": true, "CronJob/other": false, "Job/load": false, "Deployment/load": false} {
		if got := state.Summarize(s, now, state.Ignore{Owner: owner}); got.Muted != count(muted) || got.Healthy != muted {
			t.Errorf("owner %s: %d muted, healthy %v", owner, got.Muted, got.Healthy)
		}
	}
	other := cluster(t, pod("web-1", broken(time.Hour)), container("web-1", "Error", time.Hour))
	if got := state.Summarize(other, now, state.Ignore{Owner: "CronJob/web"}); got.Muted != 0 {
		t.Errorf("a Deployment is muted as a CronJob: %+v", got.Problems)
	}
}

func TestWhatIsOverIsNoPartOfAProblem(t *testing.T) {
	// The Job of yesterday failed and was made good since; that of today has failed.
	s := cluster(t,
		pod("cron-1", failed("Error", 24*time.Hour), ofJob("load-29876540")),
		pod("cron-2", succeeded(12*time.Hour), ofJob("load-29876560"), func(p *state.Pod) { p.CreatedAt = ago(13 * time.Hour) }),
		pod("cron-3", failed("Error", time.Minute), ofJob("load-29876600")))
	got := check(t, s, true, row{state.SeverityCritical, "Pod", "Error", "shop/cron-3", 1}, row{state.SeverityInfo, "Pod", "Error", "shop/cron-1", 1})
	if since := got.Problems[0].Since; since != ago(time.Minute) {
		t.Errorf("the problem is since %v, want since a minute", since.Time())
	}
}
