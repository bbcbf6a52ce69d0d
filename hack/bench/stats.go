package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// number is a type that can be added and ordered.
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

// median returns the 50th percentile.
func median[T cmp.Ordered](values []T) T { return percentile(values, 50) }

// sum returns the sum of a property of all elements.
func sum[E any, T number](all []E, of func(E) T) T {
	var sum T
	for _, e := range all {
		sum += of(e)
	}
	return sum
}

// collect returns a property of each element.
func collect[E, T any](all []E, of func(E) T) []T {
	picked := make([]T, 0, len(all))
	for _, e := range all {
		picked = append(picked, of(e))
	}
	return picked
}

// filter returns the elements for which fits returns true. It does not modify all.
func filter[E any](all []E, fits func(E) bool) []E {
	return slices.DeleteFunc(slices.Clone(all), func(e E) bool { return !fits(e) })
}

// The following functions format figures for the table.

// inBytes formats a number of bytes in units of 1000.
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

// inMiB formats a number of bytes in MiB.
func inMiB(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

// inMillis formats a duration in milliseconds.
func inMillis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
}

// inPercent formats a share, 1 being 100 %.
func inPercent(share float64) string { return fmt.Sprintf("%.1f %%", share*100) }

// thousands formats a whole number with commas between groups of three digits.
func thousands[T ~int | ~int64](n T) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
