package facts_test

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

func TestZeros(t *testing.T) {
	zero := resource.MustParse("0")
	for name, want := range map[corev1.ResourceName]state.Zeros{
		corev1.ResourceCPU:              state.ZeroCPU,
		corev1.ResourceMemory:           state.ZeroMemory,
		corev1.ResourceEphemeralStorage: state.ZeroEphemeralStorage,
		corev1.ResourcePods:             state.ZeroPods,
	} {
		if got := facts.Zeros(corev1.ResourceList{name: zero}); got != want {
			t.Errorf("%s of 0: got zeros %b, want %b", name, got, want)
		}
		if got := facts.Zeros(corev1.ResourceList{name: resource.MustParse("1")}); got != 0 {
			t.Errorf("%s of 1: got zeros %b, want none", name, got)
		}
	}
}

func TestResourcesConvertQuantities(t *testing.T) {
	for text, want := range map[string]struct{ cpuMillis, memoryBytes int64 }{
		"0":            {0, 0},
		"0.5":          {500, 1},
		"1500m":        {1500, 2},
		"1e3":          {1_000_000, 1000},
		"100u":         {1, 1},
		"1n":           {1, 1},
		"1Ei":          {math.MaxInt64, 1 << 60},
		"8Ei":          {math.MaxInt64, math.MaxInt64},
		"10E":          {math.MaxInt64, math.MaxInt64},
		"-1":           {0, 0},
		"-10E":         {0, 0},
		"129e6":        {129_000_000_000, 129_000_000},
		"9007199254Ki": {9_223_372_036_096_000, 9_223_372_036_096},
	} {
		amount := resource.MustParse(text)
		got := facts.Resources(corev1.ResourceList{corev1.ResourceCPU: amount, corev1.ResourceMemory: amount})
		if got.CPUMillis != want.cpuMillis || got.MemoryBytes != want.memoryBytes {
			t.Errorf("%s: got %d millicores and %d bytes, want %d and %d", text, got.CPUMillis, got.MemoryBytes, want.cpuMillis, want.memoryBytes)
		}
	}
}
