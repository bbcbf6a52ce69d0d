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

func (w *remoteWrite) add(s *heapster.MetricSet) error {
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

// The labels of the jobs that scrape these series elsewhere, as in master/prom.
var (
	fromKubeState = []prompb.Label{{Name: "job", Value: "kube-state-metrics"}}
	fromCadvisor  = []prompb.Label{{Name: "job", Value: "kubelet"}, {Name: "metrics_path", Value: "/metrics/cadvisor"}}
	fromResource  = []prompb.Label{{Name: "job", Value: "kubelet"}, {Name: "metrics_path", Value: "/metrics/resource"}}
	fromRollcall  = []prompb.Label{{Name: "job", Value: "rollcall"}}
)

// resourceMetric is a metric as kube-state-metrics names it.
type resourceMetric struct {
	name, resource, unit string
	metric               heapster.Metric
	scale                float64
}

var containerResources = []resourceMetric{
	{"resource_requests", "cpu", "core", heapster.CPURequest, 1e-3},
	{"resource_requests", "memory", "byte", heapster.MemoryRequest, 1},
	{"resource_limits", "cpu", "core", heapster.CPULimit, 1e-3},
	{"resource_limits", "memory", "byte", heapster.MemoryLimit, 1},
}

var nodeResources = []resourceMetric{
	{"kube_node_status_capacity", "cpu", "core", heapster.CPUNodeCapacity, 1e-3},
	{"kube_node_status_capacity", "memory", "byte", heapster.MemoryNodeCapacity, 1},
	{"kube_node_status_allocatable", "cpu", "core", heapster.CPUNodeAllocatable, 1e-3},
	{"kube_node_status_allocatable", "memory", "byte", heapster.MemoryNodeAllocatable, 1},
}

func (w *remoteWrite) container(s *heapster.MetricSet) {
	labels := []prompb.Label{{Name: "container", Value: s.Container}, {Name: "namespace", Value: s.Namespace}, {Name: "node", Value: s.Node}, {Name: "pod", Value: s.Pod}}
	prefix := "kube_pod_container_"
	if s.Init {
		prefix = "kube_pod_init_container_"
	}
	for _, a := range containerResources {
		if v, _ := s.Value(a.metric); v > 0 {
			w.resourceMetric(prefix+a.name, a, labels, v)
		}
	}
	labels = append(labels, prompb.Label{Name: "image", Value: s.Image})
	w.usage(s, "container", fromCadvisor, labels)
	w.rate(s, "container", labels)
}

func (w *remoteWrite) node(s *heapster.MetricSet) {
	labels := []prompb.Label{{Name: "node", Value: s.Node}}
	for _, a := range nodeResources {
		v, _ := s.Value(a.metric)
		w.resourceMetric(a.name, a, labels, v)
	}
	w.usage(s, "node", fromResource, labels)
	w.rate(s, "node", labels)
	w.usage(s, "container", fromCadvisor, append(labels, prompb.Label{Name: "id", Value: "/"})) // the root cgroup, as cAdvisor names it
}

func (w *remoteWrite) resourceMetric(name string, a resourceMetric, labels []prompb.Label, v float64) {
	resource := []prompb.Label{{Name: "resource", Value: a.resource}, {Name: "unit", Value: a.unit}}
	w.series(name, w.batch.At.UnixMilli(), v*a.scale, fromKubeState, labels, resource)
}

// usage adds the CPU time and memory of a node or container, under names with prefix.
func (w *remoteWrite) usage(s *heapster.MetricSet, prefix string, from, labels []prompb.Label) {
	at, ok := w.sampleTime(s)
	if !ok {
		return
	}
	total, _ := s.Value(heapster.CPUUsage)
	memory, _ := s.Value(heapster.MemoryWorkingSet)
	w.series(prefix+"_cpu_usage_seconds_total", at, total/1e9, from, labels)
	w.series(prefix+"_memory_working_set_bytes", at, memory, from, labels)
}

// rate adds the sampled CPU usage of a node or container, in cores.
func (w *remoteWrite) rate(s *heapster.MetricSet, prefix string, labels []prompb.Label) {
	if at, ok := w.sampleTime(s); ok {
		cpu, _ := s.Value(heapster.CPUUsageRate)
		w.series("rollcall_"+prefix+"_cpu_cores", at, cpu/1e3, fromRollcall, labels)
	}
}

// sampleTime returns the time of a set's usage in Unix milliseconds, and false if the
// usage is not to be sent.
func (w *remoteWrite) sampleTime(s *heapster.MetricSet) (at int64, ok bool) {
	if _, known := s.Value(heapster.CPUUsageRate); known && w.batch.Ended {
		return s.At + 1, true // the last sample has s.At
	}
	_, fresh := s.Value(heapster.CPUUsage)
	return s.At, fresh
}

// counts adds the cluster's numbers.
func (w *remoteWrite) counts() {
	for _, c := range counts {
		var labels []prompb.Label
		if c.label != "" {
			labels = []prompb.Label{{Name: c.label, Value: c.value}}
		}
		w.series("rollcall_cluster_"+c.series, w.batch.At.UnixMilli(), float64(c.get(w.batch.Counts)), fromRollcall, labels)
	}
}

// series adds one sample; in a batch that has ended, a stale marker.
func (w *remoteWrite) series(name string, at int64, v float64, labels ...[]prompb.Label) {
	if w.batch.Ended {
		v = math.Float64frombits(value.StaleNaN)
	}
	first := len(w.labels)
	w.labels = append(w.labels, prompb.Label{Name: "__name__", Value: name}, prompb.Label{Name: "cluster", Value: w.batch.Cluster})
	for _, group := range labels {
		w.labels = append(w.labels, group...)
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
