package sink

import (
	"testing"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/samples"
)

// BenchmarkReading makes a batch of a reading of 300 containers, and encodes it with each exporter. Connections are not
// part of it.
func BenchmarkReading(b *testing.B) {
	cluster, start := statetest.New(1, 10, 150), time.Unix(1_790_100_000, 0)
	var events []event
	for n := range 4 {
		at := start.Add(time.Duration(n) * 15 * time.Second)
		cluster.Sample(state.TimeOf(at))
		events = append(events, event{cluster: "prod", at: at, state: wire.NewLazyState(cluster.State), counts: state.Summarize(cluster.State, at), usage: true})
	}
	b.Run("batch", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t := trackers{}
			for _, e := range events {
				t.batchesOf(e)
			}
		}
	})
	t := trackers{}
	t.batchesOf(events[0])
	batch := t.batchesOf(events[1])[0]
	lines := &influx{endpoint: &endpoint{}}
	lines.lines.SetPrecision(lineprotocol.Millisecond)
	for name, e := range map[string]interface {
		begin(b *Batch)
		add(s *samples.Set) error
	}{"remotewrite": &remoteWrite{}, "influxdb": lines, "kafka": &kafka{topic: "metrics"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.begin(batch)
				for s := range batch.Sets() {
					if !sanitizeSet(&s) {
						b.Fatal("got an invalid set")
					}
					if err := e.add(&s); err != nil {
						b.Fatal(err)
					}
				}
				e.(interface{ reset() }).reset()
			}
		})
	}
}
