package agreement

import (
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// healthSeeds are many, and small: health has to hang on one problem.
const healthSeeds = 200

// TestHealthFollowsFromTheRows computes health anew from the rows by docs/FACTS.md, where
// that can be done: a row of several objects does not tell how old each of them is.
func TestHealthFollowsFromTheRows(t *testing.T) {
	w := newWorld(t, healthSeeds, 1, 2, 4, 8)
	decided := map[bool]int{}
	for _, name := range w.names {
		var d document
		w.get(t, "/api/v1/clusters/"+name, nil, &d)
		healthy, sure := healthOf(&d, w.evaluated[name])
		if !sure {
			continue
		}
		decided[healthy]++
		if d.Summary.Healthy != healthy {
			t.Errorf("%s: healthy is %v at %s, and by the rows it is %v: %s", name, d.Summary.Healthy, w.evaluated[name].UTC(), healthy, text(d.Summary.Problems))
		}
	}
	if decided[true] < healthSeeds/10 || decided[false] < healthSeeds/10 {
		t.Errorf("of %d states %d are healthy and %d are not by the rows, want a tenth of each", healthSeeds, decided[true], decided[false])
	}
}

// healthOf returns the health that follows from the rows, and whether the rows are sufficient
// to decide.
func healthOf(d *document, now time.Time) (healthy, sure bool) {
	healthy, sure = true, d.Summary.More.Critical == 0
	for _, p := range d.Summary.Problems {
		if p.Severity != state.SeverityCritical || p.Muted != "" || !now.After(p.Since.Time().Add(patienceWith(d, &p))) {
			continue
		}
		if p.Count > 1 && p.Kind != "Node" {
			// The oldest of them is late; whether it is a critical one is not told.
			sure = false
			continue
		}
		return false, true
	}
	return healthy, sure
}

// patienceWith returns the patience for a problem by docs/FACTS.md.
func patienceWith(d *document, p *state.Problem) time.Duration {
	switch {
	case p.Kind == "Node", p.What == state.WhatUnreadable:
		return time.Minute
	case strings.HasSuffix(p.What, state.WhatCrashLoop):
		return 2 * time.Minute
	case p.Kind == "Pod" && podAt(d, p.Where).Phase == state.PodFailed:
		return 2 * time.Minute
	case p.Kind == "Container" && endedForGood(d, p.Where):
		return 2 * time.Minute
	}
	return 5 * time.Minute
}

func podAt(d *document, where string) state.PodView {
	for _, p := range d.Pods {
		if p.Namespace+"/"+p.Name == where {
			return p
		}
	}
	return state.PodView{Pod: &state.Pod{}}
}

// endedForGood reports whether a container has ended and is not to be started again.
func endedForGood(d *document, where string) bool {
	for _, c := range d.Containers {
		if c.Namespace+"/"+c.Pod+"/"+c.Name == where {
			return c.State == state.Terminated && podAt(d, c.Namespace+"/"+c.Pod).RestartPolicy == state.RestartNever
		}
	}
	return false
}
