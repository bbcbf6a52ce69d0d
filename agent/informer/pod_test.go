package informer

import (
	"testing"

	"rollcall.dev/rollcall/agent/facts"
)

func TestPodSpecNamesBecomeFacts(t *testing.T) {
	whole := testPod("web-1", "n1")
	priority := int32(1000)
	whole.Spec.PriorityClassName, whole.Spec.Priority, whole.Spec.ServiceAccountName = "high", &priority, "shop"
	p := facts.NewPod(podConverter{newInterner()}.input(convert(whole, &podObject{})), nil, 0)
	if p.PriorityClass != "high" || p.Priority != 1000 || p.ServiceAccount != "shop" {
		t.Errorf("got priority class %q, priority %d and service account %q, want high, 1000 and shop", p.PriorityClass, p.Priority, p.ServiceAccount)
	}
}
