package plugin

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/client"
)

// maxWatched is how many clusters are watched at the same time: each is a stream.
const maxWatched = 64

// news is something that one cluster says: rows, or that it cannot be heard.
type news[T any] struct {
	cluster string
	is      client.EventType
	rows    []*T
	// initial says that the rows are all there are at first.
	initial bool
	trouble error
}

// watch prints what clusters have, and then what changes, until the context ends: of
// those that are named, else of all. Each cluster has a cache, whose goroutine waits
// until what it tells is printed.
func (s *showing[T]) watch(ctx context.Context, clusters []string) error {
	if len(clusters) > maxWatched {
		return fmt.Errorf("there are %d clusters, and %d can be watched at the same time; name some", len(clusters), maxWatched)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	following, ctx := errgroup.WithContext(ctx)
	heard := make(chan news[T])
	if !s.named {
		following.Go(func() error { return s.followFleet(ctx, following, heard) })
	}
	for _, cluster := range clusters {
		following.Go(func() error { return s.followOne(ctx, cluster, heard) })
	}
	ended := make(chan error, 1)
	go func() {
		ended <- following.Wait()
		close(heard)
	}()
	var broken error
	for n := range heard {
		if n.trouble != nil {
			s.complain(n.cluster, n.trouble)
			continue
		}
		if err := s.tell(n); err != nil && broken == nil {
			broken = err
			stop()
		}
	}
	err := <-ended
	switch {
	case broken != nil:
		return broken
	case err == nil:
		return errTold // no watch ends well by itself
	}
	return err
}

// followOne tells of one cluster. Where it was named, it has to be there at first; later,
// and where it was found, it may come and go.
func (s *showing[T]) followOne(ctx context.Context, cluster string, heard chan<- news[T]) error {
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	tell := func(n news[T]) {
		n.cluster = cluster
		select {
		case heard <- n:
		case <-ctx.Done():
		}
	}
	o := client.CacheOptions{Filter: s.filter, Timeout: s.connection.timeout}
	o.Handlers = []client.Handlers{{Freshness: func(f client.Freshness) {
		switch {
		case f.Err == nil, ctx.Err() != nil:
		case s.named && !f.Synced:
			give(f.Err)
		default:
			tell(news[T]{trouble: f.Err})
		}
	}}}
	cache := s.follow(s.master, cluster, o, func(is client.EventType, initial bool, rows ...*T) {
		tell(news[T]{is: is, initial: initial, rows: rows})
	})
	err := cache.Run(ctx)
	if !s.named {
		err = nil // it was told already
	}
	return err
}

// tell prints news.
func (s *showing[T]) tell(n news[T]) error {
	if n.initial && len(n.rows) == 0 && s.printer.human {
		if !s.explainOne(n.cluster, s.presumed()) {
			fmt.Fprintf(s.ErrOut, "No %s found in %s.\n", s.kind.plural, n.cluster)
		}
	}
	var items []item[T]
	for _, row := range n.rows {
		items = append(items, item[T]{n.cluster, row})
	}
	return s.printer.event(n.is, items...)
}

// presumed is what a master says of a list of ports that is empty, as a watch does not.
func (s *showing[T]) presumed() string {
	f := s.filter
	if asked := (client.Filter{Port: f.Port, Protocol: f.Protocol, Node: f.Node}); f.Port == 0 || f != asked {
		return ""
	}
	return ": not allocated and not declared."
}
