package realnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/kube/recording"
)

// TestScenarios brings pods into the state of every scenario, and compares the facts of the agent's pipeline with the
// status from the kubelet. With -watch it continues to watch the pods.
func TestScenarios(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	namespace := newNamespace(t, node, "scenarios")
	pods := startObserver(t, node, namespace, "pods.jsonl")
	agent := runAgent(t, node.Cluster.Config())
	list := slices.DeleteFunc(allScenarios(node.Name, namespace), func(s scenario) bool { return s.slow && *watchFor == 0 })
	for _, s := range list {
		s.create(t, node)
	}
	for _, s := range list {
		if s.then != nil {
			s.then(t, node, waitPod(t, node, namespace, s.pod.Name, podReady))
		}
	}
	for _, s := range list {
		t.Run(s.pod.Name, func(t *testing.T) {
			kube.Eventually(t, timeout, func() error {
				pod := pods.podOf(s)
				if !pods.reached(s) {
					return fmt.Errorf("state not reached: %s %+v", s.what, pod.Pod)
				}
				return agent.compareWith(pod.Pod, pod.printed)
			})
		})
	}
	t.Run("requests on the node", func(t *testing.T) {
		kube.Eventually(t, timeout, func() error { return agent.compareLoad(node) })
	})
	if *watchFor > 0 {
		<-time.After(*watchFor)
		for _, s := range list {
			if *update {
				pods.write(t, s)
			}
		}
	}
}

// create creates the scenario's pod, static pod or Job.
func (s scenario) create(t *testing.T, node *kube.Node) {
	t.Helper()
	switch {
	case s.static:
		if err := node.PutStaticPod(s.pod); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := node.RemoveStaticPod(s.pod.Name); err != nil {
				t.Error(err)
			}
		})
	case s.job:
		if _, err := node.Cluster.Client().BatchV1().Jobs(s.pod.Namespace).Create(t.Context(), jobOf(s.pod), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	default:
		createPod(t, node, s.pod)
	}
}

// TestKubeletIsKilledAndStartedAgain observes a healthy pod, and one whose container ends while the kubelet is down,
// until the node is not ready and again until it is.
func TestKubeletIsKilledAndStartedAgain(t *testing.T) {
	node := sharedNode(t)
	namespace := newNamespace(t, node, "kubelet-killed")
	pods := startObserver(t, node, namespace, "pods.jsonl")
	agent := runAgent(t, node.Cluster.Config())
	list := killedScenarios(namespace)
	for _, s := range list {
		s.create(t, node)
		waitPod(t, node, namespace, s.pod.Name, podReady)
	}
	compare := func(reached func(scenario, *corev1.Pod) bool) {
		t.Helper()
		for _, s := range list {
			kube.Eventually(t, timeout, func() error {
				pod := pods.podOf(s)
				if !reached(s, pod.Pod) {
					return fmt.Errorf("state not reached: %s %+v", s.what, pod.Status)
				}
				return agent.compareWith(pod.Pod, pod.printed)
			})
		}
	}
	kube.Eventually(t, timeout, func() error { return agent.compareNode(t.Context(), node, "Ready") })
	node.KillKubelet()
	t.Cleanup(func() { _ = node.StartKubelet(context.WithoutCancel(t.Context())) }) // for other tests, if this one fails; else it runs
	kube.Eventually(t, timeout, func() error { return agent.compareNode(t.Context(), node, "NotReady") })
	// The node controller sets the pods' Ready condition. The containers have the last state that the kubelet reported.
	compare(func(_ scenario, pod *corev1.Pod) bool {
		return conditionOf(pod, corev1.PodReady) == corev1.ConditionFalse
	})
	if err := node.StartKubelet(t.Context()); err != nil {
		t.Fatal(err)
	}
	kube.Eventually(t, timeout, func() error { return agent.compareNode(t.Context(), node, "Ready") })
	compare(func(s scenario, pod *corev1.Pod) bool { return s.reached(pod) })
	for _, s := range list {
		if *update && *watchFor > 0 {
			pods.write(t, s)
		}
	}
}

