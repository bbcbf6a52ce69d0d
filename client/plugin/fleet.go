package plugin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/client"
)

// fleet follows the clusters that there are, as they come, go, and may be called or not.
type fleet[T any] struct {
	*showing[T]
	heard     chan<- news[T]
	following *errgroup.Group
	// is has what is done about each cluster: the end of its watch, or nothing.
	is map[string]context.CancelFunc
	// present are the clusters told of since the stream began; nil when that is complete.
	present map[string]bool
}

// followFleet follows all clusters until ctx ends; each is followed in the group.
func (s *showing[T]) followFleet(ctx context.Context, following *errgroup.Group, heard chan<- news[T]) error {
	f := fleet[T]{s, heard, following, map[string]context.CancelFunc{}, map[string]bool{}}
	o := client.WatchClustersOptions{OnRetry: func(err error, _ time.Duration) { f.tell(ctx, "", err) }}
	for e, err := range s.master.WatchClusters(ctx, o) {
		switch {
		case err != nil:
			return err
		case e.Type == client.Restarted:
			f.present = map[string]bool{}
		case e.InitialEnd:
			f.complete(ctx)
		default:
			if c, ok := e.Object.(*client.Cluster); ok {
				f.take(ctx, e.Type, c)
			}
		}
	}
	return nil
}

// take makes of what is told of a cluster that it is followed, or no more.
func (f *fleet[T]) take(ctx context.Context, is client.EventType, c *client.Cluster) {
	if is == client.Deleted {
		f.leave(c.Name)
		return
	}
	if f.present != nil {
		f.present[c.Name] = true
	}
	end, known := f.is[c.Name]
	switch {
	case c.Suspended && (!known || end != nil):
		f.leave(c.Name)
		f.is[c.Name] = nil
		f.tell(ctx, c.Name, errors.New("suspended, and left out until it is not"))
	case !c.Suspended && end == nil:
		f.join(ctx, c.Name)
	}
}

func (f *fleet[T]) join(ctx context.Context, cluster string) {
	watched := 0
	for _, end := range f.is {
		if end != nil {
			watched++
		}
	}
	if watched == maxWatched {
		if _, known := f.is[cluster]; !known {
			f.tell(ctx, cluster, fmt.Errorf("not watched, since %d others are; name those that you want to watch", maxWatched))
		}
		f.is[cluster] = nil
		return
	}
	ctx, f.is[cluster] = context.WithCancel(ctx)
	f.following.Go(func() error { return f.followOne(ctx, cluster, f.heard) })
}

func (f *fleet[T]) leave(cluster string) {
	if end := f.is[cluster]; end != nil {
		end()
	}
	delete(f.is, cluster)
}

// complete leaves the clusters that are no more since the stream was cut.
func (f *fleet[T]) complete(ctx context.Context) {
	for cluster := range f.is {
		if !f.present[cluster] {
			f.leave(cluster)
		}
	}
	if f.present != nil && len(f.is) == 0 {
		f.tell(ctx, "", errors.New("no clusters found; each is watched once it is registered"))
	}
	f.present = nil
}

// tell has something said of a cluster, or of the whole stream.
func (f *fleet[T]) tell(ctx context.Context, cluster string, trouble error) {
	select {
	case f.heard <- news[T]{cluster: cluster, trouble: trouble}:
	case <-ctx.Done():
	}
}
