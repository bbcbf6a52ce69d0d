package history

import (
	"fmt"
	"strings"
	"time"
)

// unhealed are the faults after which nobody saw the cluster again in time; h.mu is
// held.
func (h *History) unhealed(c *cluster) (found []string) {
	if c.within == 0 {
		return nil
	}
	proofs := h.proofs(c)
	for i, f := range c.faults {
		if f.noted || i+1 < len(c.faults) && !c.faults[i+1].at.After(f.at.Add(c.within)) {
			continue
		}
		if first := healedAt(proofs, f.at); first.IsZero() || first.After(f.at.Add(c.within)) {
			found = append(found, h.unhealedStory(c, f, first))
		}
	}
	return found
}

// proof is a value that somebody saw: when it was proved, in order, and when the
// cluster was no longer so (zero: it still is, or nobody knows).
type proof struct {
	at       []time.Time
	outdated time.Time
}

func (c *cluster) proof(s stamp, at []time.Time) proof {
	p := proof{at: at}
	if i, known := c.byStamp[s]; known && i+1 < len(c.truths) {
		p.outdated = c.truths[i+1].at
	}
	return p
}

func (h *History) proofs(c *cluster) (all []proof) {
	for _, r := range h.readers {
		for _, s := range r.seen[c.name] {
			all = append(all, c.proof(s.stamp, s.proved))
		}
	}
	for _, s := range h.streams {
		for _, e := range s.events {
			if _, stamp, err := parseVersion(e.version); err == nil && s.cluster == c.name {
				all = append(all, c.proof(stamp, []time.Time{e.at}))
			}
		}
	}
	return all
}

// healedAt is the first instant from at on when a value was proved that was not
// outdated before at; zero: there is none.
func healedAt(proofs []proof, at time.Time) (first time.Time) {
	for _, p := range proofs {
		if !p.outdated.IsZero() && !p.outdated.After(at) {
			continue
		}
		for _, proved := range p.at {
			if !proved.Before(at) && (first.IsZero() || proved.Before(first)) {
				first = proved
			}
		}
	}
	return first
}

func (h *History) unhealedStory(c *cluster, f fault, first time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %s: not healed within %s", c.name, c.within)
	h.tellFaults(&b, c, f.at)
	fmt.Fprintf(&b, "\n  wanted: a value that was true and proved between %s and %s", h.clock(f.at), h.clock(f.at.Add(c.within)))
	if first.IsZero() {
		b.WriteString("\n  came:   none until the end")
	} else {
		fmt.Fprintf(&b, "\n  came:   the first at %s, %s later", h.clock(first), first.Sub(f.at))
	}
	return b.String()
}
