package sink

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/klauspost/compress/gzip"

	"rollcall.dev/rollcall/master/heapster"
)

// influx is InfluxDB's line protocol over HTTP, with the measurements and tags that
// Heapster's sink wrote.
type influx struct {
	*endpoint
	batch  *Batch
	fields bool // a measurement has all of cpu or memory, as Heapster's withfields=true
	lines  lineprotocol.Encoder
	zip    *gzip.Writer
	packed bytes.Buffer
}

func influxOf(scheme string) func(string, *params) (string, func(*spec) (exporter, error), error) {
	return func(address string, p *params) (string, func(*spec) (exporter, error), error) {
		query := url.Values{"precision": {"ms"}}
		for _, name := range []string{"db", "rp", "org", "bucket"} {
			if v := p.text(name); v != "" {
				query.Set(name, v)
			}
		}
		fields := p.one("withfields", "false", "true") == "true"
		token := p.secret("token-file")
		path, err := influxPath(query)
		if err != nil {
			return "", nil, err
		}
		e, host, err := endpointOf(scheme, address, "", p)
		if err != nil {
			return "", nil, err
		}
		e.url = strings.TrimSuffix(e.url, "/") + path + "?" + query.Encode()
		e.header.Set("Content-Type", "text/plain; charset=utf-8")
		e.header.Set("Content-Encoding", "gzip")
		e.header.Set("User-Agent", "rollcall")
		if token != nil {
			e.auth = func(r *http.Request) error { return authorize(r, "Token ", token) }
		}
		return "influxdb-" + host, func(*spec) (exporter, error) { return newInflux(e, fields) }, nil
	}
}

// influxPath is the path of InfluxDB 1 where there is a db, of 2 and 3 where there is a
// bucket.
func influxPath(query url.Values) (string, error) {
	switch one, two := query.Has("db"), query.Has("bucket"); {
	case one && !two && !query.Has("org"):
		return "/write", nil
	case two && !one && !query.Has("rp"):
		return "/api/v2/write", nil
	}
	return "", errors.New("it needs db= (and perhaps rp=), for InfluxDB 1, or bucket= and org=, for InfluxDB 2 and 3")
}

func newInflux(e *endpoint, fields bool) (*influx, error) {
	w := &influx{endpoint: e, fields: fields}
	w.lines.SetPrecision(lineprotocol.Millisecond)
	var err error
	w.zip, err = gzip.NewWriterLevel(&w.packed, gzip.BestSpeed)
	return w, err
}

func (w *influx) begin(b *Batch) { w.batch = b }

func (w *influx) add(s *heapster.Set) error {
	if w.batch.Ended {
		return nil
	}
	at := time.UnixMilli(s.At)
	begun := ""
	for _, m := range measured {
		v, ok := s.Value(m)
		if !ok {
			continue
		}
		measurement, field := m.String(), "value"
		if w.fields {
			measurement, field, ok = strings.Cut(measurement, "/")
			if !ok {
				field = "value"
			}
		}
		if measurement != begun {
			w.end(begun, at)
			w.start(measurement, s)
			begun = measurement
		}
		w.lines.AddField(field, fieldOf(m, v))
	}
	w.end(begun, at)
	if s.Kind == heapster.Cluster {
		w.counts()
	}
	// A line that cannot be encoded is not in the request. The encoder remembers that there
	// was one, which must not fail the others.
	err := w.lines.Err()
	w.lines.ClearErr()
	return err
}

// measured are the metrics in an order in which those of one measurement are together.
var measured = []heapster.Metric{
	heapster.CPUUsage, heapster.CPUUsageRate, heapster.CPURequest, heapster.CPULimit,
	heapster.CPUNodeCapacity, heapster.CPUNodeAllocatable, heapster.CPUNodeUtilization, heapster.CPUNodeReservation,
	heapster.MemoryUsage, heapster.MemoryWorkingSet, heapster.MemoryRequest, heapster.MemoryLimit,
	heapster.MemoryNodeCapacity, heapster.MemoryNodeAllocatable, heapster.MemoryNodeUtilization, heapster.MemoryNodeReservation,
	heapster.Uptime,
}

// start begins a line. Tags have to come sorted by name.
func (w *influx) start(measurement string, s *heapster.Set) {
	w.lines.StartLine(measurement)
	for _, l := range tags(w.batch.Cluster, s) {
		if l.value != "" {
			w.lines.AddTag(l.name, l.value)
		}
	}
}

func (w *influx) end(begun string, at time.Time) {
	if begun != "" {
		w.lines.EndLine(at)
	}
}

func fieldOf(m heapster.Metric, v float64) lineprotocol.Value {
	if m.Float() {
		return lineprotocol.MustNewValue(v)
	}
	return lineprotocol.MustNewValue(int64(v))
}

// counts writes the cluster's numbers.
func (w *influx) counts() {
	w.lines.StartLine("rollcall_cluster")
	w.lines.AddTag("cluster_name", w.batch.Cluster)
	for _, c := range counts {
		w.lines.AddField(c.name, lineprotocol.MustNewValue(int64(c.of(w.batch.Counts))))
	}
	w.lines.EndLine(w.batch.At)
}

func (w *influx) send(ctx context.Context) error {
	if len(w.lines.Bytes()) == 0 {
		return nil
	}
	if w.packed.Len() == 0 {
		w.zip.Reset(&w.packed)
		_, err := w.zip.Write(w.lines.Bytes())
		if err = errors.Join(err, w.zip.Close()); err != nil {
			return &refusedError{words: "the request cannot be compressed: " + err.Error()}
		}
	}
	return w.post(ctx, w.packed.Bytes())
}

func (w *influx) reset() {
	w.lines.Reset()
	w.packed.Reset()
}
