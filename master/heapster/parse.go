package heapster

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// ErrNoSuchPath: Heapster had nothing at a path.
var ErrNoSuchPath = errors.New("nothing was at this path in Heapster")

// BadRequest is a question that Heapster refused, with status 400 and these words.
type BadRequest struct{ Words string }

func (e *BadRequest) Error() string { return e.Words }

// Query is one question.
type Query struct {
	ask  ask
	of   Entity
	pods []string // of a pod-list

	// metric is NumMetrics where there is none of this name.
	metric     Metric
	metricName string
	start, end time.Time // end is zero where it is now
	labelled   bool      // asks for a metric with labels, of which there is none
}

// ask is what kind of answer is wanted.
type ask uint8

const (
	askNames  ask = iota // the metrics of an entity
	askPoints            // those of one metric
	askPodList
	askNodes
	askNamespaces
	askPods
	askContainers
	askNothing // the containers of a node outside of pods
	askKeys
	askExport
	askSchema
)

// Parse reads a question: its path behind /api/v1, such as /model/nodes, and its
// parameters. It fails with ErrNoSuchPath or a *BadRequest. Parameters that Heapster
// did not know mean nothing, as they did to it.
func Parse(path, rawQuery string) (*Query, error) {
	q := &Query{}
	if !q.route(strings.Split(strings.Trim(path, "/"), "/")) {
		return nil, ErrNoSuchPath
	}
	if q.ask != askPoints && q.ask != askPodList {
		return q, nil
	}
	return q, q.parameters(rawQuery)
}

func (q *Query) parameters(raw string) (err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return &BadRequest{"the query cannot be read: it is name=value with & between, percent-encoded"}
	}
	if q.start, err = instant(values, "start"); err != nil {
		return err
	}
	if q.end, err = instant(values, "end"); err != nil {
		return err
	}
	labels := values.Get("labels")
	if labels == "" {
		return nil
	}
	q.labelled = true
	for pair := range strings.SplitSeq(labels, ",") {
		name, value, ok := strings.Cut(pair, ":")
		if !ok || name == "" || value == "" {
			return &BadRequest{fmt.Sprintf("invalid label pair %q: labels are name:value with commas between", shorten(pair))}
		}
	}
	return nil
}

// instant reads a time; zero where it is not given.
func instant(values url.Values, name string) (time.Time, error) {
	value := values.Get(name)
	if value == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return at, &BadRequest{fmt.Sprintf("timestamp argument cannot be parsed: %s is %q, and may be a time as in RFC 3339, such as 2026-11-22T09:30:00Z", name, shorten(value))}
	}
	return at, nil
}

// shorten is what came from outside, so that it fits into a sentence.
func shorten(s string) string {
	const shown = 64
	return strings.ToValidUTF8(s[:min(len(s), shown)], "\ufffd")
}

// NeedsCluster says that an answer needs a Source.
func (q *Query) NeedsCluster() bool { return q.ask != askSchema }
