package plugin

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/client"
)

// maxWatched is the maximum number of watched clusters. Each has a stream of its own.
const maxWatched = 64

// clusterEvent is an event of one cluster, or its error.
type clusterEvent[T any] struct {
	cluster   string
	eventType client.EventType
	rows      []*T
	// initial is true if the rows are the initial state.
	initial bool
	err     error
}

// watch prints the rows of clusters, and then their changes, until ctx ends. It watches the
// named clusters, or all of them. Each cluster has a cache, whose goroutine waits until its
// events are printed.
func (s *listCommand[T]) watch(ctx context.Context, clusters []string) error {
	if len(clusters) > maxWatched {
		return fmt.Errorf("at most %[2]d clusters can be watched, got %[1]d", len(clusters), maxWatched)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	events := make(chan clusterEvent[T])
	if !s.named {
		group.Go(func() error { return s.watchAll(ctx, group, events) })
	}
	for _, cluster := range clusters {
		group.Go(func() error { return s.watchCluster(ctx, cluster, events) })
	}
	done := make(chan error, 1)
	go func() {
		done <- group.Wait()
		close(events)
	}()
	var printErr error
	for e := range events {
		if e.err != nil {
			s.printError(e.cluster, e.err)
			continue
		}
		if err := s.printRows(e); err != nil && printErr == nil {
			printErr = err
			stop()
		}
	}
	err := <-done
	switch {
	case printErr != nil:
		return printErr
	case err == nil:
		return errReported // a watch never ends without an error
	}
	return err
}

// watchCluster sends the events of one cluster. A named cluster must be reachable at the start.
// Later errors, and all errors of a cluster that was not named, are printed and the watch continues.
func (s *listCommand[T]) watchCluster(ctx context.Context, cluster string, events chan<- clusterEvent[T]) error {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	send := func(e clusterEvent[T]) {
		e.cluster = cluster
		select {
		case events <- e:
		case <-ctx.Done():
		}
	}
	o := client.CacheOptions{Filter: s.filter, Timeout: s.connection.timeout}
	o.Handlers = []client.Handlers{{Freshness: func(f client.Freshness) {
		switch {
		case f.Err == nil, ctx.Err() != nil:
		case s.named && !f.Synced:
			abort(f.Err)
		default:
			send(clusterEvent[T]{err: f.Err})
		}
	}}}
	cache := s.newCache(s.master, cluster, o, func(eventType client.EventType, initial bool, rows ...*T) {
		send(clusterEvent[T]{eventType: eventType, initial: initial, rows: rows})
	})
	err := cache.Run(ctx)
	if !s.named {
		err = nil // it was reported already
	}
	return err
}

// printRows prints the rows of an event.
func (s *listCommand[T]) printRows(e clusterEvent[T]) error {
	if e.initial && len(e.rows) == 0 && s.printer.human {
		if !s.explainCluster(e.cluster, s.assumedNote()) {
			fmt.Fprintf(s.ErrOut, "No %s found in %s.\n", s.kind.plural, e.cluster)
		}
	}
	var items []item[T]
	for _, row := range e.rows {
		items = append(items, item[T]{e.cluster, row})
	}
	return s.printer.printEvent(e.eventType, items...)
}

// assumedNote returns the note with which the master answers a query for a free port, since
// a watch has no note. It is empty for a query with other filters.
func (s *listCommand[T]) assumedNote() string {
	f := s.filter
	if supported := (client.Filter{Port: f.Port, Protocol: f.Protocol, Node: f.Node}); f.Port == 0 || f != supported {
		return ""
	}
	return ": not allocated and not declared. Host processes and undeclared ports of hostNetwork pods may still use it."
}
