package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxProblemPercent is the maximum percentage of nodes that are cordoned, of those not ready, and of those tainted.
const maxProblemPercent = 40

var maintenance = corev1.Taint{Key: "maintenance", Value: "planned", Effect: corev1.TaintEffectNoSchedule}

// flipCordon cordons or uncordons a node.
func (m *mutator) flipCordon(ctx context.Context) error {
	return m.flipNode(ctx,
		func(node *corev1.Node) bool { return node.Spec.Unschedulable },
		func(node *corev1.Node, on bool) error { return m.Cordon(ctx, node.Name, on) })
}

// flipNodeReady changes a node's readiness.
func (m *mutator) flipNodeReady(ctx context.Context) error {
	return m.flipNode(ctx,
		func(node *corev1.Node) bool { return node.Labels[BehaviorLabel] == BehaviorNotReady },
		func(node *corev1.Node, on bool) error { return m.SetNodeReady(ctx, node.Name, !on) })
}

// flipTaint adds or removes the maintenance taint of a node.
func (m *mutator) flipTaint(ctx context.Context) error {
	return m.flipNode(ctx,
		func(node *corev1.Node) bool { return taintIndex(node) >= 0 },
		func(node *corev1.Node, on bool) error {
			if on {
				node.Spec.Taints = append(node.Spec.Taints, maintenance)
			} else {
				i := taintIndex(node)
				node.Spec.Taints = append(node.Spec.Taints[:i], node.Spec.Taints[i+1:]...)
			}
			_, err := m.client.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
			return err
		})
}

// taintIndex returns the index of the maintenance taint, or -1.
func taintIndex(node *corev1.Node) int {
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].MatchTaint(&maintenance) {
			return i
		}
	}
	return -1
}

// flipNode sets a problem on a node without it, or clears it on a node with it, so that most nodes stay healthy.
func (m *mutator) flipNode(ctx context.Context, has func(*corev1.Node) bool, set func(*corev1.Node, bool) error) error {
	list, err := m.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	withProblem := 0
	for i := range list.Items {
		if has(&list.Items[i]) {
			withProblem++
		}
	}
	on := m.random.IntN(2) == 0 && 100*(withProblem+1) <= maxProblemPercent*len(list.Items)
	node, err := pick(m, list.Items, func(node *corev1.Node) bool { return has(node) != on })
	if err != nil {
		return err
	}
	return set(node, on)
}
