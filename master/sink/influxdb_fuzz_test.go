package sink

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"rollcall.dev/rollcall/api/state"
)

// FuzzSinks checks that no name and no text in a cluster leads to a request that a receiver refuses:
// invalid line protocol of InfluxDB, invalid JSON, or a label of remote write that is not UTF-8.
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
			for s := range b.Sets() {
				if !sanitizeSet(&s) {
					continue
				}
				for _, w := range []interface {
					exporter
				}{lines, records, series} {
					w.begin(b)
					if err := w.add(&s); err != nil {
						t.Errorf("pod %q, image %q: got error %v, want none", name, image, err)
					}
				}
			}
		}
		checkLines(t, lines.lines.Bytes())
		for _, r := range records.records {
			if !json.Valid(r.Value) {
				t.Errorf("pod %q, image %q: got record %s, want valid JSON", name, image, r.Value)
			}
		}
		for _, s := range series.request.Timeseries {
			for _, l := range s.Labels {
				if !utf8.ValidString(l.Value) {
					t.Errorf("pod %q, image %q: got label %s=%q, want UTF-8", name, image, l.Name, l.Value)
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
			t.Fatalf("decode %q: %v", request, err)
		}
		for {
			key, _, err := d.NextTag()
			if err != nil {
				t.Fatalf("decode %q: %v", request, err)
			}
			if key == nil {
				break
			}
		}
		for {
			key, _, err := d.NextField()
			if err != nil {
				t.Fatalf("decode %q: %v", request, err)
			}
			if key == nil {
				break
			}
		}
	}
}
