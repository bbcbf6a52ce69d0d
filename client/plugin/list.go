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

// result has the rows of one cluster, or the error of its request.
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
	for _, r := range results {
		s.warn(r.cluster, r.meta)
		for i := range r.rows {
			items = append(items, item[T]{r.cluster, &r.rows[i]})
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
	// unknown is the error of a cluster that was not found, about which there is a hint.
	var unknown error
	for _, r := range results {
		var problem *client.Problem
		switch {
		case r.err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case len(results) == 1:
			return r.err
		case errors.As(r.err, &problem) && problem.Status == http.StatusUnauthorized, badQuery(problem):
			return r.err // all clusters have the same error
		default:
			p.printError(r.cluster, r.err)
			failure = errReported
			if isNotFound(r.err) {
				unknown = r.err
			}
		}
	}
	if unknown != nil {
		p.printHint(ctx, unknown)
	}
	return failure
}

// badQuery reports whether the master rejected the query, which is the same for all clusters.
func badQuery(p *client.Problem) bool { return p != nil && p.Status == http.StatusBadRequest }

// explainEmpty prints a text for the clusters that have no rows.
func (s *listCommand[T]) explainEmpty(results []result[T]) {
	rows, explained := 0, false
	for _, r := range results {
		rows += len(r.rows)
		if r.err == nil && len(r.rows) == 0 {
			explained = s.explainCluster(r.cluster, r.meta.Note) || explained
		}
	}
	if rows == 0 && !explained && len(results) > 0 && s.printer.human {
		fmt.Fprintf(s.ErrOut, "No %s found.\n", s.kind.plural)
	}
}

// explainCluster prints resource.emptyText for a cluster without rows, and reports whether
// there was a text. It prints to Out beside tables, and to ErrOut for other output formats.
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
func (p *plugin) warn(cluster string, meta client.ClusterMeta) {
	for _, s := range meta.Sections {
		if s.Error != nil && s.Name != "usage" {
			what := "not up to date"
			if s.Error.Reason == state.ReasonRestricted {
				what = "not complete"
			}
			fmt.Fprintf(p.ErrOut, "Warning: %s: section %s is %s: %s (%s)\n", cluster, s.Name, what, state.CleanText(s.Error.Message), state.CleanLine(s.Error.Reason))
		}
	}
}
