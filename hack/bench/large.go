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
	// heartbeat is the interval at which kubelets write a node status without changes.
	heartbeat = 5 * time.Minute
)

// measureLarge measures an agent of a cluster with few, then with very many irregular pods.
func measureLarge(ctx context.Context, env *environment) (rows []row, err error) {
	c, err := kube.Start(ctx, kube.Options{Name: "large", Log: env.log})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	irregular, err := kube.NewIrregular(ctx, c, 1)
	if err != nil {
		return nil, err
	}
	z := env.sizes
	if err := irregular.Add(ctx, z.fewNodes, z.fewPods); err != nil {
		return nil, err
	}
	snapshot, err := env.measureIrregularSnapshot(ctx, c)
	if err != nil {
		return nil, err
	}
	env.log("writing %d nodes and %d irregular pods", z.manyNodes, z.manyPods)
	if err := irregular.Add(ctx, z.manyNodes-z.fewNodes, z.manyPods-z.fewPods); err != nil {
		return []row{snapshot}, err
	}
	memory, err := env.measureLargeAgent(ctx, c)
	return append([]row{snapshot}, memory...), err
}

// measureIrregularSnapshot measures the bytes per container of the first snapshot.
func (env *environment) measureIrregularSnapshot(ctx context.Context, c *kube.Cluster) (r row, err error) {
	a, f, s, err := env.openLarge(ctx, c, "irregular")
	if err != nil {
		return r, err
	}
	defer func() { s.close(); f.close(); err = errors.Join(err, a.close(ctx)) }()
	first := s.flushRange(0, 1)[0]
	_, latest := s.progress()
	containers := 0
	for range latest.Entries(state.KindContainer) {
		containers++
	}
	each := float64(first.down) / float64(containers)
	return goalRow("large.snapshot", "first snapshot, irregular pods", "≤ 20 bytes a container", each <= containerGoal,
		"%.1f bytes a container: %s of %s pods, %s containers, %d nodes", each, inBytes(float64(first.down)), thousands(env.sizes.fewPods), thousands(containers), env.sizes.fewNodes), nil
}

// openLarge starts an agent without usage, and waits for its first snapshot.
func (env *environment) openLarge(ctx context.Context, c *kube.Cluster, name string) (*agent, *forwarder, *session, error) {
	a, err := env.startAgent(ctx, c, name, "--usage-source", "none", "--min-request-period", "500ms")
	if err != nil {
		return nil, nil, nil, err
	}
	f, s, err := env.openDirect(ctx, a)
	if err != nil {
		return nil, nil, nil, errors.Join(err, a.close(ctx))
	}
	return a, f, s, nil
}

// openDirect opens a session with an agent, and waits for the first snapshot.
func (env *environment) openDirect(ctx context.Context, a *agent) (*forwarder, *session, error) {
	f, err := newForwarder(a.address)
	if err != nil {
		return nil, nil, err
	}
	s, err := dial(ctx, a, f, env.sizes.period, nil)
	if err == nil {
		_, err = s.waitFlush(ctx, 0, anyFlush)
	}
	if err != nil {
		f.close()
	}
	return f, s, err
}

// measureLargeAgent measures an agent of a cluster with very many pods: without a session, in a session, with changes,
// and when the session is old enough.
func (env *environment) measureLargeAgent(ctx context.Context, c *kube.Cluster) (rows []row, err error) {
	a, err := env.startAgent(ctx, c, "large", "--usage-source", "none", "--min-request-period", "500ms")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.close(ctx)) }()
	idle, err := env.measureProcess(ctx, a.PID())
	if err != nil {
		return nil, err
	}
	size := fmt.Sprintf("%s nodes and %s irregular pods", thousands(env.sizes.manyNodes), thousands(env.sizes.manyPods))
	rows = append(rows, goalRow("large.idle", "agent CPU, idle, "+size, "≤ 1 % of a core", idle.cpu <= idleGoal, "%s", inPercent(idle.cpu)))
	beats, perSecond, err := env.cpuDuringHeartbeats(ctx, c, a)
	if err != nil {
		return rows, err
	}
	rows = append(rows, infoRow("large.heartbeats", fmt.Sprintf("the same, with %.0f node heartbeats a second", perSecond), "%s", inPercent(beats)))
	startedAt := time.Now()
	f, s, err := env.openDirect(ctx, a)
	if err != nil {
		return rows, err
	}
	defer func() { s.close(); f.close() }()
	busy, err := env.cpuDuringChanges(ctx, c, a)
	if err != nil {
		return rows, err
	}
	rows = append(rows, goalRow("large.busy", fmt.Sprintf("the same in a session, %d pod changes a second", busyChanges), "≤ 5 % of a core", busy <= busyGoal, "%s", inPercent(busy)))
	env.log("waiting until the session is %s old", env.sizes.resident)
	steady, peak, err := env.waitResident(ctx, a.PID(), startedAt)
	if err != nil {
		return rows, err
	}
	return append(rows,
		goalRow("large.steady", fmt.Sprintf("agent resident in a session, after %s, %s", env.sizes.resident, size), "≤ 64 MiB", steady <= manySteadyGoal, "%s", inMiB(steady)),
		goalRow("large.peak", "its peak, start included", "≤ 96 MiB", peak <= manyPeakGoal, "%s", inMiB(peak)),
	), nil
}

// cpuDuringHeartbeats returns an agent's CPU while node heartbeats are written, and their rate per second.
// It writes the objects itself; no kubelets run.
func (env *environment) cpuDuringHeartbeats(ctx context.Context, c *kube.Cluster, a *agent) (cpu, perSecond float64, err error) {
	perSecond = max(float64(env.sizes.manyNodes)/heartbeat.Seconds(), 1)
	count := int64(perSecond * env.sizes.window.Seconds())
	list, err := c.Client().CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: count})
	if err != nil {
		return 0, 0, err
	}
	before, err := readProcUsage(a.PID())
	if err != nil {
		return 0, 0, err
	}
	if err := writeHeartbeats(ctx, c, list.Items, perSecond); err != nil {
		return 0, 0, err
	}
	after, err := readProcUsage(a.PID())
	return after.cpuShare(before), perSecond, err
}

// cpuDuringChanges returns an agent's CPU while pods change.
func (env *environment) cpuDuringChanges(ctx context.Context, c *kube.Cluster, a *agent) (float64, error) {
	count := int(env.sizes.window.Seconds() * busyChanges)
	list, err := c.Client().CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: int64(count)})
	if err != nil {
		return 0, err
	}
	pods := filter(list.Items, func(pod corev1.Pod) bool { return len(pod.Status.ContainerStatuses) > 0 })
	before, err := readProcUsage(a.PID())
	if err != nil {
		return 0, err
	}
	if _, err := toggleAll(ctx, c, pods, busyChanges); err != nil {
		return 0, err
	}
	after, err := readProcUsage(a.PID())
	return after.cpuShare(before), err
}
