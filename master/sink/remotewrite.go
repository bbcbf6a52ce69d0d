package sink

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"

	"rollcall.dev/rollcall/master/heapster"
)

// remoteWrite is Prometheus' remote write 1.0. Its receivers refuse a request as a whole
// where one sample of a series is not later than the one before, so what is used goes
// by the member's times, each once, and all else by the batch's.
type remoteWrite struct {
	*endpoint
	batch   *Batch
	request prompb.WriteRequest
	labels  []prompb.Label // of the series in the request, behind each other
	samples []prompb.Sample
	plain   []byte
	packed  []byte
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

func (w *remoteWrite) add(s *heapster.Set) error {
	switch s.Kind {
	case heapster.Container:
		w.container(s)
	case heapster.Node:
		w.node(s)
	case heapster.Cluster:
		w.counts()
	}
	return nil
}

// Where a scrape would have found the series, as in the master's own data source.
var (
	fromKubeState = []prompb.Label{{Name: "job", Value: "kube-state-metrics"}}
	fromCadvisor  = []prompb.Label{{Name: "job", Value: "kubelet"}, {Name: "metrics_path", Value: "/metrics/cadvisor"}}
	fromResource  = []prompb.Label{{Name: "job", Value: "kubelet"}, {Name: "metrics_path", Value: "/metrics/resource"}}
	fromRollcall  = []prompb.Label{{Name: "job", Value: "rollcall"}}
)

// amount is a metric as kube-state-metrics calls it.
type amount struct {
	name, resource, unit string
	metric               heapster.Metric
	scale                float64
}

var claimed = []amount{
	{"resource_requests", "cpu", "core", heapster.CPURequest, 1e-3},
	{"resource_requests", "memory", "byte", heapster.MemoryRequest, 1},
	{"resource_limits", "cpu", "core", heapster.CPULimit, 1e-3},
	{"resource_limits", "memory", "byte", heapster.MemoryLimit, 1},
}

var had = []amount{
	{"kube_node_status_capacity", "cpu", "core", heapster.CPUNodeCapacity, 1e-3},
	{"kube_node_status_capacity", "memory", "byte", heapster.MemoryNodeCapacity, 1},
	{"kube_node_status_allocatable", "cpu", "core", heapster.CPUNodeAllocatable, 1e-3},
	{"kube_node_status_allocatable", "memory", "byte", heapster.MemoryNodeAllocatable, 1},
}

func (w *remoteWrite) container(s *heapster.Set) {
	labels := []prompb.Label{{Name: "container", Value: s.Container}, {Name: "namespace", Value: s.Namespace}, {Name: "node", Value: s.Node}, {Name: "pod", Value: s.Pod}}
	prefix := "kube_pod_container_"
	if s.Init {
		prefix = "kube_pod_init_container_"
	}
	for _, a := range claimed {
		if v, _ := s.Value(a.metric); v > 0 {
			w.amount(prefix+a.name, a, labels, v)
		}
	}
	labels = append(labels, prompb.Label{Name: "image", Value: s.Image})
	w.used(s, "container", fromCadvisor, labels)
	w.rate(s, "container", labels)
}

func (w *remoteWrite) node(s *heapster.Set) {
	labels := []prompb.Label{{Name: "node", Value: s.Node}}
	for _, a := range had {
		v, _ := s.Value(a.metric)
		w.amount(a.name, a, labels, v)
	}
	w.used(s, "node", fromResource, labels)
	w.rate(s, "node", labels)
	w.used(s, "container", fromCadvisor, append(labels, prompb.Label{Name: "id", Value: "/"})) // as cAdvisor calls the root of all
}

func (w *remoteWrite) amount(name string, a amount, labels []prompb.Label, v float64) {
	resource := []prompb.Label{{Name: "resource", Value: a.resource}, {Name: "unit", Value: a.unit}}
	w.series(name, w.batch.At.UnixMilli(), v*a.scale, fromKubeState, labels, resource)
}

// used puts in what a node or container uses, under the names that begin with `what`.
func (w *remoteWrite) used(s *heapster.Set, what string, from, labels []prompb.Label) {
	at, ok := w.sampled(s)
	if !ok {
		return
	}
	total, _ := s.Value(heapster.CPUUsage)
	memory, _ := s.Value(heapster.MemoryWorkingSet)
	w.series(what+"_cpu_usage_seconds_total", at, total/1e9, from, labels)
	w.series(what+"_memory_working_set_bytes", at, memory, from, labels)
}

// rate puts in the CPU that a node or container uses, as it was sampled.
func (w *remoteWrite) rate(s *heapster.Set, what string, labels []prompb.Label) {
	if at, ok := w.sampled(s); ok {
		cpu, _ := s.Value(heapster.CPUUsageRate)
		w.series("rollcall_"+what+"_cpu_cores", at, cpu/1e3, fromRollcall, labels)
	}
}

// sampled is the time of what is used; false where no sample is to be told.
func (w *remoteWrite) sampled(s *heapster.Set) (at int64, ok bool) {
	if _, known := s.Value(heapster.CPUUsageRate); known && w.batch.Ended {
		return s.At + 1, true // the last sample has s.At
	}
	_, fresh := s.Value(heapster.CPUUsage)
	return s.At, fresh
}

// counts puts in the cluster's numbers.
func (w *remoteWrite) counts() {
	for _, c := range counts {
		var labels []prompb.Label
		if c.label != "" {
			labels = []prompb.Label{{Name: c.label, Value: c.value}}
		}
		w.series("rollcall_cluster_"+c.series, w.batch.At.UnixMilli(), float64(c.of(w.batch.Counts)), fromRollcall, labels)
	}
}

// series puts in one sample; of what has ended the marker that says so.
func (w *remoteWrite) series(name string, at int64, v float64, labels ...[]prompb.Label) {
	if w.batch.Ended {
		v = math.Float64frombits(value.StaleNaN)
	}
	first := len(w.labels)
	w.labels = append(w.labels, prompb.Label{Name: "__name__", Value: name}, prompb.Label{Name: "cluster", Value: w.batch.Cluster})
	for _, some := range labels {
		w.labels = append(w.labels, some...)
	}
	own := w.labels[first:len(w.labels):len(w.labels)]
	slices.SortFunc(own, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) }) // as the protocol wants them
	w.samples = append(w.samples, prompb.Sample{Value: v, Timestamp: at})
	last := len(w.samples)
	w.request.Timeseries = append(w.request.Timeseries, prompb.TimeSeries{Labels: own, Samples: w.samples[last-1 : last : last]})
}

func (w *remoteWrite) send(ctx context.Context) error {
	if len(w.request.Timeseries) == 0 {
		return nil
	}
	if len(w.packed) == 0 {
		if size := w.request.Size(); cap(w.plain) < size {
			w.plain = make([]byte, size)
		}
		n, err := w.request.MarshalTo(w.plain[:cap(w.plain)])
		if err != nil {
			return &refusedError{words: "the request cannot be encoded: " + err.Error()}
		}
		w.packed = snappy.Encode(w.packed[:cap(w.packed)], w.plain[:n])
	}
	return w.post(ctx, w.packed)
}

func (w *remoteWrite) reset() {
	clear(w.labels)
	clear(w.request.Timeseries)
	w.request.Timeseries, w.labels, w.samples, w.packed = w.request.Timeseries[:0], w.labels[:0], w.samples[:0], w.packed[:0]
}
