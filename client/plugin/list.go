package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

// maxConcurrent is the maximum number of clusters that are queried concurrently.
const maxConcurrent = 16

// activeClusters returns the names of all clusters that are not suspended.
func (p *plugin) activeClusters(ctx context.Context, master *client.Client) ([]string, error) {
	var names []string
	for c, err := range master.AllClusters(ctx, client.ClusterOptions{}) {
		if err != nil {
			return nil, err
		}
		if c.Suspended {
			fmt.Fprintf(p.ErrOut, "skipping suspended cluster %s\n", c.Name)
			continue
		}
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		fmt.Fprintln(p.ErrOut, "No clusters found.")
	}
	return names, nil
}

// result is the result of one cluster.
type result[T any] struct {
	cluster string
	rows    []T
	meta    client.ClusterMeta
	err     error
}

// list prints the rows of clusters.
func (s *listCommand[T]) list(ctx context.Context, clusters []string) error {
	results := s.listAll(ctx, clusters)
	failure := reportErrors(ctx, s.plugin, results)
	if failure != nil && !errors.Is(failure, errReported) {
		return failure
	}
	var items []item[T]
	for _, a := range results {
		s.warn(a.cluster, a.meta)
		for i := range a.rows {
			items = append(items, item[T]{a.cluster, &a.rows[i]})
		}
	}
	if err := s.printer.printList(items); err != nil {
		return err
	}
	s.explainEmpty(results)
	return failure
}

// listAll queries clusters concurrently. The error of one does not affect others.
func (s *listCommand[T]) listAll(ctx context.Context, clusters []string) []result[T] {
	results := make([]result[T], len(clusters))
	o := client.ListOptions{Filter: s.filter, Timeout: s.connection.timeout}
	var group errgroup.Group
	group.SetLimit(maxConcurrent)
	for i, cluster := range clusters {
		group.Go(func() error {
			rows, meta, err := s.query(ctx, s.master, cluster, o)
			results[i] = result[T]{cluster, rows, meta, err}
			return nil
		})
	}
	_ = group.Wait() // the errors are in the results
	return results
}

// reportErrors prints the errors of clusters and returns errReported, or returns an error
// that concerns all clusters or the only one. It returns nil if there is no error.
func reportErrors[T any](ctx context.Context, p *plugin, results []result[T]) (failure error) {
	for _, a := range results {
		var problem *client.Problem
		switch {
		case a.err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case len(results) == 1:
			return a.err
		case errors.As(a.err, &problem) && problem.Status == http.StatusUnauthorized, badQuery(problem):
			return a.err // it is the same for all clusters
		default:
			p.printError(a.cluster, a.err)
			failure = errReported
		}
	}
	return failure
}

func badQuery(p *client.Problem) bool { return p != nil && p.Status == http.StatusBadRequest }

// explainEmpty prints what it means that clusters have no rows.
func (s *listCommand[T]) explainEmpty(results []result[T]) {
	rows, explained := 0, false
	for _, a := range results {
		rows += len(a.rows)
		if a.err == nil && len(a.rows) == 0 {
			explained = s.explainCluster(a.cluster, a.meta.Note) || explained
		}
	}
	if rows == 0 && !explained && len(results) > 0 && s.printer.human {
		fmt.Fprintf(s.ErrOut, "No %s found.\n", s.kind.plural)
	}
}

// explainCluster prints what it means that a cluster has no rows, and reports whether there
// was anything to print. It goes to Out for a person, and to ErrOut for a program.
func (s *listCommand[T]) explainCluster(cluster, note string) bool {
	if s.emptyText == nil {
		return false
	}
	text := s.emptyText(s.filter, cluster, note)
	if text == "" {
		return false
	}
	if s.printer.human {
		fmt.Fprintln(s.Out, text)
	} else {
		fmt.Fprintln(s.ErrOut, state.CleanText(text))
	}
	return true
}

// warn prints a warning for each section that is not up to date.
func (p *plugin) warn(cluster string, h client.ClusterMeta) {
	for _, s := range h.Sections {
		if s.Error != nil && s.Name != "usage" {
			fmt.Fprintf(p.ErrOut, "Warning: %s: section %s is not up to date: %s (%s)\n", cluster, s.Name, state.CleanText(s.Error.Message), state.CleanLine(s.Error.Reason))
		}
	}
}
