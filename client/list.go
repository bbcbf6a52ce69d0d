package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Filter narrows lists; its zero value lets everything through. A master refuses a
// field that has no meaning for the list it is asked of.
type Filter struct {
	Namespace, Node, Pod string
	// Owner is a name, or Kind/name.
	Owner string
	// State is Ready, NotReady, Unknown; a pod's phase; running, waiting, terminated, unknown.
	State string
	// Kind is main, init, sidecar, ephemeral; NodePort, HostPort and the like.
	Kind string
	// Port is 0 for any.
	Port     uint16
	Protocol state.Protocol
	// Words are each found in a name, image, reason or message.
	Words string
}

func (f Filter) add(q url.Values) {
	set(q, "namespace", f.Namespace)
	set(q, "node", f.Node)
	set(q, "pod", f.Pod)
	set(q, "owner", f.Owner)
	set(q, "state", f.State)
	set(q, "kind", f.Kind)
	set(q, "protocol", f.Protocol.String())
	set(q, "q", f.Words)
	if f.Port != 0 {
		q.Set("port", strconv.Itoa(int(f.Port)))
	}
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// ListOptions are those of a list of one cluster.
type ListOptions struct {
	Filter Filter
	// Limit is how many rows a page has; 0: all. Continue is the page before's token.
	Limit    int
	Continue string
	// Timeout bounds the wait for a cluster that has to be called first; 0: 10 s.
	Timeout time.Duration
	// AwaitUsage waits for the first reading of usage too, as far as Timeout allows.
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

// ClusterOptions are those of the list of clusters.
type ClusterOptions struct {
	// Words are each found in a name, address, version, session or problem.
	Words    string
	Limit    int
	Continue string
}

// Clusters are the registered clusters that the caller may see. No cluster is called.
func (c *Client) Clusters(ctx context.Context, o ClusterOptions) (*ClusterList, error) {
	q := url.Values{}
	set(q, "q", o.Words)
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

// Get is everything about a cluster, by name or cluster IP.
func (c *Client) Get(ctx context.Context, cluster string, o ListOptions) (*Document, error) {
	return c.document(ctx, cluster, Whole, o)
}

// Summary is a cluster in a few numbers, with its problems. Filters have no meaning.
func (c *Client) Summary(ctx context.Context, cluster string, o ListOptions) (*Document, error) {
	d, err := c.document(ctx, cluster, Summary, o)
	if err == nil && d.Summary == nil {
		return nil, fmt.Errorf("read the summary of %s: there is none in the answer", cluster)
	}
	return d, err
}

// Nodes are a cluster's nodes.
func (c *Client) Nodes(ctx context.Context, cluster string, o ListOptions) (*List[state.NodeView], error) {
	return list(ctx, c, cluster, Nodes, o, func(d *Document) []state.NodeView { return d.Nodes })
}

// Pods are a cluster's pods.
func (c *Client) Pods(ctx context.Context, cluster string, o ListOptions) (*List[state.PodView], error) {
	return list(ctx, c, cluster, Pods, o, func(d *Document) []state.PodView { return d.Pods })
}

// Containers are a cluster's containers.
func (c *Client) Containers(ctx context.Context, cluster string, o ListOptions) (*List[state.ContainerView], error) {
	return list(ctx, c, cluster, Containers, o, func(d *Document) []state.ContainerView { return d.Containers })
}

// Ports are the taken ports of a cluster, and where they lead. Where a port was asked
// for and none is found, Note says what that means.
func (c *Client) Ports(ctx context.Context, cluster string, o ListOptions) (*List[state.PortView], error) {
	return list(ctx, c, cluster, Ports, o, func(d *Document) []state.PortView { return d.Ports })
}

func list[T any](ctx context.Context, c *Client, cluster string, part Part, o ListOptions, rows func(*Document) []T) (*List[T], error) {
	d, err := c.document(ctx, cluster, part, o)
	if err != nil {
		return nil, err
	}
	return &List[T]{Head: d.Head, Items: rows(d)}, nil
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
	if err := d.mend(); err != nil {
		return nil, fmt.Errorf("read the answer to %s: %w", path, err)
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

// ListFunc is Nodes, Pods, Containers or Ports of a Client.
type ListFunc[T any] func(ctx context.Context, cluster string, o ListOptions) (*List[T], error)

// defaultPage is how many rows All asks for at once.
const defaultPage = 500

// All walks over the rows of a list page by page, of o.Limit rows (default 500):
//
//	for pod, err := range client.All(ctx, c.Pods, "prod-eu", client.ListOptions{}) { … }
//
// Pages show what there is when they are read. An error is the last that it gives.
func All[T any](ctx context.Context, list ListFunc[T], cluster string, o ListOptions) iter.Seq2[T, error] {
	o.Limit = or(o.Limit, defaultPage)
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

// AllClusters walks over the registered clusters page by page.
func (c *Client) AllClusters(ctx context.Context, o ClusterOptions) iter.Seq2[Cluster, error] {
	o.Limit = or(o.Limit, defaultPage)
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
