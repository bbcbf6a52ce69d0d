package sink

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"rollcall.dev/rollcall/api/state"
)

// FuzzSinks holds that no name and no text of a cluster makes a request that a receiver would
// refuse: what InfluxDB's line protocol cannot have, JSON that is none, or a label of remote
// write that is no UTF-8.
func FuzzSinks(f *testing.F) {
	for _, seed := range [][2]string{{"web", "app:1"}, {"a b", "x\x1b[31m"}, {"a,b=c", "ends\\"}, {"a\nb", "\xff\xfe"}, {"\"", "x\n# y"}, {"", ""}, {"é", "a\x00b\\,="}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, name, image string) {
		m := newMember(t, 1, "web")
		k := m.container(name)
		k.Image = image
		m.put(&state.Pod{Namespace: "shop", Name: name, Node: "n1", Phase: state.PodRunning})
		m.put(k)
		lines, records, series := &influx{}, &kafka{}, &remoteWrite{}
		lines.lines.SetPrecision(lineprotocol.Millisecond)
		for _, b := range (trackers{}).batchesOf(m.report("hostile", 1, 100)) {
			for s := range b.MetricSets() {
				if !sanitizeSet(&s) {
					continue
				}
				for _, w := range []interface {
					exporter
				}{lines, records, series} {
					w.begin(b)
					if err := w.add(&s); err != nil {
						t.Errorf("pod %q, image %q: %v", name, image, err)
					}
				}
			}
		}
		checkLines(t, lines.lines.Bytes())
		for _, r := range records.records {
			if !json.Valid(r.Value) {
				t.Errorf("pod %q, image %q: the record %s", name, image, r.Value)
			}
		}
		for _, s := range series.request.Timeseries {
			for _, l := range s.Labels {
				if !utf8.ValidString(l.Value) {
					t.Errorf("pod %q, image %q: label %s is %q", name, image, l.Name, l.Value)
				}
			}
		}
	})
}

// checkLines checks that a request of line protocol can be read.
func checkLines(t *testing.T, request []byte) {
	t.Helper()
	d := lineprotocol.NewDecoderWithBytes(request)
	for d.Next() {
		if _, err := d.Measurement(); err != nil {
			t.Fatalf("%q: %v", request, err)
		}
		for {
			key, _, err := d.NextTag()
			if err != nil {
				t.Fatalf("%q: %v", request, err)
			}
			if key == nil {
				break
			}
		}
		for {
			key, _, err := d.NextField()
			if err != nil {
				t.Fatalf("%q: %v", request, err)
			}
			if key == nil {
				break
			}
		}
	}
}
