package history

import (
	"fmt"
	"strings"
	"time"
)

// unhealed returns the faults after which no reader saw a confirmed value in time. The
// caller must hold h.mu.
func (h *History) unhealed(c *cluster) (found []string) {
	if c.healingTimeout == 0 {
		return nil
	}
	proofs := h.proofs(c)
	for i, f := range c.faults {
		if f.annotation || i+1 < len(c.faults) && !c.faults[i+1].at.After(f.at.Add(c.healingTimeout)) {
			continue
		}
		if first := healedAt(proofs, f.at); first.IsZero() || first.After(f.at.Add(c.healingTimeout)) {
			found = append(found, h.describeUnhealed(c, f, first))
		}
	}
	return found
}

// proof is an observation of a value: the times at which it was confirmed, and the time at which the cluster changed
// afterwards (zero if it did not, or if that is unknown).
type proof struct {
	at       []time.Time
	outdated time.Time
}

// proof returns the proof of an observed revision.
func (c *cluster) proof(s revision, at []time.Time) proof {
	p := proof{at: at}
	if i, known := c.byRevision[s]; known && i+1 < len(c.states) {
		p.outdated = c.states[i+1].at
	}
	return p
}

// proofs returns all observations of a cluster. The caller must hold h.mu.
func (h *History) proofs(c *cluster) (all []proof) {
	for _, r := range h.readers {
		for _, s := range r.observations[c.name] {
			all = append(all, c.proof(s.revision, s.confirmed))
		}
	}
	for _, s := range h.streams {
		for _, e := range s.events {
			if _, revision, err := parseVersion(e.version); err == nil && s.cluster == c.name {
				all = append(all, c.proof(revision, []time.Time{e.at}))
			}
		}
	}
	return all
}

// healedAt returns the first time from at on at which a value was confirmed that was not
// outdated before at, or zero if there is none.
func healedAt(proofs []proof, at time.Time) (first time.Time) {
	for _, p := range proofs {
		if !p.outdated.IsZero() && !p.outdated.After(at) {
			continue
		}
		for _, confirmed := range p.at {
			if !confirmed.Before(at) && (first.IsZero() || confirmed.Before(first)) {
				first = confirmed
			}
		}
	}
	return first
}

// describeUnhealed describes a fault that did not heal in time.
func (h *History) describeUnhealed(c *cluster, f fault, first time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %s: not healed within %s", c.name, c.healingTimeout)
	h.writeFaults(&b, c, f.at)
	fmt.Fprintf(&b, "\n  wanted: a current value that was confirmed between %s and %s", h.clock(f.at), h.clock(f.at.Add(c.healingTimeout)))
	if first.IsZero() {
		b.WriteString("\n  got:    none")
	} else {
		fmt.Fprintf(&b, "\n  got:    the first at %s, %s later", h.clock(first), first.Sub(f.at))
	}
	return b.String()
}
