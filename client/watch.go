package client

import (
	"context"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// UsageMode selects how a watch reports usage.
type UsageMode string

// Modes of usage.
const (
	// UsageEvents sends one event of kind Usage for each reading. It is the default.
	UsageEvents UsageMode = "events"
	// UsageObjects sends a Modified event for each node and container whose usage has
	// changed.
	UsageObjects UsageMode = "objects"
	// UsageNone sends no usage, and omits it from objects.
	UsageNone UsageMode = "none"
)

// WatchOptions are the options of Watch.
type WatchOptions struct {
	// Part and Filter select the rows. A row that no longer matches Filter is Deleted.
	Part   Part
	Filter Filter
	Usage  UsageMode
	// ResourceVersion is the version of a list or event to start after. Empty means to start
	// with the current state.
	ResourceVersion string
	// Timeout limits each wait for the first report of a cluster without a session; 0 means
	// 10 s.
	Timeout time.Duration
	// OnRetry is called, if it is not nil, before the watch reconnects, with the error that
	// ended the stream and the delay. It is called by the goroutine that iterates.
	OnRetry func(err error, delay time.Duration)
}

// Watch iterates over the events of a cluster, or a part of it. A watch is demand: the
// cluster's agent reports until the watch ends.
//
// If the stream ends, the watch reconnects and resumes after the last event, with
// exponential backoff, and not before the master's Retry-After has passed. If it cannot be
// resumed, an event of type Restarted is sent. The iterator ends with an error, which is
// its last element: the cause of the context, a permanent *Problem (401, 403, 404, 409 and
// other 4xx except 408, 410 and 429), or an event that cannot be decoded or is too large.
//
// The master closes the stream of a reader that is too slow. The watch then resumes, and no
// event is lost.
func (c *Client) Watch(ctx context.Context, cluster string, o WatchOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		path, err := clusterPath(cluster, o.Part)
		if err != nil {
			yield(Event{}, err)
			return
		}
		w := newResumingWatcher(c, path, o.ResourceVersion, o.OnRetry)
		w.query = func() url.Values {
			q := url.Values{}
			o.Filter.add(q)
			set(q, "usage", string(o.Usage))
			set(q, "resourceVersion", w.own.version)
			if w.own.version == "" && w.own.atLeast != "" {
				q.Set("resourceVersion", w.own.atLeast)
				q.Set("resourceVersionMatch", "NotOlderThan")
				q.Set("sendInitialEvents", "true")
			}
			if o.Timeout != 0 {
				q.Set("timeout", o.Timeout.String())
			}
			return q
		}
		w.run(ctx, yield)
	}
}

// WatchClustersOptions are the options of WatchClusters.
type WatchClustersOptions struct {
	// Query has words, each of which must occur in a cluster's row.
	Query string
	// Demand has the names of clusters whose agents report until the watch ends; "*" means
	// all.
	Demand []string
	// Detail has the names of at most 64 clusters whose own events are sent too, with
	// Event.Cluster set. They report like those of Demand.
	Detail []string
	Usage  UsageMode
	// ResourceVersion is as in WatchOptions.
	ResourceVersion string
	// OnRetry is as in WatchOptions.
	OnRetry func(err error, delay time.Duration)
}

// WatchClusters iterates over events of kind Cluster of all clusters that the caller may
// see, on one stream. A cluster has at most one such event per second. Only the
// clusters of Demand and Detail are made to report. The iterator ends as that of Watch, also if a cluster of Demand or
// Detail is not found when a stream begins. Restarted with a Cluster concerns only the events
// of that cluster, and Failed ends them.
func (c *Client) WatchClusters(ctx context.Context, o WatchClustersOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		w := newResumingWatcher(c, clustersPath, o.ResourceVersion, o.OnRetry)
		for _, name := range o.Detail {
			w.clusters[name] = &resumePoint{}
		}
		w.query = func() url.Values {
			q := url.Values{}
			set(q, "q", o.Query)
			set(q, "demand", strings.Join(o.Demand, ","))
			set(q, "detail", w.detail())
			set(q, "usage", string(o.Usage))
			set(q, "resourceVersion", w.own.version)
			return q
		}
		w.run(ctx, yield)
	}
}

// detail returns the query parameter detail: the clusters, each with the version to resume
// after.
func (w *resumingWatcher) detail() string {
	names := slices.Sorted(maps.Keys(w.clusters))
	for i, name := range names {
		if version := w.clusters[name].version; version != "" {
			names[i] += "@" + version
		}
	}
	return strings.Join(names, ",")
}
