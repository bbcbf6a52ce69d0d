package controllers

import (
	"math"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	// heartbeat is how old a stored summary may grow while newer ones come that differ
	// in nothing of weight.
	heartbeat = 5 * time.Minute
	// materialPoints is by how many per cent of what is allocatable an amount must move.
	materialPoints = 5
)

// statusChange says why a ClusterStatus is to be written; empty: it is not, or not yet.
func statusChange(old, next v1alpha1.ClusterStatusStatus, now time.Time) string {
	switch {
	case !slices.EqualFunc(old.Conditions, next.Conditions, sameCondition):
		return becauseCondition
	case old.KubernetesVersion != next.KubernetesVersion || isMaterial(old.Summary, next.Summary):
		return becauseSummary
	case !old.ObservedAt.Equal(next.ObservedAt) && untilHeartbeat(old, now) <= 0:
		return becauseHeartbeat
	}
	return ""
}

// untilHeartbeat is in how long a stored summary must be replaced by a newer one.
func untilHeartbeat(stored v1alpha1.ClusterStatusStatus, now time.Time) time.Duration {
	if stored.ObservedAt == nil {
		return 0
	}
	return stored.ObservedAt.Add(heartbeat).Sub(now)
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
