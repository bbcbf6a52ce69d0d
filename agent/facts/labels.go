package facts

import (
	"slices"
	"strings"
)

// LabelSet is a set of labels as one string of sorted lines key=value. Equal sets are equal strings. A string takes
// less memory than a map, and the pods of a workload can share it.
type LabelSet string

// NewLabelSet returns the LabelSet of labels in the form key=value. It sorts pairs. Keys and values of Kubernetes
// labels have no line breaks.
func NewLabelSet(pairs []string) LabelSet {
	slices.Sort(pairs)
	return LabelSet(strings.Join(pairs, "\n"))
}

// Contains reports whether s has all labels of other. A Service selects a pod if the pod's labels contain its selector.
// other must not be empty.
func (s LabelSet) Contains(other LabelSet) bool {
	rest := string(s)
	for pair := range strings.SplitSeq(string(other), "\n") {
		for {
			var label string
			label, rest, _ = strings.Cut(rest, "\n")
			if label == pair {
				break
			}
			if rest == "" || label > pair {
				return false
			}
		}
	}
	return true
}
