package state_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

var shopWeb = state.Owner{Kind: "Deployment", Name: "web"}

// pod returns a working pod of the Deployment shop/web, changed by edit.
func pod(name string, edit ...func(*state.Pod)) *state.Pod {
	p := &state.Pod{Namespace: "shop", Name: name, Node: "n", Phase: state.PodRunning, Status: "Running", Owner: shopWeb, CreatedAt: ago(24 * time.Hour)}
	for _, f := range edit {
		f(p)
	}
	return p
}

func broken(since time.Duration) func(*state.Pod) {
	return func(p *state.Pod) { p.NotReadySince = ago(since) }
}

// container returns the container app of a pod that has not worked for a time.
func container(podName, reason string, since time.Duration, edit ...func(*state.Container)) *state.Container {
	c := &state.Container{Namespace: "shop", Pod: podName, Name: "app", Kind: state.Main, Node: "n", State: state.Waiting, Reason: reason, Image: "web:1", NotReadySince: ago(since)}
	for _, f := range edit {
		f(c)
	}
	return c
}

func crashLooping(since time.Duration) func(*state.Container) {
	return func(c *state.Container) { c.CrashLoopSince = ago(since) }
}

func node(conditions ...state.NodeCondition) *state.Node {
	n := &state.Node{Name: "n", Ready: state.True, Schedulable: true, CreatedAt: ago(24 * time.Hour), Conditions: conditions}
	for _, c := range conditions {
		if c.Type == "Ready" {
			n.Ready = c.Status
		}
	}
	return n
}

func tainted(n *state.Node, key, effect string) *state.Node {
	n.Taints = append(n.Taints, state.Taint{Key: key, Effect: effect})
	return n
}

func condition(name string, status state.Tristate, since time.Duration) state.NodeCondition {
	return state.NodeCondition{Type: name, Status: status, Reason: name + "Reason", Since: ago(since)}
}

// row is the expected value of a problem.
type row struct {
	severity          state.Severity
	kind, what, where string
	count             int
}

