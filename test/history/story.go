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

// story tells of the sighting at i: what the reader saw before, what was broken, what
// came, and what was wanted.
func (h *History) story(r *Reader, c *cluster, seen []sighting, i int, wrong, wanted string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "reader %s of cluster %s: %s", r.name, c.name, wrong)
	for _, s := range seen[max(i-3, 0):i] {
		fmt.Fprintf(&b, "\n  before: %s from %s to %s", s.version(), h.clock(s.proved[0]), h.clock(s.proved[len(s.proved)-1]))
	}
	fmt.Fprintf(&b, "\n  came:   %s at %s", seen[i].version(), h.clock(seen[i].proved[0]))
	fmt.Fprintf(&b, "\n  wanted: %s", wanted)
	h.tellFaults(&b, c, seen[i].proved[0])
	return b.String()
}

// tellFaults tells the last faults before an instant.
func (h *History) tellFaults(b *strings.Builder, c *cluster, until time.Time) {
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

// clock is an instant as time since the first record.
func (h *History) clock(at time.Time) string {
	return "+" + at.Sub(h.began).Round(time.Microsecond).String()
}

// near are the states that the cluster had around a stamp that it never had.
func (c *cluster) near(s stamp) string {
	var before, after string
	for _, t := range c.truths {
		switch {
		case t.state.Epoch != s.epoch:
		case t.state.Seq < s.seq:
			before = t.stamp().String()
		case after == "":
			after = t.stamp().String()
		}
	}
	switch {
	case before == "" && after == "":
		return "an epoch that there was"
	case after == "":
		return before + " at most"
	case before == "":
		return after + " at least"
	}
	return before + " or " + after
}

// origins says where the first object of seen that differs from want has it from.
func (c *cluster) origins(seen, want *state.State) string {
	var mixed state.Object
	state.EachChange(want, seen, func(_, came state.Object) {
		if mixed == nil {
			mixed = came
		}
	})
	if mixed == nil {
		return ""
	}
	// What was before is more likely to be it than what came later.
	past := c.byStamp[stamp{want.Epoch, want.Seq}]
	order := slices.Concat(c.truths[past:], c.truths[:past])
	for _, t := range slices.Backward(order) {
		if e, ok := t.state.Get(mixed.Key()); ok && state.Equal(e.Object, mixed) {
			what := "\n  origin: a lost change: "
			if t.state.Epoch != want.Epoch {
				what = "\n  origin: a mix of epochs: "
			}
			return what + fmt.Sprintf("%s was so at %s", keyText(mixed.Key()), t.stamp())
		}
	}
	return ""
}

// parseVersion reads a resourceVersion, <term>.<epoch>-<seq>, which is opaque to
// clients and not to tests.
func parseVersion(v string) (term uint64, s stamp, err error) {
	first, rest, ok := strings.Cut(v, ".")
	epoch, seq, both := strings.Cut(rest, "-")
	if !ok || !both {
		return 0, s, fmt.Errorf("%q is no resourceVersion", v)
	}
	if term, err = strconv.ParseUint(first, 10, 64); err == nil {
		if s.epoch, err = strconv.ParseUint(epoch, 16, 64); err == nil {
			s.seq, err = strconv.ParseUint(seq, 10, 64)
		}
	}
	if err != nil {
		return 0, s, fmt.Errorf("%q is no resourceVersion: %w", v, err)
	}
	return term, s, nil
}

func indented(lines []string) string { return "\n    " + strings.Join(lines, "\n    ") }

// firstDifference is where two texts part.
func firstDifference(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// around is a text's part around a place.
func around(s string, at int) string { return s[min(max(at-60, 0), len(s)):min(at+60, len(s))] }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func sorted(clusters map[string]*cluster) []*cluster {
	all := make([]*cluster, 0, len(clusters))
	for _, name := range sortedKeys(clusters) {
		all = append(all, clusters[name])
	}
	return all
}
