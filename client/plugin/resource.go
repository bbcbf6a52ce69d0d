package plugin

import (
	"context"

	"github.com/spf13/cobra"
	"rollcall.dev/rollcall/client"
)

// resource describes the rows that a command lists.
type resource[T any] struct {
	kind *kind[T]
	// filters are the names of the filter flags. states and kinds are the values of --state
	// and --kind.
	filters       []string
	states, kinds []string

	// query returns the rows of a cluster.
	query func(ctx context.Context, master *client.Client, cluster string, o client.ListOptions) ([]T, client.ClusterMeta, error)
	// newCache returns a cache of a cluster that calls onRows. The caller runs it.
	newCache func(master *client.Client, cluster string, o client.CacheOptions, onRows rowHandler[T]) *client.Cache
	// emptyText, if it is not nil, returns the text to print if a cluster has no row. note is
	// the note in the master's response. If the text is empty, "No … found." is printed.
	emptyText func(f client.Filter, cluster, note string) string
}

// rowHandler is called once with all initial rows, and then with each changed row.
type rowHandler[T any] func(eventType client.EventType, initial bool, rows ...*T)

// queryList returns a resource.query that requests a list of the API.
func queryList[T any](list func(*client.Client) client.ListFunc[T]) func(context.Context, *client.Client, string, client.ListOptions) ([]T, client.ClusterMeta, error) {
	return func(ctx context.Context, master *client.Client, cluster string, o client.ListOptions) ([]T, client.ClusterMeta, error) {
		l, err := list(master)(ctx, cluster, o)
		if err != nil {
			return nil, client.ClusterMeta{}, err
		}
		return l.Items, l.ClusterMeta, nil
	}
}

// watchList returns a resource.newCache that watches a list of the API.
func watchList[T any](part client.Part, rows func(*client.Cache) client.Lister[T], handlers func(client.Handler[T]) client.Handlers) func(*client.Client, string, client.CacheOptions, rowHandler[T]) *client.Cache {
	return func(master *client.Client, cluster string, o client.CacheOptions, onRows rowHandler[T]) *client.Cache {
		var cache *client.Cache
		h := handlers(client.Handler[T]{
			Add: func(row *T, initial bool) {
				if !initial {
					onRows(client.Added, false, row)
				}
			},
			Update: func(_, row *T) { onRows(client.Modified, false, row) },
			Delete: func(row *T) { onRows(client.Deleted, false, row) },
		})
		h.Synced = func() { onRows(client.Added, true, rows(cache).List()...) }
		o.Part = part
		o.Handlers = append(o.Handlers, h)
		cache = client.NewCache(master, cluster, o)
		return cache
	}
}

// addList adds the flags and the function to a command that lists a resource.
func addList[T any](p *plugin, r resource[T], cmd *cobra.Command) *cobra.Command {
	var flags filterFlags
	flags.register(cmd, r.filters, r.states, r.kinds)
	out := newOutput(cmd)
	cmd.ValidArgsFunction = p.completeClusters
	cmd.RunE = func(cmd *cobra.Command, clusters []string) error {
		filter, err := flags.parse()
		if err != nil {
			return err
		}
		single := len(clusters) == 1
		printer, err := newPrinter(p, r.kind, out, hiddenColumns{cluster: single, namespace: filter.Namespace != ""})
		if err != nil {
			return err
		}
		master, closeClient, err := p.connection.open(cmd.Context())
		if err != nil {
			return err
		}
		defer closeClient()
		s := listCommand[T]{plugin: p, resource: r, master: master, filter: filter, printer: printer, named: len(clusters) > 0}
		if out.watch {
			return s.watch(cmd.Context(), clusters)
		}
		if !s.named {
			if clusters, err = p.activeClusters(cmd.Context(), master); err != nil {
				return err
			}
		}
		return s.list(cmd.Context(), clusters)
	}
	return cmd
}

// listCommand is one run of a command that lists a resource.
type listCommand[T any] struct {
	*plugin
	resource[T]
	master  *client.Client
	filter  client.Filter
	printer *printer[T]
	// named is true if the clusters were named as arguments.
	named bool
}
