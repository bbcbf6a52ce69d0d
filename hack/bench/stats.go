package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// number is what can be summed up and sorted.
type number interface{ ~int | ~int64 | ~float64 }

// percentile returns the p-th percentile by the nearest-rank method, or 0 for no values. It
// does not modify values.
func percentile[T cmp.Ordered](values []T, p float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank-1, 0), len(sorted)-1)]
}

func median[T cmp.Ordered](values []T) T { return percentile(values, 50) }

func sum[E any, T number](all []E, of func(E) T) T {
	var sum T
	for _, e := range all {
		sum += of(e)
	}
	return sum
}

func pick[E, T any](all []E, of func(E) T) []T {
	picked := make([]T, 0, len(all))
	for _, e := range all {
		picked = append(picked, of(e))
	}
	return picked
}

func only[E any](all []E, fits func(E) bool) []E {
	return slices.DeleteFunc(slices.Clone(all), func(e E) bool { return !fits(e) })
}

// Figures as people read them. Bytes on a network are counted in thousands, memory in
// MiB.

func inBytes(n float64) string {
	switch {
	case n < 10 && n != math.Trunc(n):
		return fmt.Sprintf("%.2f bytes", n)
	case n < 10_000:
		return fmt.Sprintf("%.0f bytes", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", n/1e3)
	}
	return fmt.Sprintf("%.1f MB", n/1e6)
}

func inMiB(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

func inMillis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
}

func inPercent(share float64) string { return fmt.Sprintf("%.1f %%", share*100) }

// thousands writes a whole number with commas.
func thousands[T ~int | ~int64](n T) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
