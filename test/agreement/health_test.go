package agreement

import (
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// healthSeeds is the number of small states, in many of which health depends on a single problem.
const healthSeeds = 200

// TestHealthFollowsFromTheRows computes health from the listed problems by the rules of docs/FACTS.md, where
// that is possible: a row for several objects has only the age of the oldest.
func TestHealthFollowsFromTheRows(t *testing.T) {
	env := newEnvironment(t, healthSeeds, 1, 2, 4, 8)
	counts := map[bool]int{}
	for _, name := range env.names() {
		var d document
		env.get(t, "/api/v1/clusters/"+name, nil, &d)
		healthy, decided := healthOf(&d, env.evaluated[name])
		if !decided {
			continue
		}
		counts[healthy]++
		if d.Summary.Healthy != healthy {
			t.Errorf("%s: got healthy %v at %s, want %v by the problems %s", name, d.Summary.Healthy, env.evaluated[name].UTC(), healthy, text(d.Summary.Problems))
		}
	}
	if counts[true] < healthSeeds/10 || counts[false] < healthSeeds/10 {
		t.Errorf("of %d states: got %d healthy and %d unhealthy by the rows, want at least a tenth of each", healthSeeds, counts[true], counts[false])
	}
}

// healthOf returns the health that follows from the rows. decided is false if the rows do not determine
// it.
func healthOf(d *document, now time.Time) (healthy, decided bool) {
	healthy, decided = true, d.Summary.More.Critical == 0
	for _, p := range d.Summary.Problems {
		if p.Severity != state.SeverityCritical || p.Muted != "" || !now.After(p.Since.Time().Add(thresholdOf(d, &p))) {
			continue
		}
		if p.Count > 1 && p.Kind != "Node" {
			// The oldest is past its threshold, but it may not be a critical one.
			decided = false
			continue
		}
		return false, true
	}
	return healthy, decided
}

// thresholdOf returns the threshold of a problem by docs/FACTS.md.
func thresholdOf(d *document, p *state.Problem) time.Duration {
	switch {
	case p.Kind == "Node", p.What == state.WhatUnreadable:
		return time.Minute
	case strings.HasSuffix(p.What, state.WhatCrashLoop):
		return 2 * time.Minute
	case p.Kind == "Pod" && podNamed(d, p.Where).Phase == state.PodFailed:
		return 2 * time.Minute
	case p.Kind == "Container" && endedPermanently(d, p.Where):
		return 2 * time.Minute
	}
	return 5 * time.Minute
}

// podNamed returns the pod with the name namespace/name, or an empty one.
func podNamed(d *document, where string) state.PodView {
	for _, p := range d.Pods {
		if p.Namespace+"/"+p.Name == where {
			return p
		}
	}
	return state.PodView{Pod: &state.Pod{}}
}

// endedPermanently reports whether a container has terminated and will not be restarted.
func endedPermanently(d *document, where string) bool {
	for _, c := range d.Containers {
		if c.Namespace+"/"+c.Pod+"/"+c.Name == where {
			return c.State == state.Terminated && podNamed(d, c.Namespace+"/"+c.Pod).RestartPolicy == state.RestartNever
		}
	}
	return false
}
