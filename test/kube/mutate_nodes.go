package kube

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// inTrouble is how many nodes of a hundred may be cordoned, not ready or tainted at once.
const inTrouble = 40

var maintenance = corev1.Taint{Key: "maintenance", Value: "planned", Effect: corev1.TaintEffectNoSchedule}

func (m *mutator) flipCordon(ctx context.Context) error {
	return m.flipNode(ctx,
		func(node *corev1.Node) bool { return node.Spec.Unschedulable },
		func(node *corev1.Node, on bool) error { return m.Cordon(ctx, node.Name, on) })
}

func (m *mutator) flipNodeReady(ctx context.Context) error {
	return m.flipNode(ctx,
		func(node *corev1.Node) bool { return node.Labels[FateLabel] == FateNotReady },
		func(node *corev1.Node, on bool) error { return m.SetNodeReady(ctx, node.Name, !on) })
}

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

func taintIndex(node *corev1.Node) int {
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].MatchTaint(&maintenance) {
			return i
		}
	}
	return -1
}

// flipNode sets a trouble on a node that does not have it, or ends it on one that has, so that most nodes stay well.
func (m *mutator) flipNode(ctx context.Context, has func(*corev1.Node) bool, set func(*corev1.Node, bool) error) error {
	list, err := m.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	troubled := 0
	for i := range list.Items {
		if has(&list.Items[i]) {
			troubled++
		}
	}
	on := m.random.IntN(2) == 0 && 100*(troubled+1) <= inTrouble*len(list.Items)
	node, err := pick(m, list.Items, func(node *corev1.Node) bool { return has(node) != on })
	if err != nil {
		return err
	}
	return set(node, on)
}
