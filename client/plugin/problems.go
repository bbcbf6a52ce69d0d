package plugin

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

func (p *plugin) problems() *cobra.Command {
	return addList(p, resource[state.Problem]{
		kind: problemKind,
		query: func(ctx context.Context, master *client.Client, cluster string, o client.ListOptions) ([]state.Problem, client.ClusterMeta, error) {
			d, err := master.Summary(ctx, cluster, o)
			if err != nil {
				return nil, client.ClusterMeta{}, err
			}
			return d.Summary.Problems, d.ClusterMeta, nil
		},
		newCache: newProblemsCache,
	}, &cobra.Command{
		Use:   "problems [cluster...]",
		Short: "List what is wrong, worst first",
		Long: `List what is wrong, worst first, at most 50 problems of each cluster. One cause is one
row: COUNT is the number of objects that it affects, and -o wide names some of them.

A cluster is unhealthy when a critical problem has lasted longer than its threshold.
Warnings, info and muted problems do not affect health. Muted problems are listed last.
docs/FACTS.md has the rules.

With -w, problems are printed when they appear and when they change; with
--output-watch-events also when they end.`,
		Example: `  # List the problems of all clusters
  kubectl rollcall problems

  # Watch the problems of prod-eu
  kubectl rollcall problems prod-eu -w`,
	})
}

var problemKind = &kind[state.Problem]{
	kind: "Problem", plural: "problems",
	name:      func(p *state.Problem) string { return p.Kind + ":" + p.Where + ":" + p.What },
	namespace: func(*state.Problem) string { return "" },
	columns: []column[state.Problem]{
		{"Severity", false, func(p *state.Problem, _ time.Time) string { return severity(p) }},
		{"Kind", false, func(p *state.Problem, _ time.Time) string { return p.Kind }},
		{"What", false, func(p *state.Problem, _ time.Time) string { return p.What }},
		{"Where", false, func(p *state.Problem, _ time.Time) string { return p.Where }},
		{"Count", false, func(p *state.Problem, _ time.Time) string { return fmt.Sprint(p.Count) }},
		{"Since", false, func(p *state.Problem, now time.Time) string { return since(p.Since.Time(), now) }},
		{"Owner", true, func(p *state.Problem, _ time.Time) string { return ownerName(p.Owner) }},
		{"Others", true, func(p *state.Problem, _ time.Time) string { return strings.Join(p.Others, ",") }},
		{"Message", false, func(p *state.Problem, _ time.Time) string { return p.Message }},
	},
}

// severity returns a problem's severity, or "muted".
func severity(p *state.Problem) string {
	if p.Muted != "" {
		return "muted"
	}
	return p.Severity.String()
}

// ownerName returns the kind and name of a workload, or "" if there is none.
func ownerName(o state.Owner) string {
	if o.Name == "" {
		return ""
	}
	return o.Kind + "/" + o.Name
}

// newProblemsCache returns a cache that calls onRows with the problems that differ from those
// of the previous summary.
func newProblemsCache(master *client.Client, cluster string, o client.CacheOptions, onRows rowHandler[state.Problem]) *client.Cache {
	var last []state.Problem
	synced := false
	o.Part = client.Summary
	o.Handlers = append(o.Handlers, client.Handlers{
		Summary: func(sum *state.Summary) {
			if synced {
				compareProblems(last, sum.Problems, onRows)
			}
			last = sum.Problems
		},
		Synced: func() {
			synced = true
			onRows(client.Added, true, pointers(last)...)
		},
	})
	return client.NewCache(master, cluster, o)
}

func compareProblems(before, after []state.Problem, onRows rowHandler[state.Problem]) {
	old, current := byName(before), byName(after)
	for _, name := range slices.Sorted(maps.Keys(current)) {
		last, known := old[name]
		switch {
		case !known:
			onRows(client.Added, false, current[name])
		case !reflect.DeepEqual(last, current[name]):
			onRows(client.Modified, false, current[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if current[name] == nil {
			onRows(client.Deleted, false, old[name])
		}
	}
}

// byName returns problems by name. Several with the same name, such as both sides of a
// conflict, are numbered.
func byName(problems []state.Problem) map[string]*state.Problem {
	found := map[string]*state.Problem{}
	for i := range problems {
		name := problemKind.name(&problems[i])
		for n := 2; found[name] != nil; n++ {
			name = fmt.Sprintf("%s#%d", problemKind.name(&problems[i]), n)
		}
		found[name] = &problems[i]
	}
	return found
}

func pointers[T any](rows []T) []*T {
	var all []*T
	for i := range rows {
		all = append(all, &rows[i])
	}
	return all
}
