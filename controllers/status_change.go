package controllers

import (
	"math"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// significantPercent is by how many percentage points of the allocatable amount a value has to
// change to be significant.
const significantPercent = 5

// statusChange returns the reason for writing a ClusterStatus, empty if it should not be written
// now. A summary is replaced once it is older than the interval, however it differs. The number of
// writes thus depends on the number of clusters and not on the activity in them.
func statusChange(old, next v1alpha1.ClusterStatusStatus, now time.Time, interval time.Duration) string {
	due := untilDue(old, now, interval) <= 0
	switch {
	case !slices.EqualFunc(old.Conditions, next.Conditions, sameCondition):
		return reasonCondition
	case due && (old.KubernetesVersion != next.KubernetesVersion || isSignificant(old.Summary, next.Summary)):
		return reasonSummary
	case due && !old.ObservedAt.Equal(next.ObservedAt):
		return reasonHeartbeat
	}
	return ""
}

// untilDue returns the time until a stored summary is as old as the interval. It is zero for a
// time in the future, which a wrong clock wrote.
func untilDue(stored v1alpha1.ClusterStatusStatus, now time.Time, interval time.Duration) time.Duration {
	if stored.ObservedAt == nil || stored.ObservedAt.After(now) {
		return 0
	}
	return stored.ObservedAt.Add(interval).Sub(now)
}

// isSignificant reports whether two summaries differ in a count, in health, in a problem, or in a
// share of the allocatable amounts by significantPercent.
func isSignificant(old, next *v1alpha1.Summary) bool {
	if old == nil || next == nil {
		return old != next
	}
	return old.Nodes != next.Nodes || old.Pods != next.Pods || old.Containers != next.Containers || old.Ports != next.Ports ||
		old.Healthy != next.Healthy || old.ProblemCounts != next.ProblemCounts || old.Muted != next.Muted ||
		!slices.EqualFunc(old.Problems, next.Problems, sameProblem) ||
		!slices.EqualFunc(shares(old), shares(next), isNear)
}

// sameProblem reports whether two problems are the same apart from their messages.
func sameProblem(a, b v1alpha1.Problem) bool {
	return a.Severity == b.Severity && a.Kind == b.Kind && a.What == b.What && a.Where == b.Where && a.Count == b.Count && a.Muted == b.Muted
}

// unknown is the share if an amount is unknown. It differs significantly from all others.
const unknown = -100

// shares returns the amounts of a summary in percent of the allocatable amounts.
func shares(s *v1alpha1.Summary) []float64 {
	cpu, memory := s.Allocatable.CPUMillis, s.Allocatable.MemoryBytes
	shares := []float64{percent(s.Requested.CPUMillis, cpu), percent(s.Requested.MemoryBytes, memory), unknown, unknown}
	if s.Used != nil {
		shares[2], shares[3] = percent(s.Used.CPUMillis, cpu), percent(s.Used.MemoryBytes, memory)
	}
	return shares
}

func percent(part, whole int64) float64 {
	if whole <= 0 {
		return unknown
	}
	return 100 * float64(part) / float64(whole)
}

func isNear(a, b float64) bool { return math.Abs(a-b) < significantPercent }
