package sink

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/prompb"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/samples"
)

func TestSanitizeReplacesWhatReceiversRefuse(t *testing.T) {
	for in, want := range map[string]string{
		"registry/app:1": "registry/app:1", "": "", "a\x1b[31mb": "a�[31mb", "tab\there": "tab�here", "a\nb\r": "a�b�",
		"\x7f": "�", "\u0085": "�", "bad\xffbyte": "bad�byte", `ends\`: "ends�", `in\side`: `in\side`, "żółw": "żółw",
		strings.Repeat("ü", 600): strings.Repeat("ü", 512), strings.Repeat("x", 2000): strings.Repeat("x", maxText),
	} {
		if got := sanitize(in); got != want || !utf8.ValidString(got) {
			t.Errorf("sanitize(%.40q): got %.40q, want %.40q", in, got, want)
		}
	}
}

// hostile returns batches of a cluster with values that Kubernetes does not allow: an image
// with an escape character, and a pod with one in its name.
func hostile(t *testing.T) []*Batch {
	m := newMember(t, 1, "web")
	k := m.container("web")
	k.Image = "app:1\x1b[31m"
	m.put(k)
	m.put(&state.Pod{Namespace: "shop", Name: "a\x1bb", Node: "n1", Phase: state.PodRunning})
	m.put(m.container("a\x1bb"))
	b := trackers{}
	return append(b.batchesOf(m.report("hostile", 1, 100)), b.batchesOf(m.report("hostile", 16, 200))...)
}

// sendWithWorker sends batches with the worker of a sink, and returns its metrics.
func sendWithWorker(t *testing.T, rawURL string, batches ...*Batch) map[string]float64 {
	t.Helper()
	spec, err := parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	w := newWorker(spec, newMetrics(registry).forSink(spec.name), quiet)
	if w.exporter, err = spec.open(spec); err != nil {
		t.Fatal(err)
	}
	defer w.exporter.close()
	for _, b := range batches {
		w.export(t.Context(), b)
	}
	w.deliver(t.Context())
	return gather(t, registry)
}

func TestInvalidClusterDoesNotBlockOthersInInfluxDB(t *testing.T) {
	address, got := serve(t, 204)
	for _, query := range []string{"db=k8s", "db=k8s&withfields=true"} {
		metrics := sendWithWorker(t, "influxdb+http://"+address+"?"+query, append(hostile(t), batches(t)...)...)
		want(t, metrics, map[string]float64{"failed_requests_total": 0, "dropped_sets_total invalid": 4, "dropped_sets_total refused": 0})
		reader, err := gzip.NewReader(strings.NewReader(string(got.body)))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{"cluster_name=prod,container_base_image=registry/app:1,", "cluster_name=hostile,container_base_image=app:1�[31m,", "cluster_name=hostile,namespace_name=shop,type=ns "} {
			if !strings.Contains(string(body), part) {
				t.Errorf("%s: got\n%s\nwant %q in it", query, body, part)
			}
		}
		if strings.Contains(string(body), "\x1b") {
			t.Errorf("%s: got an escape character, want none", query)
		}
	}
}

func TestInvalidClusterDoesNotBlockOthersInRemoteWrite(t *testing.T) {
	address, got := serve(t, 204)
	metrics := sendWithWorker(t, "prometheus+http://"+address, append(hostile(t), batches(t)...)...)
	want(t, metrics, map[string]float64{"failed_requests_total": 0, "dropped_sets_total invalid": 4})
	plain, err := snappy.Decode(nil, got.body)
	if err != nil {
		t.Fatal(err)
	}
	var request prompb.WriteRequest
	if err := request.Unmarshal(plain); err != nil {
		t.Fatal(err)
	}
	clusters := map[string]int{}
	for _, series := range request.Timeseries {
		for _, l := range series.Labels {
			if sanitize(l.Value) != l.Value {
				t.Errorf("got label %s=%q, want a sanitized one", l.Name, l.Value)
			}
			if l.Name == "cluster" {
				clusters[l.Value]++
			}
		}
	}
	if clusters["prod"] == 0 || clusters["hostile"] == 0 {
		t.Errorf("got series of %v, want those of both clusters", clusters)
	}
}

func TestInvalidLineDoesNotFailOthers(t *testing.T) {
	w, err := newInflux(&endpoint{}, false)
	if err != nil {
		t.Fatal(err)
	}
	b := batches(t)[1]
	w.begin(b)
	failed := 0
	for s := range b.Sets() {
		if s.Kind == samples.KindPod {
			s.At = math.MaxInt64 / 1000
		}
		if w.add(&s) != nil {
			failed++
		}
	}
	if lines := string(w.lines.Bytes()); failed != 1 || strings.Contains(lines, "type=pod ") || !strings.Contains(lines, "type=node ") || !strings.Contains(lines, "rollcall_cluster") || w.lines.Err() != nil {
		t.Errorf("got %d failed metric sets, error %v and lines\n%s\nwant one failed, no error, and no line of the pod", failed, w.lines.Err(), lines)
	}
}

// selectiveReceiver refuses each request that has a set of the cluster hostile.
type selectiveReceiver struct {
	receiver
	cluster  string
	filled   map[string]int
	accepted []map[string]int
}

func (p *selectiveReceiver) begin(b *Batch) { p.cluster = b.Cluster }
func (p *selectiveReceiver) add(*samples.Set) error {
	if p.filled == nil {
		p.filled = map[string]int{}
	}
	p.filled[p.cluster]++
	return nil
}
func (p *selectiveReceiver) reset() { p.filled = nil }
func (p *selectiveReceiver) send(context.Context) error {
	if p.filled["hostile"] > 0 {
		return &refusedError{message: "400 Bad Request", content: true}
	}
	p.accepted = append(p.accepted, p.filled)
	return nil
}

func TestRefusedRequestIsSplitByCluster(t *testing.T) {
	p, registry := &selectiveReceiver{}, prometheus.NewRegistry()
	w := newWorker(&spec{name: "fake", queue: 100}, newMetrics(registry).forSink("fake"), quiet)
	w.exporter = p
	m, other := newMember(t, 1, "web"), newMember(t, 2, "web")
	var all []*Batch
	for i := range 3 {
		b := trackers{}
		all = append(append(all, b.batchesOf(m.report("hostile", 15*i+1, 100))...), b.batchesOf(other.report("prod", 15*i+1, 100))...)
	}
	for _, b := range all {
		w.export(t.Context(), b)
	}
	w.deliver(t.Context())
	if len(p.accepted) != 1 || p.accepted[0]["prod"] != 15 {
		t.Errorf("got accepted requests %v, want one with 15 metric sets of prod", p.accepted)
	}
	want(t, gather(t, registry), map[string]float64{"sent_sets_total": 15, "dropped_sets_total refused": 15, "failed_requests_total": 2})
	if w.filled != 0 || w.parts != nil {
		t.Errorf("got %d metric sets in %v left, want none", w.filled, w.parts)
	}
}

func TestRecordThatKafkaRefusesDoesNotFailOthers(t *testing.T) {
	_, addresses := brokers(t, "readings")
	spec, err := parse("kafka://" + addresses + "/readings")
	if err != nil {
		t.Fatal(err)
	}
	e, err := spec.open(spec)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	b, w := batches(t)[1], e.(*kafka)
	e.begin(b)
	for s := range b.Sets() {
		if err := e.add(&s); err != nil {
			t.Fatal(err)
		}
	}
	// A real record is not as large, since labels are bounded, but a broker's limit may be lower.
	w.records = append(w.records, &kgo.Record{Topic: "readings", Key: []byte("prod"), Value: make([]byte, 2<<20)})
	ctx, cancel := context.WithTimeout(t.Context(), spec.timeout)
	defer cancel()
	var partial *partialError
	if err := e.send(ctx); !errors.As(err, &partial) || partial.refused != 1 || partial.records != b.Len()+1 {
		t.Fatalf("send: got error %v, want one record refused", err)
	}
	if records := consume(t, addresses, "readings", b.Len()); len(records) != b.Len() {
		t.Errorf("got %d records, want %d", len(records), b.Len())
	}
}
