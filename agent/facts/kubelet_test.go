package facts_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube/recording"
)

// recordedProblems maps each recording of a real kubelet to the problem at its end, or to "" if it has none.
var recordedProblems = map[string]string{
	"crash-loop":             "CrashLoopBackOff",
	"crash-loop-completed":   "CrashLoopBackOff",
	"crash-loop-slow":        "CrashLoopBackOff",
	"oom-killed":             "CrashLoopBackOff",
	"init-crash-loop":        "Init:CrashLoopBackOff",
	"liveness":               "CrashLoopBackOff",
	"image-never":            "ErrImageNeverPull",
	"image-pull":             "ImagePullBackOff",
	"not-ready":              "NotReady",
	"secret-env":             "CreateContainerConfigError",
	"secret-volume":          "ContainerCreating",
	"failed":                 "Error",
	"kubelet-killed-ended":   "",
	"kubelet-killed-running": "",
	"running":                "",
	"static":                 "",
	"job":                    "",
	"crash-loop-half":        "CrashLoopBackOff",
	"startup":                "CrashLoopBackOff",
	"start-error":            "CrashLoopBackOff",
	"post-start":             "CrashLoopBackOff",
	"image-invalid":          "InvalidImageName",
	"unschedulable":          "Unschedulable",
	"scheduling-gate":        "SchedulingGated",
	"init-running":           "Init:NotReady",
	"init-completed":         "",
	"sidecar":                "",
	"sidecar-crash-loop":     "CrashLoopBackOff",
	"sidecar-starting":       "NotReady",
	"sidecar-not-ready":      "NotReady",
	"with-sidecar":           "",
	"deadline":               "DeadlineExceeded",
	"evicted":                "Evicted",
	"rejected":               "OutOfcpu",
	"partly-completed":       "NotReady",
	"long-grace":             "",
	"readiness-gate":         "NotReady",
	"host-network":           "",
	"ephemeral":              "",
}

// TestProblemsInKubeletRecordingsPersist replays recordings of pods over some minutes. After a problem is first
// listed, it must be listed at every second until the end, since the same time. A cluster that became unhealthy must
// stay unhealthy.
func TestProblemsInKubeletRecordingsPersist(t *testing.T) {
	files, err := filepath.Glob("testdata/kubelet/*.yaml")
	if err != nil || len(files) != len(recordedProblems) {
		t.Fatalf("got %d recordings, %v; want %d", len(files), err, len(recordedProblems))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			r, err := recording.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			want, known := recordedProblems[name]
			if !known {
				t.Fatal("recordedProblems has no entry for this recording")
			}
			replay(t, r, want)
		})
	}
}

// tailDuration is how long the last status of a recording is checked.
const tailDuration = 2 * time.Minute

// replay replays a recording and checks the problem want at every second.
func replay(t *testing.T, r *recording.Recording, want string) {
	h := newHarness()
	start := state.TimeOf(recording.Created)
	var now time.Duration
	var first state.Problem
	unhealthy := false
	check := func() {
		h.now = start + state.Time(now/time.Second)
		sum := state.Summarize(h.state, h.now.Time())
		p := problemOf(sum, want)
		switch {
		case p == nil && first.What != "":
			t.Fatalf("after %v: %s is no longer listed: %+v", now, want, sum.Problems)
		case p == nil:
			return
		case first.What == "":
			first = *p
		case p.Since < first.Since-1 || p.Since > first.Since+1:
			t.Fatalf("after %v: problem is since %s, want since %s as before", now, formatTime(p.Since), formatTime(first.Since))
		}
		if unhealthy && sum.Healthy {
			t.Fatalf("after %v: the cluster is healthy again: %+v", now, sum.Problems)
		}
		unhealthy = !sum.Healthy
	}
	var last *corev1.Pod
	for change, pod := range r.Pods() {
		at := change.After.Duration
		for ; now < at; now = min(at, now+time.Second) {
			check()
		}
		now = at
		h.now = start + state.Time(now/time.Second)
		if slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue
		}) {
			pod.Spec.NodeName = "node"
		}
		if err := h.set(informer.PodInput(pod)); err != nil {
			t.Fatal(err)
		}
		check()
		last = pod
		checkRestartedAgent(t, h, pod, want, first)
	}
	for end := now + tailDuration; now < end; now += time.Second {
		check()
	}
	if want == "" {
		if sum := state.Summarize(h.state, h.now.Time()); len(sum.Problems) != 0 || !sum.Healthy {
			t.Errorf("at the end: got problems %+v, want none", sum.Problems)
		}
		return
	}
	if first.What == "" {
		t.Errorf("%s was never listed; problems at the end: %+v", want, state.Summarize(h.state, h.now.Time()).Problems)
	}
	if now > 6*time.Minute && !unhealthy {
		t.Errorf("the cluster never became unhealthy by %s (%s)", want, last.Status.Phase)
	}
}

// checkRestartedAgent checks the problem want as listed by an agent that starts now. It must be listed, if the API
// has enough information, and not since a later time than the end of the last run.
func checkRestartedAgent(t *testing.T, h *harness, pod *corev1.Pod, want string, known state.Problem) {
	t.Helper()
	if known.What == "" {
		return
	}
	fresh := newHarness()
	fresh.now = h.now
	fresh.tracker = facts.NewTracker(func() state.Time { return fresh.now })
	if err := fresh.set(informer.PodInput(pod)); err != nil {
		t.Fatal(err)
	}
	p := problemOf(state.Summarize(fresh.state, fresh.now.Time()), want)
	if p == nil {
		if restarts(onlyPod(h)) >= "2" || pod.Status.Phase == corev1.PodPending {
			t.Fatalf("at %s: an agent that starts now does not list %s", formatTime(h.now), want)
		}
		return
	}
	if ended := lastEnd(pod); ended != 0 && p.Since > ended {
		t.Fatalf("at %s: an agent that starts now lists it since %s, want at most %s, when the last run ended", formatTime(h.now), formatTime(p.Since), formatTime(ended))
	}
}

// onlyPod returns the only pod of the cluster.
func onlyPod(h *harness) *state.Pod {
	for p := range h.state.Pods() {
		return p
	}
	return nil
}

// lastEnd returns when the last run of a container of a pod ended.
func lastEnd(pod *corev1.Pod) state.Time {
	var last state.Time
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, s := range list {
			for _, ended := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
				if ended != nil {
					last = max(last, state.TimeOf(ended.FinishedAt.Time))
				}
			}
		}
	}
	return last
}

// problemOf returns the problem named what in a summary, or nil.
func problemOf(sum state.Summary, what string) *state.Problem {
	for i := range sum.Problems {
		if sum.Problems[i].What == what {
			return &sum.Problems[i]
		}
	}
	return nil
}
