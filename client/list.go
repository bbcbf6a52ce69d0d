package client

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Filter selects rows. The zero value selects all. A master rejects a field that a list
// does not support.
type Filter struct {
	Namespace, Node, Pod string
	// Owner is a name, or kind/name.
	Owner string
	// State is Ready, NotReady or Unknown for nodes; a phase for pods; running, waiting,
	// terminated or unknown for containers.
	State string
	// Kind is main, init, sidecar or ephemeral for containers; NodePort, HostPort and so on
	// for ports.
	Kind string
	// Port is 0 for all ports.
	Port     uint16
	Protocol state.Protocol
	// Query has words, each of which must occur in a name, image, reason or message.
	Query string
}

func (f Filter) add(q url.Values) {
	set(q, "namespace", f.Namespace)
	set(q, "node", f.Node)
	set(q, "pod", f.Pod)
	set(q, "owner", f.Owner)
	set(q, "state", f.State)
	set(q, "kind", f.Kind)
	set(q, "protocol", f.Protocol.String())
	set(q, "q", f.Query)
	if f.Port != 0 {
		q.Set("port", strconv.Itoa(int(f.Port)))
	}
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// ListOptions are the options of a list of one cluster.
type ListOptions struct {
	Filter Filter
	// Limit is the maximum number of rows of a page; 0 means no limit. Continue is the token
	// of the previous page.
	Limit    int
	Continue string
	// Timeout limits the wait for the first report of a cluster without a session; 0 means
	// 10 s.
	Timeout time.Duration
	// AwaitUsage waits for the first reading of usage too, within Timeout.
	AwaitUsage bool
}

func (o ListOptions) query() url.Values {
	q := url.Values{}
	o.Filter.add(q)
	set(q, "continue", o.Continue)
	if o.Limit != 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Timeout != 0 {
		q.Set("timeout", o.Timeout.String())
	}
	if o.AwaitUsage {
		q.Set("wait", "usage")
	}
	return q
}

// ClusterOptions are the options of the list of clusters.
type ClusterOptions struct {
	// Query has words, each of which must occur in a name, address, version, session or problem.
	Query    string
	Limit    int
	Continue string
}

// Clusters returns the registered clusters that the caller may see. It starts no session.
func (c *Client) Clusters(ctx context.Context, o ClusterOptions) (*ClusterList, error) {
	q := url.Values{}
	set(q, "q", o.Query)
	set(q, "continue", o.Continue)
	if o.Limit != 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	list := &ClusterList{}
	if _, err := c.get(ctx, clustersPath, q, list); err != nil {
		return nil, err
	}
	return list, nil
}

// Get returns everything about a cluster, by name or cluster IP.
func (c *Client) Get(ctx context.Context, cluster string, o ListOptions) (*Document, error) {
	return c.document(ctx, cluster, Whole, o)
}

// Summary returns the counts and the problems of a cluster. It does not support a Filter.
func (c *Client) Summary(ctx context.Context, cluster string, o ListOptions) (*Document, error) {
	d, err := c.document(ctx, cluster, Summary, o)
	if err == nil && d.Summary == nil {
		return nil, fmt.Errorf("the response for %s has no summary", cluster)
	}
	return d, err
}

// Nodes returns the nodes of a cluster.
func (c *Client) Nodes(ctx context.Context, cluster string, o ListOptions) (*List[state.NodeView], error) {
	return list(ctx, c, cluster, Nodes, o, func(d *Document) []state.NodeView { return d.Nodes })
}

// Pods returns the pods of a cluster.
func (c *Client) Pods(ctx context.Context, cluster string, o ListOptions) (*List[state.PodView], error) {
	return list(ctx, c, cluster, Pods, o, func(d *Document) []state.PodView { return d.Pods })
}

// Containers returns the containers of a cluster.
func (c *Client) Containers(ctx context.Context, cluster string, o ListOptions) (*List[state.ContainerView], error) {
	return list(ctx, c, cluster, Containers, o, func(d *Document) []state.ContainerView { return d.Containers })
}

// Ports returns the taken ports of a cluster and their targets. If a port was requested and
// the list is empty, Note says whether the port is free.
func (c *Client) Ports(ctx context.Context, cluster string, o ListOptions) (*List[state.PortView], error) {
	return list(ctx, c, cluster, Ports, o, func(d *Document) []state.PortView { return d.Ports })
}

func list[T any](ctx context.Context, c *Client, cluster string, part Part, o ListOptions, rows func(*Document) []T) (*List[T], error) {
	d, err := c.document(ctx, cluster, part, o)
	if err != nil {
		return nil, err
	}
	return &List[T]{ClusterMeta: d.ClusterMeta, Items: rows(d)}, nil
}

func (c *Client) document(ctx context.Context, cluster string, part Part, o ListOptions) (*Document, error) {
	path, err := clusterPath(cluster, part)
	if err != nil {
		return nil, err
	}
	d := &Document{}
	header, err := c.get(ctx, path, o.query(), d)
	if err != nil {
		return nil, err
	}
	if err := normalize(d); err != nil {
		return nil, fmt.Errorf("decode the response to %s: %w", path, err)
	}
	d.Age = age(header)
	return d, nil
}

func age(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Age"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// ListFunc is the type of Client.Nodes, Pods, Containers and Ports.
type ListFunc[T any] func(ctx context.Context, cluster string, o ListOptions) (*List[T], error)

// defaultPage is the default page size of All.
const defaultPage = 500

// All iterates over the rows of a list, in pages of o.Limit rows (default 500):
//
//	for pod, err := range client.All(ctx, c.Pods, "prod-eu", client.ListOptions{}) { … }
//
// Each page shows the state at the time of its request. After an error the iteration ends.
func All[T any](ctx context.Context, list ListFunc[T], cluster string, o ListOptions) iter.Seq2[T, error] {
	o.Limit = cmp.Or(o.Limit, defaultPage)
	return func(yield func(T, error) bool) {
		for {
			page, err := list(ctx, cluster, o)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range page.Items {
				if !yield(row, nil) {
					return
				}
			}
			if page.Continue == "" {
				return
			}
			o.Continue = page.Continue
		}
	}
}

// AllClusters iterates over the registered clusters, page by page.
func (c *Client) AllClusters(ctx context.Context, o ClusterOptions) iter.Seq2[Cluster, error] {
	o.Limit = cmp.Or(o.Limit, defaultPage)
	return func(yield func(Cluster, error) bool) {
		for {
			page, err := c.Clusters(ctx, o)
			if err != nil {
				yield(Cluster{}, err)
				return
			}
			for _, cluster := range page.Clusters {
				if !yield(cluster, nil) {
					return
				}
			}
			if page.Continue == "" {
				return
			}
			o.Continue = page.Continue
		}
	}
}

// Version returns the version of the master.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	_, err := c.get(ctx, "/version", nil, &v)
	return v, err
}

// Metrics returns the metrics of the master in Prometheus' text format. It requires access to /metrics.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	response, err := c.open(ctx, "/metrics", nil, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(&limitedReader{reader: response.Body, remaining: c.config.MaxResponse})
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	return text, nil
}
