package sink

import (
	"context"
	"slices"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"

	"rollcall.dev/rollcall/master/samples"
)

// remoteWrite sends Prometheus' remote write 1.0. A receiver refuses a whole request if a
// sample of a series is not later than the previous one. So each sample of usage is sent
// once, with the time of the member's metrics API; all other series have the batch's time.
type remoteWrite struct {
	*endpoint
	batch      *Batch
	request    prompb.WriteRequest
	labels     []prompb.Label // of all series in the request
	samples    []prompb.Sample
	plain      []byte
	compressed []byte
}

func remoteWriteOf(scheme string) func(string, *params) (string, func(*spec) (exporter, error), error) {
	return func(address string, p *params) (string, func(*spec) (exporter, error), error) {
		e, host, err := endpointOf(scheme, address, "/api/v1/write", p)
		if err != nil {
			return "", nil, err
		}
		e.header.Set("Content-Type", "application/x-protobuf")
		e.header.Set("Content-Encoding", "snappy")
		e.header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
		e.header.Set("User-Agent", "rollcall")
		return "prometheus-" + host, func(*spec) (exporter, error) { return &remoteWrite{endpoint: e}, nil }, nil
	}
}

func (w *remoteWrite) begin(b *Batch) { w.batch = b }

func (w *remoteWrite) add(s *samples.Set) error {
	if s.Kind == samples.KindCluster {
		w.counts()
		return nil
	}
	sampled, known := w.sampleTime(s)
	for sample := range s.Samples() {
		switch {
		case !sample.Usage:
			w.series(sample.Family, w.batch.At.UnixMilli(), sample.Value, sample.Labels)
		case known:
			w.series(sample.Family, sampled, sample.Value, sample.Labels)
		}
	}
	return nil
}

// sampleTime returns the time of a set's usage in Unix milliseconds, and false if the
// usage is not to be sent.
func (w *remoteWrite) sampleTime(s *samples.Set) (at int64, ok bool) {
	if _, known := s.Value(samples.CPU); known && w.batch.Ended {
		return s.At + 1, true // the last sample has s.At
	}
	_, fresh := s.Value(samples.CPUTime)
	return s.At, fresh
}

// counts adds the cluster's numbers.
func (w *remoteWrite) counts() {
	for i := range samples.Counts {
		c := &samples.Counts[i]
		w.series(c.Family, w.batch.At.UnixMilli(), c.Of(w.batch.Counts), c.Labels)
	}
}

// series adds one sample; in a batch that has ended, a stale marker.
func (w *remoteWrite) series(f *samples.Family, at int64, v float64, labels []string) {
	if w.batch.Ended {
		v = samples.StaleNaN
	}
	first := len(w.labels)
	w.labels = append(w.labels, prompb.Label{Name: model.MetricNameLabel, Value: f.Name}, prompb.Label{Name: "cluster", Value: w.batch.Cluster})
	for _, list := range [...][]string{f.Job, labels} {
		for i := 0; i < len(list); i += 2 {
			w.labels = append(w.labels, prompb.Label{Name: list[i], Value: list[i+1]})
		}
	}
	own := w.labels[first:len(w.labels):len(w.labels)]
	slices.SortFunc(own, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) }) // the protocol requires sorted labels
	w.samples = append(w.samples, prompb.Sample{Value: v, Timestamp: at})
	last := len(w.samples)
	w.request.Timeseries = append(w.request.Timeseries, prompb.TimeSeries{Labels: own, Samples: w.samples[last-1 : last : last]})
}

func (w *remoteWrite) send(ctx context.Context) error {
	if len(w.request.Timeseries) == 0 {
		return nil
	}
	if len(w.compressed) == 0 {
		if size := w.request.Size(); cap(w.plain) < size {
			w.plain = make([]byte, size)
		}
		n, err := w.request.MarshalTo(w.plain[:cap(w.plain)])
		if err != nil {
			return &refusedError{message: "encode request: " + err.Error()}
		}
		w.compressed = snappy.Encode(w.compressed[:cap(w.compressed)], w.plain[:n])
	}
	return w.post(ctx, w.compressed)
}

func (w *remoteWrite) reset() {
	clear(w.labels)
	clear(w.request.Timeseries)
	w.request.Timeseries, w.labels, w.samples, w.compressed = w.request.Timeseries[:0], w.labels[:0], w.samples[:0], w.compressed[:0]
}