// compareNode returns an error unless the node has the wanted STATUS in `kubectl get nodes`, and the facts about
// it are what `kubectl describe node` shows.
func (a *agent) compareNode(ctx context.Context, node *kube.Node, want string) error {
	printed, err := node.Cluster.Kubectl("get", "node", node.Name, "--no-headers")
	if err != nil {
		return err
	}
	// NAME STATUS ROLES AGE VERSION
	columns := strings.Fields(printed)
	object, err := node.Cluster.Client().CoreV1().Nodes().Get(ctx, node.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	fact := first(a.current().Nodes(), func(n *state.Node) bool { return n.Name == node.Name })
	if fact == nil {
		return errors.New("the agent has no node")
	}
	status := "NotReady"
	if fact.Ready == state.True {
		status = "Ready"
	}
	if columns[1] != want || status != want || columns[4] != fact.KubeletVersion {
		return fmt.Errorf("got status %s and version %s, want %s; kubectl prints %s", status, fact.KubeletVersion, want, printed)
	}
	conditions, taints := []string{}, []string{}
	for _, c := range object.Status.Conditions {
		conditions = append(conditions, fmt.Sprintf("%s=%s %s since %s", c.Type, c.Status, c.Reason, timeOf(&c.LastTransitionTime)))
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue && timeText(fact.NotReadySince) != timeOf(&c.LastTransitionTime) {
			return fmt.Errorf("got not ready since %s, want %s", timeText(fact.NotReadySince), timeOf(&c.LastTransitionTime))
		}
	}
	slices.Sort(conditions)
	for _, t := range object.Spec.Taints {
		taints = append(taints, fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.Effect))
	}
	slices.Sort(taints) // as the facts
	knownConditions, knownTaints := []string{}, []string{}
	for _, c := range fact.Conditions {
		knownConditions = append(knownConditions, fmt.Sprintf("%s=%s %s since %s", c.Type, c.Status, c.Reason, timeText(c.Since)))
	}
	for _, t := range fact.Taints {
		knownTaints = append(knownTaints, fmt.Sprintf("%s=%s:%s", t.Key, t.Value, t.Effect))
	}
	if !slices.Equal(knownConditions, conditions) || !slices.Equal(knownTaints, taints) {
		return fmt.Errorf("got conditions %v and taints %v, want %v and %v", knownConditions, knownTaints, conditions, taints)
	}
	problem := first(slices.Values(problemsOf(a.current())), func(p *state.Problem) bool { return p.Kind == "Node" && p.Where == node.Name })
	if (problem != nil) != (want == "NotReady") || problem != nil && problem.What != "NotReady" {
		return fmt.Errorf("got problem %+v of the node, which is %s", problem, want)
	}
	return nil
}

// describedPods is the number of pods in the output of kubectl describe node, describedLoad a line of requests and
// limits.
var (
	describedPods = regexp.MustCompile(`(?m)^Non-terminated Pods:\s+\((\d+) in total\)$`)
	describedLoad = regexp.MustCompile(`(?m)^  (cpu|memory)\s+(\S+) \(\d+%\)\s+(\S+) \(\d+%\)$`)
)

// compareLoad returns an error unless the number of pods on the node, and their requests and limits, are those that
// `kubectl describe node` prints.
func (a *agent) compareLoad(node *kube.Node) error {
	described, err := node.Cluster.Kubectl("describe", "node", node.Name)
	if err != nil {
		return err
	}
	load := a.current().Load(node.Name)
	pods, amounts := describedPods.FindStringSubmatch(described), describedLoad.FindAllStringSubmatch(described, -1)
	if load == nil || pods == nil || len(amounts) != 2 {
		return fmt.Errorf("got load %+v of the node, and kubectl describe node:\n%s", load, described)
	}
	got := fmt.Sprintf("%d pods", load.Pods)
	want := pods[1] + " pods"
	for i, amount := range []struct{ requested, limit int64 }{
		{load.Requested.CPUMillis, load.Limits.CPUMillis}, {load.Requested.MemoryBytes, load.Limits.MemoryBytes},
	} {
		requested, limit := resource.MustParse(amounts[i][2]), resource.MustParse(amounts[i][3])
		wantRequested, wantLimit := requested.Value(), limit.Value()
		if amounts[i][1] == "cpu" {
			wantRequested, wantLimit = requested.MilliValue(), limit.MilliValue()
		}
		got += fmt.Sprintf(", %s %d of %d", amounts[i][1], amount.requested, amount.limit)
		want += fmt.Sprintf(", %s %d of %d", amounts[i][1], wantRequested, wantLimit)
	}
	if got != want {
		return fmt.Errorf("requests and limits on the node: got %s, want %s", got, want)
	}
	return nil
}

// problemsOf returns the problems of a state.
func problemsOf(s *state.State) (problems []*state.Problem) {
	summary := state.Summarize(s, time.Now())
	for i := range summary.Problems {
		problems = append(problems, &summary.Problems[i])
	}
	return problems
}

// TestRecordingsReplay replays recordings of a kubelet, and compares the facts of the agent's pipeline after each
// change.
func TestRecordingsReplay(t *testing.T) {
	want := map[string]bool{}
	for _, s := range append(allScenarios("any", "any"), killedScenarios("any")...) {
		want[s.pod.Name] = true
	}
	files, err := filepath.Glob(filepath.Join(recordings, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if !want[name] {
			t.Errorf("%s: no scenario with this name", file)
		}
		delete(want, name)
		t.Run(name, func(t *testing.T) {
			r, err := recording.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			a := newAgent()
			for change, pod := range r.Pods() {
				a.apply(func(tracker *facts.Tracker) state.Changes { return tracker.SetPod(informer.PodInput(pod)) })
				if err := errors.Join(a.err, a.compareWith(pod, change.Printed)); err != nil {
					t.Errorf("after %v: %v", change.After.Duration, err)
				}
			}
		})
	}
	if len(want) > 0 {
		t.Errorf("scenarios without a recording in %s: %v; the package comment says how to record them", recordings, slices.Sorted(maps.Keys(want)))
	}
}
