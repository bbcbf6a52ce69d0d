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

// kubeletProblems are the problems that the recordings of a real kubelet end with; none
// where it is empty.
var kubeletProblems = map[string]string{
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
}

// TestProblemsOfARealKubeletStandFromBeginningToEnd replays what a real kubelet said of
// pods over minutes. From when a problem is listed first it is listed at every second
// until the end, since the same time, and the cluster stays unhealthy once it is.
func TestProblemsOfARealKubeletStandFromBeginningToEnd(t *testing.T) {
	files, err := filepath.Glob("testdata/kubelet/*.yaml")
	if err != nil || len(files) != len(kubeletProblems) {
		t.Fatalf("%d recordings of %d, %v", len(files), len(kubeletProblems), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			r, err := recording.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			want, known := kubeletProblems[name]
			if !known {
				t.Fatal("no problem is expected of this recording")
			}
			replay(t, r, want)
		})
	}
}

// beyond is for how long a recording's last status is looked at.
const beyond = 2 * time.Minute

func replay(t *testing.T, r *recording.Recording, want string) {
	w := newWorld()
	begun := state.TimeOf(recording.Created)
	var now time.Duration
	var first state.Problem
	unhealthy := false
	look := func() {
		w.now = begun + state.Time(now/time.Second)
		sum := state.Summarize(w.state, w.now.Time())
		p := problemOf(sum, want)
		switch {
		case p == nil && first.What != "":
			t.Fatalf("after %v %s is not listed any more: %+v", now, want, sum.Problems)
		case p == nil:
			return
		case first.What == "":
			first = *p
		case p.Since < first.Since-1 || p.Since > first.Since+1:
			t.Fatalf("after %v it is since %s, and was since %s", now, when(p.Since), when(first.Since))
		}
		if unhealthy && sum.Healthy {
			t.Fatalf("after %v the cluster is healthy again: %+v", now, sum.Problems)
		}
		unhealthy = !sum.Healthy
	}
	var last *corev1.Pod
	for at, pod := range r.Pods() {
		for ; now < at; now = min(at, now+time.Second) {
			look()
		}
		now = at
		w.now = begun + state.Time(now/time.Second)
		if slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionTrue
		}) {
			pod.Spec.NodeName = "node"
		}
		if err := w.set(informer.PodInput(pod)); err != nil {
			t.Fatal(err)
		}
		look()
		last = pod
		afterRestart(t, w, pod, want, first)
	}
	for end := now + beyond; now < end; now += time.Second {
		look()
	}
	if want == "" {
		if sum := state.Summarize(w.state, w.now.Time()); len(sum.Problems) != 0 || !sum.Healthy {
			t.Errorf("at the end: %+v, want no problem", sum.Problems)
		}
		return
	}
	if first.What == "" {
		t.Errorf("%s was never listed; at the end: %+v", want, state.Summarize(w.state, w.now.Time()).Problems)
	}
	if now > 6*time.Minute && !unhealthy {
		t.Errorf("%s (%s) never made the cluster unhealthy", want, last.Status.Phase)
	}
}

// afterRestart compares what an agent says that starts now: nothing later than the last
// crash that the API tells of, and whatever the API tells of is a problem for it too.
func afterRestart(t *testing.T, w *world, pod *corev1.Pod, want string, known state.Problem) {
	t.Helper()
	if known.What == "" {
		return
	}
	fresh := newWorld()
	fresh.now = w.now
	fresh.tracker = facts.NewTracker(func() state.Time { return fresh.now })
	if err := fresh.set(informer.PodInput(pod)); err != nil {
		t.Fatal(err)
	}
	p := problemOf(state.Summarize(fresh.state, fresh.now.Time()), want)
	if p == nil {
		if restarts(onlyPod(w)) >= "2" || pod.Status.Phase == corev1.PodPending {
			t.Fatalf("at %s an agent that starts does not list %s", when(w.now), want)
		}
		return
	}
	if ended := lastEnd(pod); ended != 0 && p.Since > ended {
		t.Fatalf("at %s an agent that starts says since %s, and the last run ended at %s", when(w.now), when(p.Since), when(ended))
	}
}

func onlyPod(w *world) *state.Pod {
	for p := range w.state.Pods() {
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

func problemOf(sum state.Summary, what string) *state.Problem {
	for i := range sum.Problems {
		if sum.Problems[i].What == what {
			return &sum.Problems[i]
		}
	}
	return nil
}
