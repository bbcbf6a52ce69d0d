package plugin

import (
	"context"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/client"
)

// resource is what a command shows of clusters.
type resource[T any] struct {
	kind *kind[T]
	// filters are the flags that narrow it; states and kinds are the values of two.
	filters       []string
	states, kinds []string

	// ask gets the rows of a cluster.
	ask func(ctx context.Context, master *client.Client, cluster string, o client.ListOptions) ([]T, client.ClusterMeta, error)
	// follow is a cache of a cluster, which is not running yet, that tells of rows.
	follow func(master *client.Client, cluster string, o client.CacheOptions, hear hearing[T]) *client.Cache
	// empty is what to say where a cluster has no such row, instead of that alone.
	empty func(f client.Filter, cluster, note string) string
}

// hearing hears of rows: first once of all there are, then of what changes.
type hearing[T any] func(is client.EventType, initial bool, rows ...*T)

// asks gets a list of the API.
func asks[T any](list func(*client.Client) client.ListFunc[T]) func(context.Context, *client.Client, string, client.ListOptions) ([]T, client.ClusterMeta, error) {
	return func(ctx context.Context, master *client.Client, cluster string, o client.ListOptions) ([]T, client.ClusterMeta, error) {
		l, err := list(master)(ctx, cluster, o)
		if err != nil {
			return nil, client.ClusterMeta{}, err
		}
		return l.Items, l.ClusterMeta, nil
	}
}

// follows follows a list of the API.
func follows[T any](part client.Part, rows func(*client.Cache) client.Lister[T], handlers func(client.Handler[T]) client.Handlers) func(*client.Client, string, client.CacheOptions, hearing[T]) *client.Cache {
	return func(master *client.Client, cluster string, o client.CacheOptions, hear hearing[T]) *client.Cache {
		var cache *client.Cache
		h := handlers(client.Handler[T]{
			Add: func(row *T, initial bool) {
				if !initial {
					hear(client.Added, false, row)
				}
			},
			Update: func(_, row *T) { hear(client.Modified, false, row) },
			Delete: func(row *T) { hear(client.Deleted, false, row) },
		})
		h.Synced = func() { hear(client.Added, true, rows(cache).List()...) }
		o.Part = part
		o.Handlers = append(o.Handlers, h)
		cache = client.NewCache(master, cluster, o)
		return cache
	}
}

// show adds to a command what shows a resource.
func show[T any](p *plugin, r resource[T], cmd *cobra.Command) *cobra.Command {
	var flags filterFlags
	flags.register(cmd, r.filters, r.states, r.kinds)
	out := newOutput(cmd)
	cmd.ValidArgsFunction = p.completeClusters
	cmd.RunE = func(cmd *cobra.Command, clusters []string) error {
		filter, err := flags.parse()
		if err != nil {
			return err
		}
		one := len(clusters) == 1
		printer, err := newPrinter(p, r.kind, out, hidden{cluster: one, namespace: filter.Namespace != ""})
		if err != nil {
			return err
		}
		master, closed, err := p.connection.open(cmd.Context())
		if err != nil {
			return err
		}
		defer closed()
		s := showing[T]{plugin: p, resource: r, master: master, filter: filter, printer: printer, named: len(clusters) > 0}
		if out.watch {
			return s.watch(cmd.Context(), clusters)
		}
		if !s.named {
			if clusters, err = p.awake(cmd.Context(), master); err != nil {
				return err
			}
		}
		return s.list(cmd.Context(), clusters)
	}
	return cmd
}

// showing is one run of a command that shows a resource.
type showing[T any] struct {
	*plugin
	resource[T]
	master  *client.Client
	filter  client.Filter
	printer *printer[T]
	// named says that the clusters were named, and not found.
	named bool
}
