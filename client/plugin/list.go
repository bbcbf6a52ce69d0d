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

// maxAsked is how many clusters are asked at the same time.
const maxAsked = 16

// awake are all clusters but those that must not be called.
func (p *plugin) awake(ctx context.Context, master *client.Client) ([]string, error) {
	var names []string
	for c, err := range master.AllClusters(ctx, client.ClusterOptions{}) {
		if err != nil {
			return nil, err
		}
		if c.Suspended {
			fmt.Fprintf(p.ErrOut, "%s is suspended, and left out\n", c.Name)
			continue
		}
		names = append(names, c.Name)
	}
	if len(names) == 0 {
		fmt.Fprintln(p.ErrOut, "No clusters found.")
	}
	return names, nil
}

// answer is what one cluster says.
type answer[T any] struct {
	cluster string
	rows    []T
	head    client.ClusterMeta
	err     error
}

// list prints what all of the clusters have.
func (s *showing[T]) list(ctx context.Context, clusters []string) error {
	answers := s.askAll(ctx, clusters)
	failure := failed(ctx, s.plugin, answers)
	if failure != nil && !errors.Is(failure, errTold) {
		return failure
	}
	var items []item[T]
	for _, a := range answers {
		s.warn(a.cluster, a.head)
		for i := range a.rows {
			items = append(items, item[T]{a.cluster, &a.rows[i]})
		}
	}
	if err := s.printer.some(items); err != nil {
		return err
	}
	s.explain(answers)
	return failure
}

// askAll asks all of the clusters, some at the same time. What one says does not change
// what others do.
func (s *showing[T]) askAll(ctx context.Context, clusters []string) []answer[T] {
	answers := make([]answer[T], len(clusters))
	o := client.ListOptions{Filter: s.filter, Timeout: s.connection.timeout}
	var asking errgroup.Group
	asking.SetLimit(maxAsked)
	for i, cluster := range clusters {
		asking.Go(func() error {
			rows, head, err := s.ask(ctx, s.master, cluster, o)
			answers[i] = answer[T]{cluster, rows, head, err}
			return nil
		})
	}
	_ = asking.Wait() // the errors are in the answers
	return answers
}

// failed tells of the clusters that gave no answer, or gives the error of the only one.
func failed[T any](ctx context.Context, p *plugin, answers []answer[T]) (failure error) {
	for _, a := range answers {
		var problem *client.Problem
		switch {
		case a.err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case len(answers) == 1:
			return a.err
		case errors.As(a.err, &problem) && problem.Status == http.StatusUnauthorized, badQuery(problem):
			return a.err // the others say the same
		default:
			p.complain(a.cluster, a.err)
			failure = errTold
		}
	}
	return failure
}

func badQuery(p *client.Problem) bool { return p != nil && p.Status == http.StatusBadRequest }

// explain says of clusters without rows what that means.
func (s *showing[T]) explain(answers []answer[T]) {
	rows, said := 0, false
	for _, a := range answers {
		rows += len(a.rows)
		if a.err == nil && len(a.rows) == 0 {
			said = s.explainOne(a.cluster, a.head.Note) || said
		}
	}
	if rows == 0 && !said && len(answers) > 0 && s.printer.human {
		fmt.Fprintf(s.ErrOut, "No %s found.\n", s.kind.plural)
	}
}

// explainOne says what it means that a cluster has no rows. To a person that is the
// answer; a program is not disturbed by it.
func (s *showing[T]) explainOne(cluster, note string) bool {
	if s.empty == nil {
		return false
	}
	words := s.empty(s.filter, cluster, note)
	if words == "" {
		return false
	}
	if s.printer.human {
		fmt.Fprintln(s.Out, words)
	} else {
		fmt.Fprintln(s.ErrOut, state.CleanText(words))
	}
	return true
}

// warn tells of an answer that is not what it should be.
func (p *plugin) warn(cluster string, h client.ClusterMeta) {
	for _, s := range h.Sections {
		if s.Error != nil && s.Name != "usage" {
			fmt.Fprintf(p.ErrOut, "Warning: %s: section %s is not up to date: %s (%s)\n", cluster, s.Name, state.CleanText(s.Error.Message), state.CleanLine(s.Error.Reason))
		}
	}
}
