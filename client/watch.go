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

// UsageMode is how a watch tells of usage.
type UsageMode string

// Modes of usage.
const (
	// UsageEvents is one event of kind Usage for each reading. It is the default.
	UsageEvents UsageMode = "events"
	// UsageObjects is a Modified for each node and container whose usage changed.
	UsageObjects UsageMode = "objects"
	// UsageNone is no usage at all, nor in the objects.
	UsageNone UsageMode = "none"
)

// WatchOptions are those of a watch of one cluster.
type WatchOptions struct {
	// Part and Filter say what is told of the cluster. What leaves the filter is Deleted.
	Part   Part
	Filter Filter
	Usage  UsageMode
	// ResourceVersion is where to begin: what changed since a list or an event had it.
	// Empty: with the present state.
	ResourceVersion string
	// Timeout bounds each wait for a cluster that has to be called first; 0: 10 s.
	Timeout time.Duration
	// Retrying, where it is set, is told why the stream was cut, and in how long the
	// watch comes again. It is called by the goroutine that iterates.
	Retrying func(err error, in time.Duration)
}

// Watch follows a cluster, or a part of it. The watch is demand: the cluster reports
// as long as it lasts.
//
// A stream that is cut is resumed behind the last event, with growing pauses, and not
// before the master asked for in Retry-After. Where it cannot be resumed an event of
// type Restarted says so. The iterator ends with an error, which is the last that it
// gives: the context's own, a *Problem that would be the answer to each further try
// (401, 403, 404, 409 and other refusals), or an event that cannot be read.
//
// Who reads slowly is cut off by the master, which costs a resumption and loses
// nothing.
func (c *Client) Watch(ctx context.Context, cluster string, o WatchOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		path, err := clusterPath(cluster, o.Part)
		if err != nil {
			yield(Event{}, err)
			return
		}
		f := newFollower(c, path, o.ResourceVersion, o.Retrying)
		f.query = func() url.Values {
			q := url.Values{}
			o.Filter.add(q)
			set(q, "usage", string(o.Usage))
			set(q, "resourceVersion", f.own.version)
			if o.Timeout != 0 {
				q.Set("timeout", o.Timeout.String())
			}
			return q
		}
		f.run(ctx, yield)
	}
}

// FleetOptions are those of a watch of all clusters.
type FleetOptions struct {
	// Words are each found in what is told of a cluster.
	Words string
	// Demand are clusters that are to report as long as the watch lasts; "*": all.
	Demand []string
	// Detail are clusters whose own events are wanted too, each with Event.Cluster;
	// they are demand. At most 64.
	Detail []string
	Usage  UsageMode
	// ResourceVersion is where to begin; empty: with the present state.
	ResourceVersion string
	// Retrying is as in WatchOptions.
	Retrying func(err error, in time.Duration)
}

// WatchFleet follows all clusters that the caller may see, on one stream, by events of
// kind Cluster; each cluster is told of once a second at most. Apart from Demand and
// Detail it is no demand. It ends as Watch does, also where a cluster of Demand or Detail
// is not there when a stream begins. Restarted with a Cluster is about that
// cluster's own events only, and an event of type Failed ends these.
func (c *Client) WatchFleet(ctx context.Context, o FleetOptions) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := newFollower(c, clustersPath, o.ResourceVersion, o.Retrying)
		for _, name := range o.Detail {
			f.details[name] = &scope{}
		}
		f.query = func() url.Values {
			q := url.Values{}
			set(q, "q", o.Words)
			set(q, "demand", strings.Join(o.Demand, ","))
			set(q, "detail", f.wishes())
			set(q, "usage", string(o.Usage))
			set(q, "resourceVersion", f.own.version)
			return q
		}
		f.run(ctx, yield)
	}
}

// wishes are the clusters whose own events are wanted, each from where it was cut.
func (f *follower) wishes() string {
	names := slices.Sorted(maps.Keys(f.details))
	for i, name := range names {
		if version := f.details[name].version; version != "" {
			names[i] += "@" + version
		}
	}
	return strings.Join(names, ",")
}
