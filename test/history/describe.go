package history

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// describe describes a violation: the reader's observations before, the
// faults, the observation, and what was wanted.
func (h *History) describe(r *Reader, c *cluster, observations []observation, i int, wrong, wanted string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "reader %s of cluster %s: %s", r.name, c.name, wrong)
	for _, s := range observations[max(i-3, 0):i] {
		fmt.Fprintf(&b, "\n  before: %s from %s to %s", s.version(), h.clock(s.confirmed[0]), h.clock(s.confirmed[len(s.confirmed)-1]))
	}
	fmt.Fprintf(&b, "\n  got:    %s at %s", observations[i].version(), h.clock(observations[i].confirmed[0]))
	fmt.Fprintf(&b, "\n  wanted: %s", wanted)
	h.writeFaults(&b, c, observations[i].confirmed[0])
	return b.String()
}

// writeFaults writes the last three faults before an instant.
func (h *History) writeFaults(b *strings.Builder, c *cluster, until time.Time) {
	var before []fault
	for _, f := range c.faults {
		if !f.at.After(until) {
			before = append(before, f)
		}
	}
	for _, f := range before[max(len(before)-3, 0):] {
		fmt.Fprintf(b, "\n  fault:  %s at %s", f.what, h.clock(f.at))
	}
}

// clock formats an instant as the time since the first record.
func (h *History) clock(at time.Time) string {
	return "+" + at.Sub(h.start).Round(time.Microsecond).String()
}

// nearestRevisions returns the revisions next to a revision that the cluster never had.
func (c *cluster) nearestRevisions(s revision) string {
	var before, after string
	for _, t := range c.states {
		switch {
		case t.state.Epoch != s.epoch:
		case t.state.Seq < s.seq:
			before = t.revision().String()
		case after == "":
			after = t.revision().String()
		}
	}
	switch {
	case before == "" && after == "":
		return "an epoch of the cluster"
	case after == "":
		return before + " at most"
	case before == "":
		return after + " at least"
	}
	return before + " or " + after
}

// origin returns where the first object of got that differs from want comes from.
func (c *cluster) origin(got, want *state.State) string {
	var first state.Object
	state.EachChange(want, got, func(_, got state.Object) {
		if first == nil {
			first = got
		}
	})
	if first == nil {
		return ""
	}
	// An earlier state is a more likely origin than a later one.
	index := c.byRevision[revision{want.Epoch, want.Seq}]
	order := slices.Concat(c.states[index:], c.states[:index])
	for _, t := range slices.Backward(order) {
		if e, ok := t.state.Get(first.Key()); ok && state.Equal(e.Object, first) {
			what := "\n  origin: a lost change: "
			if t.state.Epoch != want.Epoch {
				what = "\n  origin: a mix of epochs: "
			}
			return what + fmt.Sprintf("the cluster had %s at %s", keyText(first.Key()), t.revision())
		}
	}
	return ""
}

// parseVersion parses a resourceVersion, <term>.<epoch>-<seq>. Only this checker may parse it; clients must treat it as
// opaque.
func parseVersion(v string) (term uint64, s revision, err error) {
	first, rest, ok := strings.Cut(v, ".")
	epoch, seq, both := strings.Cut(rest, "-")
	if !ok || !both {
		return 0, s, fmt.Errorf("%q is not a resourceVersion", v)
	}
	if term, err = strconv.ParseUint(first, 10, 64); err == nil {
		if s.epoch, err = strconv.ParseUint(epoch, 16, 64); err == nil {
			s.seq, err = strconv.ParseUint(seq, 10, 64)
		}
	}
	if err != nil {
		return 0, s, fmt.Errorf("%q is not a resourceVersion: %w", v, err)
	}
	return term, s, nil
}

// indented returns the lines with an indent, each after a newline.
func indented(lines []string) string { return "\n    " + strings.Join(lines, "\n    ") }

// firstDifference returns the offset at which two texts differ.
func firstDifference(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// around returns the part of a text around an offset.
func around(s string, at int) string { return s[min(max(at-60, 0), len(s)):min(at+60, len(s))] }

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// sorted returns the clusters ordered by name.
func sorted(clusters map[string]*cluster) []*cluster {
	all := make([]*cluster, 0, len(clusters))
	for _, name := range sortedKeys(clusters) {
		all = append(all, clusters[name])
	}
	return all
}
