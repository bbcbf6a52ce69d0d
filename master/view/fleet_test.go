package view

import (
	"strings"
	"testing"
	"time"
)

// list returns clusters of the given names.
func list(names ...string) func() []Cluster {
	return func() (all []Cluster) {
		for _, name := range names {
			all = append(all, Cluster{Name: name})
		}
		return all
	}
}

// only returns who sees these clusters.
func only(names ...string) FleetSight {
	visible := map[string]bool{}
	for _, name := range names {
		visible[name] = true
	}
	return FleetSight{Visible: visible}
}

func TestATurnTellsFirstWhatChangedBeforeIt(t *testing.T) {
	for _, tc := range []struct {
		name          string
		now           []string
		before, after FleetSight
		want          string
	}{
		{"a cluster went, and could not be seen any more", []string{"b"}, only("a", "b"), only("b"), "DELETED a"},
		{"a cluster came, and all can be seen by now", []string{"a", "b", "c"}, only("b"), FleetSight{}, "ADDED a, ADDED c"},
		{"a cluster came that could be seen all the time", []string{"a", "b", "c"}, FleetSight{}, FleetSight{}, "ADDED c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, at := NewFleet(), received
			f.Advance(at, list("a", "b"))
			_, cursor, err := f.Initial(tc.before, FleetLines)
			if err != nil {
				t.Fatal(err)
			}
			f.Advance(at.Add(time.Minute), list(tc.now...)) // for another watcher
			lines, next, err := f.Turn(cursor, tc.before, tc.after, FleetLines)
			if err != nil {
				t.Fatal(err)
			}
			rest, _, err := f.Read(next, tc.after, FleetLines)
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, e := range hear(t, append(lines, rest...)) {
				_, name, _ := strings.Cut(string(e.Object), `"name":"`)
				told = append(told, e.Type+" "+name[:1])
			}
			if got := strings.Join(told, ", "); got != tc.want {
				t.Errorf("told: %s\nwant: %s", got, tc.want)
			}
			if next.next != f.changes.next {
				t.Errorf("the place is %d, want %d", next.next, f.changes.next)
			}
		})
	}
}
