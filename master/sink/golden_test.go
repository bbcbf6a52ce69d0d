package sink

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/prometheus/prometheus/model/value"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files; receivers store these names, so read the diff")

// goldenBatches returns the batches of a random cluster: of two readings, a change with a reading, a report without
// one, the end of the session, and the first report of the next one.
func goldenBatches() (all []*Batch) {
	start := time.Unix(1_790_100_000, 0).UTC()
	cluster, b, seconds := statetest.New(3, 1, 2), trackers{}, 0
	report := func(usage bool) {
		seconds += 15
		at := start.Add(time.Duration(seconds)*time.Second + 250*time.Millisecond)
		if usage {
			cluster.Sample(state.TimeOf(at) - 2)
		}
		e := event{cluster: "prod", at: at, state: wire.NewLazyState(cluster.State), counts: state.Summarize(cluster.State, at), usage: usage}
		all = append(all, b.batchesOf(e)...)
	}
	report(true)
	report(true)
	cluster.Step(1)
	report(true)
	report(false)
	all = append(all, b.batchesOf(event{cluster: "prod", at: start.Add(time.Duration(seconds+5) * time.Second)})...)
	report(true)
	return all
}

// export adds batches to a request as a worker does, and calls each after each batch.
func export(t *testing.T, e exporter, batches []*Batch, each func()) {
	t.Helper()
	for _, b := range batches {
		e.begin(b)
		for set := range b.Sets() {
			if !sanitizeSet(&set) {
				continue
			}
			if err := e.add(&set); err != nil {
				t.Fatal(err)
			}
		}
		each()
	}
}

// TestExportersWriteTheGoldenFiles checks the names, labels, values and times that each exporter writes.
func TestExportersWriteTheGoldenFiles(t *testing.T) {
	batches := goldenBatches()
	checkGolden(t, "remotewrite", seriesText(t, batches))
	for _, fields := range []bool{false, true} {
		e, err := newInflux(&endpoint{}, fields)
		if err != nil {
			t.Fatal(err)
		}
		e.lines.SetPrecision(lineprotocol.Millisecond)
		export(t, e, batches, func() {})
		checkGolden(t, fmt.Sprintf("influxdb_withfields_%t", fields), string(e.lines.Bytes()))
	}
	for _, perMetric := range []bool{false, true} {
		e := &kafka{topic: "metrics", perMetric: perMetric}
		var lines []string
		export(t, e, batches[:3], func() {
			from := len(lines)
			for _, r := range e.records {
				lines = append(lines, fmt.Sprintf("%s %s %s\n", r.Topic, r.Key, r.Value))
			}
			e.reset()
			if perMetric {
				slices.Sort(lines[from:]) // the metrics of a set have no order
			}
		})
		checkGolden(t, fmt.Sprintf("kafka_heapster_%t", perMetric), strings.Join(lines, ""))
	}
}

// seriesText formats a request of remote write: a line for each sample.
func seriesText(t *testing.T, batches []*Batch) string {
	var text strings.Builder
	e := &remoteWrite{}
	export(t, e, batches, func() {
		for _, s := range e.request.Timeseries {
			for _, l := range s.Labels {
				fmt.Fprintf(&text, "%s=%q ", l.Name, l.Value)
			}
			for _, sample := range s.Samples {
				number := fmt.Sprint(sample.Value)
				if value.IsStaleNaN(sample.Value) {
					number = "stale"
				}
				fmt.Fprintf(&text, "%s @%d\n", number, sample.Timestamp)
			}
		}
		e.reset()
	})
	return text.String()
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	golden.Check(t, "testdata/golden/"+name+".txt", got, *update)
}
