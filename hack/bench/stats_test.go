package main

import (
	"testing"
	"time"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	values := []int{5, 1, 4, 2, 3}
	for p, want := range map[float64]int{0: 1, 20: 1, 21: 2, 50: 3, 80: 4, 99: 5, 100: 5} {
		if got := percentile(values, p); got != want {
			t.Errorf("P%g: got %d, want %d", p, got, want)
		}
	}
	if values[0] != 5 {
		t.Error("percentile sorted the values in place")
	}
	if got := median([]int(nil)); got != 0 {
		t.Errorf("median of no values: got %d, want 0", got)
	}
}

func TestFormats(t *testing.T) {
	for want, got := range map[string]string{
		"0.15 bytes": inBytes(0.15), "88 bytes": inBytes(88), "2476 bytes": inBytes(2476), "141.4 kB": inBytes(141_400), "34.0 MB": inBytes(34e6),
		"40 MiB": inMiB(40 << 20), "1.5 ms": inMillis(1500 * time.Microsecond), "150 ms": inMillis(150 * time.Millisecond),
		"0.9 %": inPercent(0.009), "999": thousands(999), "1,000": thousands(1000), "1,234,567": thousands(1_234_567),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