func TestHealthRules(t *testing.T) {
	const critical, warning, info = state.SeverityCritical, state.SeverityWarning, state.SeverityInfo
	crash := func(since time.Duration) *state.Container {
		return container("web-1", "CrashLoopBackOff", since, crashLooping(since))
	}
	for name, c := range map[string]struct {
		objects []state.Object
		healthy bool
		want    []row
	}{
		"empty":      {nil, true, nil},
		"node ready": {[]state.Object{node(condition("Ready", state.True, time.Hour))}, true, nil},
		"node not ready for a minute": {
			[]state.Object{node(condition("Ready", state.False, time.Minute))}, true, []row{{critical, "Node", "NotReady", "n", 1}},
		},
		"node unknown, pressures unknown too": {
			[]state.Object{node(condition("DiskPressure", state.Unknown, time.Hour), condition("MemoryPressure", state.Unknown, time.Hour), condition("Ready", state.Unknown, 2*time.Minute))},
			false,
			[]row{{critical, "Node", "NotReady", "n", 1}},
		},
		"node that cannot be reached says that it is ready": {
			[]state.Object{tainted(node(condition("Ready", state.True, time.Hour)), "node.kubernetes.io/unreachable", "NoSchedule")},
			true,
			[]row{{warning, "Node", "Unreachable", "n", 1}},
		},
		"cordoned node": {
			[]state.Object{tainted(node(condition("Ready", state.True, time.Hour)), "node.kubernetes.io/unschedulable", "NoSchedule")}, true, nil,
		},
		"node created a minute ago": {
			[]state.Object{&state.Node{Name: "n", CreatedAt: ago(time.Minute)}}, true, []row{{info, "Node", "NotReady", "n", 1}},
		},
		"conditions that are good when True": {
			[]state.Object{node(condition("EtcdIsVoter", state.True, time.Hour), condition("KernelReady", state.True, time.Hour), condition("NetworkingReady", state.False, time.Hour), condition("Ready", state.True, time.Hour))},
			true,
			[]row{{warning, "Node", "NetworkingReady", "n", 1}},
		},
		"conditions that are bad when True": {
			[]state.Object{node(condition("FrequentKubeletRestart", state.True, 2*time.Hour), condition("KernelDeadlock", state.False, time.Hour), condition("MemoryPressure", state.True, time.Hour), condition("Ready", state.True, time.Hour))},
			true,
			[]row{{warning, "Node", "FrequentKubeletRestart", "n", 1}, {warning, "Node", "MemoryPressure", "n", 1}},
		},
		"a condition without a rule": {
			[]state.Object{node(condition("Ready", state.True, time.Hour), condition("VendorThing", state.True, time.Hour), condition("VendorOther", state.Unknown, time.Hour))},
			true,
			[]row{{info, "Node", "VendorThing", "n", 1}},
		},
		"all replicas crash for 3 min": {
			[]state.Object{pod("web-1", broken(3*time.Minute)), crash(3 * time.Minute)}, false, []row{{critical, "Container", "CrashLoopBackOff", "shop/web-1/app", 1}},
		},
		"all replicas crash for 2 min": {
			[]state.Object{pod("web-1", broken(2*time.Minute)), crash(2 * time.Minute)}, true, []row{{critical, "Container", "CrashLoopBackOff", "shop/web-1/app", 1}},
		},
		"one of three replicas crashes": {
			[]state.Object{pod("web-1", broken(time.Hour)), pod("web-2"), pod("web-3"), crash(time.Hour)},
			true,
			[]row{{warning, "Container", "CrashLoopBackOff", "shop/web-1/app", 1}},
		},
		"a crash loop between crashes": {
			[]state.Object{pod("web-1"), container("web-1", "", 0, crashLooping(time.Hour), func(c *state.Container) {
				c.State, c.Ready, c.NotReadySince, c.StartedAt = state.Running, true, 0, ago(5*time.Second)
			})},
			false,
			[]row{{critical, "Container", "CrashLoopBackOff", "shop/web-1/app", 1}},
		},
		"a crash loop that ran for ten minutes is over": {
			[]state.Object{pod("web-1"), container("web-1", "", 0, crashLooping(time.Hour), func(c *state.Container) {
				c.State, c.Ready, c.NotReadySince, c.StartedAt = state.Running, true, 0, ago(10*time.Minute)
			})},
			true, nil,
		},
		"a container in ContainerCreating for 20 min": {
			[]state.Object{pod("web-1", broken(20*time.Minute)), container("web-1", "ContainerCreating", 20*time.Minute)},
			false,
			[]row{{critical, "Container", "ContainerCreating", "shop/web-1/app", 1}},
		},
		"an init container that crashes": {
			[]state.Object{pod("web-1", broken(time.Hour)), container("web-1", "CrashLoopBackOff", time.Hour, crashLooping(time.Hour), func(c *state.Container) { c.Kind = state.Init })},
			false,
			[]row{{critical, "Container", "Init:CrashLoopBackOff", "shop/web-1/app", 1}},
		},
		"a readiness probe that fails for 13 min": {
			[]state.Object{pod("web-1", broken(13*time.Minute)), container("web-1", "", 13*time.Minute, func(c *state.Container) { c.State = state.Running })},
			false,
			[]row{{critical, "Container", "NotReady", "shop/web-1/app", 1}},
		},
		"a readiness gate that is not met": {
			[]state.Object{pod("web-1", broken(6*time.Minute), func(p *state.Pod) { p.Reason = "ReadinessGatesNotReady" })},
			false,
			[]row{{critical, "Pod", "NotReady", "shop/web-1", 1}},
		},
		"an image that two workloads cannot pull": {
			[]state.Object{
				pod("api-1", broken(time.Hour), func(p *state.Pod) { p.Owner.Name = "api" }), container("api-1", "ErrImagePull", time.Hour),
				pod("web-1", broken(time.Hour)), container("web-1", "ImagePullBackOff", 2*time.Hour),
			},
			false,
			[]row{{critical, "Container", "ImagePullBackOff", "shop/web-1/app", 2}},
		},
		"a pod that is not scheduled and has no reason": {
			[]state.Object{pod("web-1", broken(6*time.Minute), func(p *state.Pod) {
				p.Node, p.Phase, p.UnschedulableSince = "", state.PodPending, ago(6*time.Minute)
			})}, false, []row{{critical, "Pod", "NotScheduled", "shop/web-1", 1}},
		},
		"a pod that is unschedulable for a minute": {
			[]state.Object{pod("web-1", broken(time.Minute), func(p *state.Pod) {
				p.Node, p.Phase, p.Reason, p.UnschedulableSince = "", state.PodPending, "Unschedulable", ago(time.Minute)
			})}, true, []row{{critical, "Pod", "Unschedulable", "shop/web-1", 1}},
		},
		"a gated pod": {
			[]state.Object{pod("web-1", broken(time.Hour), func(p *state.Pod) { p.Node, p.Phase, p.Reason = "", state.PodPending, "SchedulingGated" })},
			true,
			[]row{{info, "Pod", "SchedulingGated", "shop/web-1", 1}},
		},
		"an evicted pod of a workload that works": {
			[]state.Object{pod("web-1", failed("Evicted", time.Hour)), pod("web-2")}, true, []row{{info, "Pod", "Evicted", "shop/web-1", 1}},
		},
		"a failed pod of a workload that does not work": {
			[]state.Object{pod("web-1", failed("Evicted", time.Hour))}, false, []row{{critical, "Pod", "Evicted", "shop/web-1", 1}},
		},
		"a failed pod of a Job that succeeded since": {
			[]state.Object{pod("job-1", failed("Error", time.Hour), ofJob("load")), pod("job-2", succeeded(30*time.Minute), ofJob("load"))},
			true,
			[]row{{info, "Pod", "Error", "shop/job-1", 1}},
		},
		"a failed pod of a CronJob whose next run succeeded": {
			[]state.Object{pod("cron-1", failed("Error", time.Hour), ofJob("load-29876540")), pod("cron-2", succeeded(30*time.Minute), ofJob("load-29876600"))},
			true,
			[]row{{info, "Pod", "Error", "shop/cron-1", 1}},
		},
		"a failed pod of a Job that had succeeded before": {
			[]state.Object{pod("job-1", failed("Error", time.Hour), ofJob("load-29876600")), pod("job-2", succeeded(2*time.Hour), ofJob("load-29876540"), func(p *state.Pod) { p.CreatedAt = ago(3 * time.Hour) })},
			false,
			[]row{{critical, "Pod", "Error", "shop/job-1", 1}},
		},
		"one container of restartPolicy Never failed": {
			[]state.Object{pod("job-1", broken(3*time.Minute), ofJob("load"), func(p *state.Pod) { p.RestartPolicy = state.RestartNever }), container("job-1", "Error", 3*time.Minute, func(c *state.Container) {
				c.State, c.ExitCode, c.FinishedAt = state.Terminated, 1, ago(3*time.Minute)
			})}, false, []row{{critical, "Container", "Error", "shop/job-1/app", 1}},
		},
		"a pod that exists after its grace period": {
			[]state.Object{pod("web-1", terminating(6*time.Minute)), pod("web-2", terminating(4*time.Minute))},
			true,
			[]row{{warning, "Pod", "TerminatingTooLong", "shop/web-1", 1}},
		},
		"pods of a node that is not ready count with it": {
			[]state.Object{node(condition("Ready", state.Unknown, time.Hour)), pod("web-1", broken(time.Hour)), container("web-1", "", time.Hour, func(c *state.Container) { c.State = state.Running })},
			false,
			[]row{{critical, "Node", "NotReady", "n", 2}},
		},
		"static pods of one name on all nodes are one workload": {
			[]state.Object{
				pod("etcd-n", broken(time.Hour), func(p *state.Pod) { p.Owner = state.Owner{Kind: "Node", Name: "n"} }), container("etcd-n", "CrashLoopBackOff", time.Hour, crashLooping(time.Hour)),
				pod("etcd-m", func(p *state.Pod) { p.Node, p.Owner = "m", state.Owner{Kind: "Node", Name: "m"} }),
			},
			true,
			[]row{{warning, "Container", "CrashLoopBackOff", "shop/etcd-n/app", 1}},
		},
		"claims": {
			[]state.Object{
				&state.Claim{Namespace: "shop", Name: "mounted", Phase: state.ClaimPending, CreatedAt: ago(time.Hour)}, &state.Claim{Namespace: "shop", Name: "waits", Phase: state.ClaimPending, CreatedAt: ago(time.Hour)},
				&state.Claim{Namespace: "shop", Name: "bound", Phase: state.ClaimBound}, &state.Claim{Namespace: "shop", Name: "lost", Phase: state.ClaimLost, CreatedAt: ago(2 * time.Hour)},
				pod("web-1", func(p *state.Pod) { p.Storage = []state.Volume{{Claim: "mounted"}} }),
			},
			true,
			[]row{{warning, "PersistentVolumeClaim", "Lost", "shop/lost", 1}, {warning, "PersistentVolumeClaim", "Pending", "shop/mounted", 1}, {info, "PersistentVolumeClaim", "Pending", "shop/waits", 1}},
		},
		"a volume that failed": {
			[]state.Object{&state.PersistentVolume{Name: "v", Phase: state.VolumeFailed, PhaseSince: ago(6 * time.Minute)}, &state.PersistentVolume{Name: "w", Phase: state.VolumeReleased}},
			false,
			[]row{{critical, "PersistentVolume", "Failed", "v", 1}},
		},
		"Services": {
			[]state.Object{
				&state.Service{Namespace: "shop", Name: "a", Type: state.ServiceNodePort, NoEndpointsSince: ago(time.Hour)},
				&state.Service{Namespace: "shop", Name: "b", Type: state.ServiceClusterIP, NoEndpointsSince: ago(time.Hour)},
				&state.Service{Namespace: "shop", Name: "c", Type: state.ServiceLoadBalancer, NoAddressSince: ago(time.Minute)},
				&state.Service{Namespace: "shop", Name: "d", Type: state.ServiceClusterIP, NoPodsSince: ago(time.Hour)},
			},
			true,
			[]row{{warning, "Service", "NoReadyEndpoints", "shop/a", 1}, {warning, "Service", "NoLoadBalancerAddress", "shop/c", 1}, {info, "Service", "NoPods", "shop/d", 1}},
		},
		"a host port and a NodePort": {conflictingHostPortAndNodePort(), true, []row{{warning, "Port", "Conflict", "*:31000/TCP", 2}}},
		"requests that would not fit without the largest node": {
			[]state.Object{
				&state.Node{Name: "a", Ready: state.True, Allocatable: state.Resources{CPUMillis: 4000, MemoryBytes: 100}}, &state.Node{Name: "b", Ready: state.True, Allocatable: state.Resources{CPUMillis: 2000, MemoryBytes: 100}},
				&state.NodeLoad{Node: "a", Requested: state.Resources{CPUMillis: 2001, MemoryBytes: 10}},
			},
			true,
			[]row{{warning, "Cluster", "CPUOvercommit", "cpu", 1}},
		},
		"a node that is full and flaps": {
			[]state.Object{
				&state.Node{Name: "n", Ready: state.True, Capacity: state.Resources{Pods: 100}, FlappingSince: ago(20 * time.Minute), FlappingUntil: state.TimeOf(now.Add(time.Minute))},
				&state.NodeLoad{Node: "n", Pods: 96},
			},
			true,
			[]row{{warning, "Node", "ReadinessFlapping", "n", 1}, {info, "Node", "TooManyPods", "n", 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := state.Summarize(cluster(t, c.objects...), now)
			var rows []row
			for _, p := range got.Problems {
				rows = append(rows, row{p.Severity, p.Kind, p.What, p.Where, p.Count})
			}
			if got.Healthy != c.healthy || !slices.Equal(rows, c.want) {
				t.Errorf("healthy %v, problems %+v\nwant    %v          %+v", got.Healthy, rows, c.healthy, c.want)
			}
		})
	}
}

func failed(reason string, since time.Duration) func(*state.Pod) {
	return func(p *state.Pod) {
		p.Phase, p.Status, p.Reason, p.FinishedAt = state.PodFailed, reason, reason, ago(since)
	}
}

func succeeded(since time.Duration) func(*state.Pod) {
	return func(p *state.Pod) { p.Phase, p.Status, p.FinishedAt = state.PodSucceeded, "Completed", ago(since) }
}

func ofJob(name string) func(*state.Pod) {
	return func(p *state.Pod) { p.Owner = state.Owner{Kind: "Job", Name: name} }
}

func terminating(since time.Duration) func(*state.Pod) {
	return func(p *state.Pod) { p.Terminating, p.DeletionAt = true, ago(since) }
}

func TestHealthChangesAtThreshold(t *testing.T) {
	s := cluster(t, pod("web-1", broken(time.Minute)), container("web-1", "ErrImagePull", time.Minute))
	young := state.Summarize(s, now)
	if !young.Healthy || !young.NextEvaluation.Equal(now.Add(4*time.Minute+time.Second)) {
		t.Fatalf("healthy %v, next evaluation %v", young.Healthy, young.NextEvaluation)
	}
	if old := resummarize(young, s, s, young.NextEvaluation); old.Healthy || !old.NextEvaluation.IsZero() {
		t.Errorf("at the threshold: healthy %v, next evaluation %v", old.Healthy, old.NextEvaluation)
	}
}

func TestProblemsAreGroupedByWorkload(t *testing.T) {
	var objects []state.Object
	for i := range 12 {
		name := fmt.Sprintf("web-%02d", i)
		objects = append(objects, pod(name, broken(time.Hour)), container(name, "CrashLoopBackOff", time.Hour, crashLooping(time.Duration(60+i)*time.Minute)))
	}
	got := state.Summarize(cluster(t, objects...), now)
	if len(got.Problems) != 1 {
		t.Fatalf("%d problems, want one: %+v", len(got.Problems), got.Problems)
	}
	p := got.Problems[0]
	want := state.Problem{
		Severity: state.SeverityCritical, Kind: "Container", What: "CrashLoopBackOff", Where: "shop/web-11/app", Owner: shopWeb, Since: ago(71 * time.Minute),
		Count: 12, Others: []string{"shop/web-10/app", "shop/web-09/app", "shop/web-08/app"},
	}
	if fmt.Sprint(p) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	if got.ProblemCount != 1 || got.ProblemCounts != (state.ProblemCounts{Critical: 1}) {
		t.Errorf("counts %d, %+v", got.ProblemCount, got.ProblemCounts)
	}
}

func TestProblemsAreSortedAndLimited(t *testing.T) {
	var objects []state.Object
	for i := range 60 {
		name := fmt.Sprintf("web-%02d", i)
		objects = append(objects, pod(name, broken(time.Hour), func(p *state.Pod) { p.Owner.Name = name }), container(name, "Error", time.Duration(i+10)*time.Minute))
	}
	objects = append(objects, node(condition("DiskPressure", state.True, 24*time.Hour), condition("Ready", state.True, time.Hour), condition("VendorThing", state.True, time.Hour)))
	got := state.Summarize(cluster(t, objects...), now)
	if got.ProblemCount != 61 || len(got.Problems) != state.MaxProblems {
		t.Fatalf("%d of %d problems", len(got.Problems), got.ProblemCount)
	}
	if want := (state.ProblemCounts{Critical: 10, Warning: 1, Info: 1}); got.More != want {
		t.Errorf("more %+v, want %+v", got.More, want)
	}
	if first := got.Problems[0]; first.Where != "shop/web-59/app" {
		t.Errorf("first is %+v", first)
	}
}

func TestMutedProblemsDoNotCount(t *testing.T) {
	s := cluster(t, pod("web-1", broken(time.Hour)), container("web-1", "Error", time.Hour))
	for name, c := range map[string]struct {
		ignore state.Ignore
		muted  string
	}{
		"by namespace":              {state.Ignore{Namespace: "shop", Reason: "moving"}, "moving"},
		"by owner":                  {state.Ignore{Owner: "Deployment/web"}, "ignored"},
		"by owner's name":           {state.Ignore{Owner: "web", What: "Error"}, "ignored"},
		"by node":                   {state.Ignore{Node: "n"}, "ignored"},
		"of another problem":        {state.Ignore{Namespace: "shop", What: "OOMKilled"}, ""},
		"until later":               {state.Ignore{Namespace: "shop", Until: state.TimeOf(now.Add(time.Hour))}, "ignored"},
		"until a minute ago":        {state.Ignore{Namespace: "shop", Until: ago(time.Minute)}, ""},
		"a rule without conditions": {state.Ignore{Reason: "all"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := state.Summarize(s, now, c.ignore)
			if len(got.Problems) != 1 || got.Problems[0].Muted != c.muted {
				t.Fatalf("problems %+v, want one muted as %q", got.Problems, c.muted)
			}
			if muted := c.muted != ""; got.Healthy != muted || got.Muted != count(muted) || got.ProblemCount != count(!muted) {
				t.Errorf("healthy %v, %d muted, %d problems", got.Healthy, got.Muted, got.ProblemCount)
			}
		})
	}
	annotated := cluster(t, pod("web-1", broken(time.Hour), func(p *state.Pod) { p.Mute = "known" }), container("web-1", "Error", time.Hour))
	if got := state.Summarize(annotated, now); !got.Healthy || got.Muted != 1 || got.Problems[0].Muted != "known" {
		t.Errorf("with an annotation: %+v", got)
	}
	down := node(condition("Ready", state.False, time.Hour))
	down.Mute = "in repair"
	if got := state.Summarize(cluster(t, down), now); !got.Healthy || got.Muted != 1 || got.Problems[0].Muted != "in repair" {
		t.Errorf("a node with an annotation: %+v", got)
	}
	until := state.Summarize(s, now, state.Ignore{Namespace: "shop", Until: state.TimeOf(now.Add(time.Hour))})
	if !until.NextEvaluation.Equal(now.Add(time.Hour)) {
		t.Errorf("it is evaluated anew at %v, want when the rule ends", until.NextEvaluation)
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
