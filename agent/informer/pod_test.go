package informer

import (
	"testing"

	"rollcall.dev/rollcall/agent/facts"
)

func TestPodSpecNamesBecomeFacts(t *testing.T) {
	whole := testPod("web-1", "n1")
	whole.Spec.PriorityClassName, whole.Spec.ServiceAccountName = "high", "shop"
	p := facts.NewPod(podConverter{newInterner()}.input(convert(whole, &podObject{})), nil, 0)
	if p.PriorityClass != "high" || p.ServiceAccount != "shop" {
		t.Errorf("got priority class %q and service account %q, want high and shop", p.PriorityClass, p.ServiceAccount)
	}
}
