package facts

import (
	"slices"
	"strings"
)

// LabelSet is a set of labels in one string, the same for equal sets: key=value lines,
// sorted. Pods of one workload share it, and a set costs one string, not a map.
type LabelSet string

// NewLabelSet returns the LabelSet of labels in the form key=value. Neither keys nor
// values of Kubernetes' labels have line breaks.
func NewLabelSet(pairs []string) LabelSet {
	slices.Sort(pairs)
	return LabelSet(strings.Join(pairs, "\n"))
}

// Contains reports whether all labels of other are in s, as a Service's selector needs
// it of its pods.
func (s LabelSet) Contains(other LabelSet) bool {
	rest := string(s)
	for pair := range strings.SplitSeq(string(other), "\n") {
		for {
			var have string
			have, rest, _ = strings.Cut(rest, "\n")
			if have == pair {
				break
			}
			if rest == "" || have > pair {
				return false
			}
		}
	}
	return true
}
