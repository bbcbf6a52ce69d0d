package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

const (
	containerGoal = 20   // bytes of the first snapshot
	idleGoal      = 0.01 // of a core
	busyGoal      = 0.05
	busyChanges   = 10 // a second
	// kubelets say every so often that nothing has happened.
	heartbeat = 5 * time.Minute
)

// measureLarge fills a cluster with irregular pods: some, then very many.
func measureLarge(ctx context.Context, w *world) (rows []row, err error) {
	c, err := kube.Start(ctx, kube.Options{Name: "large", Log: w.say})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	irregular, err := kube.NewIrregular(ctx, c, 1)
	if err != nil {
		return nil, err
	}
	z := w.sizes
	if err := irregular.Add(ctx, z.fewNodes, z.fewPods); err != nil {
		return nil, err
	}
	snapshot, err := w.irregularSnapshot(ctx, c)
	if err != nil {
		return nil, err
	}
	w.say("writing %d nodes and %d irregular pods", z.manyNodes, z.manyPods)
	if err := irregular.Add(ctx, z.manyNodes-z.fewNodes, z.manyPods-z.fewPods); err != nil {
		return []row{snapshot}, err
	}
	memory, err := w.largeAgent(ctx, c)
	return append([]row{snapshot}, memory...), err
}

// irregularSnapshot measures the bytes per container of the first snapshot.
func (w *world) irregularSnapshot(ctx context.Context, c *kube.Cluster) (r row, err error) {
	a, f, s, err := w.openLarge(ctx, c, "irregular")
	if err != nil {
		return r, err
	}
	defer func() { s.close(); f.close(); err = errors.Join(err, a.end(ctx)) }()
	first := s.between(0, 1)[0]
	_, held := s.at()
	containers := 0
	for range held.Entries(state.KindContainer) {
		containers++
	}
	each := float64(first.down) / float64(containers)
	return goal("large.snapshot", "first snapshot, irregular pods", "≤ 20 bytes a container", each <= containerGoal,
		"%.1f bytes a container: %s of %s pods, %s containers, %d nodes", each, inBytes(float64(first.down)), thousands(w.sizes.fewPods), thousands(containers), w.sizes.fewNodes), nil
}

// openLarge starts an agent without usage, and waits for its first snapshot.
func (w *world) openLarge(ctx context.Context, c *kube.Cluster, name string) (*agent, *forwarder, *session, error) {
	a, err := w.startAgent(ctx, c, name, "--usage-source", "none", "--min-request-period", "500ms")
	if err != nil {
		return nil, nil, nil, err
	}
	f, s, err := w.openDirect(ctx, a)
	if err != nil {
		return nil, nil, nil, errors.Join(err, a.end(ctx))
	}
	return a, f, s, nil
}

func (w *world) openDirect(ctx context.Context, a *agent) (*forwarder, *session, error) {
	f, err := forward(a.address)
	if err != nil {
		return nil, nil, err
	}
	s, err := dial(ctx, a, f, w.sizes.period, nil)
	if err == nil {
		_, err = s.await(ctx, 0, anyFlush)
	}
	if err != nil {
		f.close()
	}
	return f, s, err
}

// largeAgent measures an agent of very many pods: idle, in a session, with changes, and at the
// end of a session.
func (w *world) largeAgent(ctx context.Context, c *kube.Cluster) (rows []row, err error) {
	a, err := w.startAgent(ctx, c, "large", "--usage-source", "none", "--min-request-period", "500ms")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.end(ctx)) }()
	idle, err := w.watch(ctx, a.PID())
	if err != nil {
		return nil, err
	}
	size := fmt.Sprintf("%s nodes and %s irregular pods", thousands(w.sizes.manyNodes), thousands(w.sizes.manyPods))
	rows = append(rows, goal("large.idle", "agent CPU, idle, "+size, "≤ 1 % of a core", idle.cpu <= idleGoal, "%s", inPercent(idle.cpu)))
	beats, perSecond, err := w.beats(ctx, c, a)
	if err != nil {
		return rows, err
	}
	rows = append(rows, beside("large.heartbeats", fmt.Sprintf("the same, %.0f heartbeats of nodes a second", perSecond), "%s", inPercent(beats)))
	began := time.Now()
	f, s, err := w.openDirect(ctx, a)
	if err != nil {
		return rows, err
	}
	defer func() { s.close(); f.close() }()
	busy, err := w.busy(ctx, c, a)
	if err != nil {
		return rows, err
	}
	rows = append(rows, goal("large.busy", fmt.Sprintf("the same in a session, %d pod changes a second", busyChanges), "≤ 5 % of a core", busy <= busyGoal, "%s", inPercent(busy)))
	w.say("waiting until the session is %s old", w.sizes.resident)
	steady, peak, err := w.residentAt(ctx, a.PID(), began)
	if err != nil {
		return rows, err
	}
	return append(rows,
		goal("large.steady", fmt.Sprintf("agent resident in a session, after %s, %s", w.sizes.resident, size), "≤ 64 MiB", steady <= manySteadyGoal, "%s", inMiB(steady)),
		goal("large.peak", "at its peak, the start included", "≤ 96 MiB", peak <= manyPeakGoal, "%s", inMiB(peak)),
	), nil
}

// beats returns an agent's CPU while node heartbeats are written, and their rate per second.
// The objects are written directly, without kubelets.
func (w *world) beats(ctx context.Context, c *kube.Cluster, a *agent) (cpu, perSecond float64, err error) {
	perSecond = max(float64(w.sizes.manyNodes)/heartbeat.Seconds(), 1)
	count := int64(perSecond * w.sizes.window.Seconds())
	list, err := c.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: count})
	if err != nil {
		return 0, 0, err
	}
	before, err := takenBy(a.PID())
	if err != nil {
		return 0, 0, err
	}
	if err := beat(ctx, c, list.Items, perSecond); err != nil {
		return 0, 0, err
	}
	after, err := takenBy(a.PID())
	return after.share(before), perSecond, err
}

// busy returns an agent's CPU while pods change.
func (w *world) busy(ctx context.Context, c *kube.Cluster, a *agent) (float64, error) {
	count := int(w.sizes.window.Seconds() * busyChanges)
	list, err := c.Client().CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: int64(count)})
	if err != nil {
		return 0, err
	}
	pods := only(list.Items, func(pod corev1.Pod) bool { return len(pod.Status.ContainerStatuses) > 0 })
	before, err := takenBy(a.PID())
	if err != nil {
		return 0, err
	}
	if _, err := changeAll(ctx, c, pods, busyChanges); err != nil {
		return 0, err
	}
	after, err := takenBy(a.PID())
	return after.share(before), err
}
