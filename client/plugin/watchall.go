package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/client"
)

// allWatcher watches all clusters, including those that are registered or resumed later.
type allWatcher[T any] struct {
	*listCommand[T]
	events chan<- clusterEvent[T]
	group  *errgroup.Group
	// cancels has a function for each known cluster that ends its watch, or nil if it is not
	// watched.
	cancels map[string]context.CancelFunc
	// initial has the clusters of the initial state while it is received. It is nil afterwards.
	initial map[string]bool
}

// watchAll watches all clusters until ctx ends, each in a goroutine of the group.
func (s *listCommand[T]) watchAll(ctx context.Context, group *errgroup.Group, events chan<- clusterEvent[T]) error {
	w := allWatcher[T]{s, events, group, map[string]context.CancelFunc{}, map[string]bool{}}
	o := client.WatchClustersOptions{OnRetry: func(err error, _ time.Duration) { w.report(ctx, "", err) }}
	for e, err := range s.master.WatchClusters(ctx, o) {
		switch {
		case err != nil:
			return err
		case e.Type == client.Restarted:
			w.initial = map[string]bool{}
		case e.InitialEnd:
			w.endInitial(ctx)
		default:
			if c, ok := e.Object.(*client.Cluster); ok {
				w.handle(ctx, e.Type, c)
			}
		}
	}
	return nil
}

// handle starts or ends the watch of a cluster after an event about it.
func (w *allWatcher[T]) handle(ctx context.Context, eventType client.EventType, c *client.Cluster) {
	if eventType == client.Deleted {
		w.stop(c.Name)
		return
	}
	if w.initial != nil {
		w.initial[c.Name] = true
	}
	cancel, known := w.cancels[c.Name]
	switch {
	case c.Suspended && (!known || cancel != nil):
		w.stop(c.Name)
		w.cancels[c.Name] = nil
		w.report(ctx, c.Name, errors.New("suspended; it is watched once it is resumed"))
	case !c.Suspended && cancel == nil:
		w.start(ctx, c.Name)
	}
}

func (w *allWatcher[T]) start(ctx context.Context, cluster string) {
	watched := 0
	for _, cancel := range w.cancels {
		if cancel != nil {
			watched++
		}
	}
	if watched == maxWatched {
		if _, known := w.cancels[cluster]; !known {
			w.report(ctx, cluster, fmt.Errorf("not watched: at most %d clusters can be watched; name the clusters to watch", maxWatched))
		}
		w.cancels[cluster] = nil
		return
	}
	ctx, w.cancels[cluster] = context.WithCancel(ctx)
	w.group.Go(func() error { return w.watchCluster(ctx, cluster, w.events) })
}

func (w *allWatcher[T]) stop(cluster string) {
	if cancel := w.cancels[cluster]; cancel != nil {
		cancel()
	}
	delete(w.cancels, cluster)
}

// endInitial ends the watches of clusters that are not in the initial state.
func (w *allWatcher[T]) endInitial(ctx context.Context) {
	for cluster := range w.cancels {
		if !w.initial[cluster] {
			w.stop(cluster)
		}
	}
	if w.initial != nil && len(w.cancels) == 0 {
		w.report(ctx, "", errors.New("no clusters found; clusters are watched once they are registered"))
	}
	w.initial = nil
}

// report sends an error of a cluster, or of the whole stream.
func (w *allWatcher[T]) report(ctx context.Context, cluster string, err error) {
	select {
	case w.events <- clusterEvent[T]{cluster: cluster, err: err}:
	case <-ctx.Done():
	}
}
