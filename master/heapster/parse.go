package heapster

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// ErrNoSuchPath is returned by Parse for a path that Heapster did not serve.
var ErrNoSuchPath = errors.New("no such path in Heapster")

// BadRequest is a request that Heapster answered with status 400. Message is the body.
type BadRequest struct{ Message string }

func (e *BadRequest) Error() string { return e.Message }

// Query is a parsed request.
type Query struct {
	op     op
	entity Entity
	pods   []string // of a pod-list

	// metric is NumMetrics if no metric is called metricName.
	metric     Metric
	metricName string
	start, end time.Time // zero if not given
	labeled    bool      // requests a metric with labels; no metric has labels
}

// op selects what a Query returns.
type op uint8

const (
	opMetricNames op = iota // the names of an entity's metrics
	opPoints                // the points of one metric
	opPodList
	opNodes
	opNamespaces
	opPods
	opContainers
	opFreeContainers // containers outside of pods: always empty
	opKeys
	opExport
	opSchema
)

// Parse parses a request: the path after /api/v1, such as /model/nodes, and the query
// string. It returns ErrNoSuchPath or a *BadRequest. Like Heapster, it ignores unknown
// parameters.
func Parse(path, rawQuery string) (*Query, error) {
	q := &Query{}
	if !q.route(strings.Split(strings.Trim(path, "/"), "/")) {
		return nil, ErrNoSuchPath
	}
	if q.op != opPoints && q.op != opPodList {
		return q, nil
	}
	return q, q.parameters(rawQuery)
}

func (q *Query) parameters(raw string) (err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return &BadRequest{"invalid query string: want name=value pairs joined by &, percent-encoded"}
	}
	if q.start, err = timeParameter(values, "start"); err != nil {
		return err
	}
	if q.end, err = timeParameter(values, "end"); err != nil {
		return err
	}
	labels := values.Get("labels")
	if labels == "" {
		return nil
	}
	q.labeled = true
	for pair := range strings.SplitSeq(labels, ",") {
		name, value, ok := strings.Cut(pair, ":")
		if !ok || name == "" || value == "" {
			return &BadRequest{fmt.Sprintf("invalid label pair %q: want name:value pairs joined by commas", shorten(pair))}
		}
	}
	return nil
}

// timeParameter parses a time in RFC 3339. It returns the zero time if the parameter is
// missing.
func timeParameter(values url.Values, name string) (time.Time, error) {
	value := values.Get(name)
	if value == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return at, &BadRequest{fmt.Sprintf("timestamp argument cannot be parsed: %s is %q, want a time in RFC 3339, such as 2026-11-22T09:30:00Z", name, shorten(value))}
	}
	return at, nil
}

// shorten returns the first 64 bytes of s as valid UTF-8, for error messages.
func shorten(s string) string {
	const shown = 64
	return strings.ToValidUTF8(s[:min(len(s), shown)], "\ufffd")
}

// NeedsCluster reports whether Execute needs a Source.
func (q *Query) NeedsCluster() bool { return q.op != opSchema }
