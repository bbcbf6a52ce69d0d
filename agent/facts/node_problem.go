package facts

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// readiness is the status of the Ready condition; Unknown while there is none.
func readiness(conditions []Condition) state.Tristate {
	for _, c := range conditions {
		if c.Type == string(corev1.NodeReady) {
			return c.Status
		}
	}
	return state.Unknown
}

// nodeProblems are the conditions that speak against a node, by type.
func nodeProblems(conditions []Condition) []state.NodeProblem {
	var problems []state.NodeProblem
	for _, c := range conditions {
		if speaksAgainst(c) {
			problems = append(problems, state.NodeProblem{Type: c.Type, Status: c.Status, Reason: text(c.Reason), Message: text(c.Message), Since: c.Since})
		}
	}
	slices.SortFunc(problems, func(a, b state.NodeProblem) int { return cmp.Compare(a.Type, b.Type) })
	return problems
}

// speaksAgainst holds for Ready that is not True, for any other condition that is
// True, and for pressure that nobody can rule out.
func speaksAgainst(c Condition) bool {
	if c.Type == string(corev1.NodeReady) {
		return c.Status != state.True
	}
	return c.Status == state.True || c.Status == state.Unknown && strings.HasSuffix(c.Type, "Pressure")
}
