package view

import (
	"errors"
	"strings"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// list returns a function that lists clusters with the given names.
func list(names ...string) func() ([]httpv1.Cluster, error) {
	return func() (all []httpv1.Cluster, _ error) {
		for _, name := range names {
			all = append(all, httpv1.Cluster{Name: name})
		}
		return all, nil
	}
}

func refreshList(t *testing.T, l *ClusterListLog, at time.Time, list func() ([]httpv1.Cluster, error)) {
	t.Helper()
	if _, _, err := l.Refresh(at, list); err != nil {
		t.Fatal(err)
	}
}

// only returns a filter for a caller that may see only these clusters.
func only(names ...string) ClusterFilter {
	visible := map[string]bool{}
	for _, name := range names {
		visible[name] = true
	}
	return ClusterFilter{Visible: visible}
}

func TestSwitchFilterSendsPendingChangesFirst(t *testing.T) {
	for _, tc := range []struct {
		name          string
		now           []string
		before, after ClusterFilter
		want          string
	}{
		{"a cluster is deleted and becomes invisible", []string{"b"}, only("a", "b"), only("b"), "DELETED a"},
		{"a cluster is added and all clusters become visible", []string{"a", "b", "c"}, only("b"), ClusterFilter{}, "ADDED a, ADDED c"},
		{"a visible cluster is added", []string{"a", "b", "c"}, ClusterFilter{}, ClusterFilter{}, "ADDED c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, at := NewClusterListLog(), received
			refreshList(t, f, at, list("a", "b"))
			_, cursor, err := f.Initial(tc.before, JSONLinesWithCluster)
			if err != nil {
				t.Fatal(err)
			}
			refreshList(t, f, at.Add(time.Minute), list(tc.now...)) // for another watcher
			lines, next, err := f.SwitchFilter(cursor, tc.before, tc.after, JSONLinesWithCluster)
			if err != nil {
				t.Fatal(err)
			}
			rest, _, err := f.Read(next, tc.after, JSONLinesWithCluster)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range decodeEvents(t, append(lines, rest...)) {
				_, name, _ := strings.Cut(string(e.Object), `"name":"`)
				got = append(got, string(e.Type)+" "+name[:1])
			}
			if got := strings.Join(got, ", "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if next.next != f.changes.next {
				t.Errorf("got cursor %d, want %d", next.next, f.changes.next)
			}
		})
	}
}

func TestRefreshKeepsTheListIfItCannotBeRead(t *testing.T) {
	l, cause := NewClusterListLog(), errors.New("the registry cannot be read")
	refreshList(t, l, received, list("a", "b"))
	version := l.Version()
	later := received.Add(time.Minute)
	if _, _, err := l.Refresh(later, func() ([]httpv1.Cluster, error) { return nil, cause }); !errors.Is(err, cause) {
		t.Fatalf("got error %v, want %v", err, cause)
	}
	if got := l.Version(); got != version {
		t.Errorf("got version %s, want %s as before: no cluster was removed", got, version)
	}
	refreshList(t, l, later, list("a")) // at once, although it was tried just now
	if got := l.Version(); got == version {
		t.Errorf("got version %s as before, want another: b was removed", got)
	}
}
