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
	"rollcall.dev/rollcall/master/samples"
)

// influx sends InfluxDB's line protocol over HTTP, with the measurements and tags of
// Heapster's sink.
type influx struct {
	*endpoint
	batch      *Batch
	fields     bool // one line for all of cpu and one for memory, as with Heapster's withfields=true
	lines      lineprotocol.Encoder
	compressor *gzip.Writer
	compressed bytes.Buffer
}

func influxOf(scheme string) func(string, *params) (string, func(*spec) (exporter, error), error) {
	return func(address string, p *params) (string, func(*spec) (exporter, error), error) {
		query := url.Values{"precision": {"ms"}}
		for _, name := range []string{"db", "rp", "org", "bucket"} {
			if v := p.text(name); v != "" {
				query.Set(name, v)
			}
		}
		fields := p.enum("withfields", "false", "true") == "true"
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

// influxPath returns the path of InfluxDB 1 if the query has db, or that of 2 and 3 if it
// has bucket.
func influxPath(query url.Values) (string, error) {
	switch v1, v2 := query.Has("db"), query.Has("bucket"); {
	case v1 && !v2 && !query.Has("org"):
		return "/write", nil
	case v2 && !v1 && !query.Has("rp"):
		return "/api/v2/write", nil
	}
	return "", errors.New("set db= (and optionally rp=) for InfluxDB 1, or bucket= and org= for InfluxDB 2 and 3")
}

func newInflux(e *endpoint, fields bool) (*influx, error) {
	w := &influx{endpoint: e, fields: fields}
	w.lines.SetPrecision(lineprotocol.Millisecond)
	var err error
	w.compressor, err = gzip.NewWriterLevel(&w.compressed, gzip.BestSpeed)
	return w, err
}

func (w *influx) begin(b *Batch) { w.batch = b }

func (w *influx) add(s *samples.Set) error {
	if w.batch.Ended {
		return nil
	}
	at := time.UnixMilli(s.At)
	open := ""
	for _, m := range measured {
		v, ok := m.Value(s)
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
		if measurement != open {
			w.end(open, at)
			w.start(measurement, s)
			open = measurement
		}
		w.lines.AddField(field, fieldOf(m, v))
	}
	w.end(open, at)
	if s.Kind == samples.KindCluster {
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

// start begins a line. The encoder requires tags sorted by name.
func (w *influx) start(measurement string, s *samples.Set) {
	w.lines.StartLine(measurement)
	for _, l := range tags(w.batch.Cluster, s) {
		if l.value != "" {
			w.lines.AddTag(l.name, l.value)
		}
	}
}

func (w *influx) end(open string, at time.Time) {
	if open != "" {
		w.lines.EndLine(at)
	}
}

func fieldOf(m heapster.Metric, v float64) lineprotocol.Value {
	if m.Float() {
		return lineprotocol.MustNewValue(v)
	}
	return lineprotocol.MustNewValue(int64(v))
}

// counts writes the line of the cluster's numbers.
func (w *influx) counts() {
	w.lines.StartLine("rollcall_cluster")
	w.lines.AddTag("cluster_name", w.batch.Cluster)
	for _, c := range samples.Counts {
		w.lines.AddField(c.Field, lineprotocol.MustNewValue(w.batch.Counts.Value(c.Count)))
	}
	w.lines.EndLine(w.batch.At)
}

func (w *influx) send(ctx context.Context) error {
	if len(w.lines.Bytes()) == 0 {
		return nil
	}
	if w.compressed.Len() == 0 {
		w.compressor.Reset(&w.compressed)
		_, err := w.compressor.Write(w.lines.Bytes())
		if err = errors.Join(err, w.compressor.Close()); err != nil {
			return &refusedError{message: "compress request: " + err.Error()}
		}
	}
	return w.post(ctx, w.compressed.Bytes())
}

func (w *influx) reset() {
	w.lines.Reset()
	w.compressed.Reset()
}
