package facts_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

func TestZerosAreKeptApartFromWhatIsNotSet(t *testing.T) {
	zero := resource.MustParse("0")
	for name, want := range map[corev1.ResourceName]state.Zeros{
		corev1.ResourceCPU:              state.ZeroCPU,
		corev1.ResourceMemory:           state.ZeroMemory,
		corev1.ResourceEphemeralStorage: state.ZeroEphemeralStorage,
		corev1.ResourcePods:             state.ZeroPods,
	} {
		if got := facts.Zeros(corev1.ResourceList{name: zero}); got != want {
			t.Errorf("%s of 0: zeros are %b, want %b", name, got, want)
		}
		if got := facts.Zeros(corev1.ResourceList{name: resource.MustParse("1")}); got != 0 {
			t.Errorf("%s of 1: zeros are %b, want none", name, got)
		}
	}
}
