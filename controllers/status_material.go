package controllers

import (
	"math"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// materialPoints is by how many per cent of what is allocatable an amount must move to be
// told apart from what moves all the time.
const materialPoints = 5

// statusChange says why a ClusterStatus is to be written; empty: it is not, or not yet. A
// summary takes the place of another when that is as old as the interval, whatever they
// differ in: how many writes the hub gets then depends on how many clusters there are, and
// not on what goes on in them.
func statusChange(old, next v1alpha1.ClusterStatusStatus, now time.Time, interval time.Duration) string {
	due := untilDue(old, now, interval) <= 0
	switch {
	case !slices.EqualFunc(old.Conditions, next.Conditions, sameCondition):
		return becauseCondition
	case due && (old.KubernetesVersion != next.KubernetesVersion || isMaterial(old.Summary, next.Summary)):
		return becauseSummary
	case due && !old.ObservedAt.Equal(next.ObservedAt):
		return becauseHeartbeat
	}
	return ""
}

// untilDue is in how long a stored summary is as old as the interval. One with a time to
// come, by a wrong clock, is due.
func untilDue(stored v1alpha1.ClusterStatusStatus, now time.Time, interval time.Duration) time.Duration {
	if stored.ObservedAt == nil || stored.ObservedAt.After(now) {
		return 0
	}
	return stored.ObservedAt.Add(interval).Sub(now)
}

// isMaterial says that two summaries differ in a count, in health, in a problem, or
// by materialPoints in a share of what is allocatable.
func isMaterial(old, next *v1alpha1.Summary) bool {
	if old == nil || next == nil {
		return old != next
	}
	return old.Nodes != next.Nodes || old.Pods != next.Pods || old.Containers != next.Containers || old.Ports != next.Ports ||
		old.Healthy != next.Healthy || old.ProblemCounts != next.ProblemCounts || old.Muted != next.Muted ||
		!slices.EqualFunc(old.Problems, next.Problems, sameProblem) ||
		!slices.EqualFunc(shares(old), shares(next), isNear)
}

// sameProblem says that two are the same thing, whatever words there are for it now.
func sameProblem(a, b v1alpha1.Problem) bool {
	return a.Severity == b.Severity && a.Kind == b.Kind && a.What == b.What && a.Where == b.Where && a.Count == b.Count && a.Muted == b.Muted
}

// unknown is a share that is near to nothing but itself.
const unknown = -100

// shares are the amounts of a summary in per cent of what is allocatable.
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

func isNear(a, b float64) bool { return math.Abs(a-b) < materialPoints }
