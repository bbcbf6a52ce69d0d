package sink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"rollcall.dev/rollcall/master/heapster"
)

// defaultTopic is the one of Heapster's sink.
const defaultTopic = "heapster-metrics"

// kafka produces a record for each Set, or as Heapster's sink did one for each metric,
// keyed by the cluster, so that what is of one cluster stays in order.
type kafka struct {
	client  *kgo.Client
	topic   string
	each    bool // a record for each metric, as Heapster's sink
	batch   *Batch
	records []*kgo.Record
	refused error // what was said of the records that no broker will ever take
	lost    int   // how many those are
	taken   int   // how many a broker has taken
}

// setRecord is the value of a record.
type setRecord struct {
	Timestamp time.Time          `json:"timestamp"`
	Labels    map[string]string  `json:"labels"`
	Metrics   map[string]float64 `json:"metrics"`
}

// heapsterPoint is the value of a record of Heapster's sink.
type heapsterPoint struct {
	MetricsName      string
	MetricsValue     map[string]float64
	MetricsTimestamp time.Time
	MetricsTags      map[string]string
}

func kafkaOf(address string, p *params) (string, func(*spec) (exporter, error), error) {
	hosts, topic, _ := strings.Cut(address, "/")
	if topic == "" {
		topic = defaultTopic
	}
	brokers := strings.Split(hosts, ",")
	for _, b := range brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			return "", nil, errors.New("its address is not broker:port,broker:port/topic")
		}
	}
	each := p.one("format", "set", "heapster") == "heapster"
	opts := append(securityOf(p), kgo.SeedBrokers(brokers...), kgo.ClientID("rollcall"),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		// Without idempotence what was sent can be given up at any time; the worker repeats.
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1), kgo.RequiredAcks(acksOf(p)))
	if p.one("create-topic", "false", "true") == "true" {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	return "kafka-" + brokers[0], func(s *spec) (exporter, error) {
		client, err := kgo.NewClient(append(opts, kgo.RecordDeliveryTimeout(s.timeout), kgo.MaxBufferedRecords(maxRequest*int(heapster.NumMetrics)))...)
		return &kafka{client: client, topic: topic, each: each}, err
	}, nil
}

func acksOf(p *params) kgo.Acks {
	switch p.one("acks", "all", "leader", "none") {
	case "leader":
		return kgo.LeaderAck()
	case "none":
		return kgo.NoAck()
	}
	return kgo.AllISRAcks()
}

// securityOf reads the parameters of TLS and SASL.
func securityOf(p *params) []kgo.Opt {
	var opts []kgo.Opt
	config := tlsOf(p)
	if p.one("tls", "false", "true") == "true" {
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	mechanism, user, password := p.one("sasl", "none", "plain", "scram-sha-256", "scram-sha-512"), p.text("username"), p.secret("password-file")
	if mechanism == "none" {
		if user != "" || password != nil {
			p.fail("username", "and password-file need sasl=plain, scram-sha-256 or scram-sha-512")
		}
		return opts
	}
	if user == "" || password == nil {
		p.fail("sasl", "needs username and password-file")
		return opts
	}
	return append(opts, kgo.SASL(saslOf(mechanism, user, password)))
}

func saslOf(mechanism, user string, password func() (string, error)) sasl.Mechanism {
	known := func(context.Context) (scram.Auth, error) {
		secret, err := password()
		return scram.Auth{User: user, Pass: secret}, err
	}
	switch mechanism {
	case "scram-sha-256":
		return scram.Sha256(known)
	case "scram-sha-512":
		return scram.Sha512(known)
	}
	return plain.Plain(func(context.Context) (plain.Auth, error) {
		secret, err := password()
		return plain.Auth{User: user, Pass: secret}, err
	})
}

func (w *kafka) begin(b *Batch) { w.batch = b }

func (w *kafka) add(s *heapster.Set) error {
	if w.batch.Ended {
		return nil
	}
	r := setRecord{Timestamp: time.UnixMilli(s.At).UTC(), Labels: tagMap(w.batch.Cluster, s), Metrics: map[string]float64{}}
	for m := range heapster.NumMetrics {
		if v, ok := s.Value(m); ok {
			r.Metrics[m.String()] = v
		}
	}
	if s.Kind == heapster.Cluster {
		for _, c := range counts {
			r.Metrics["rollcall/"+c.name] = float64(c.of(w.batch.Counts))
		}
	}
	if !w.each {
		return w.record(r)
	}
	var failed error
	for name, v := range r.Metrics {
		failed = errors.Join(failed, w.record(heapsterPoint{name, map[string]float64{"value": v}, r.Timestamp, r.Labels}))
	}
	return failed
}

func (w *kafka) record(value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode a record: %w", err)
	}
	w.records = append(w.records, &kgo.Record{Topic: w.topic, Key: []byte(w.batch.Cluster), Value: b})
	return nil
}

// send produces the records that no broker has taken yet.
func (w *kafka) send(ctx context.Context) error {
	if len(w.records) == 0 {
		return nil
	}
	var left []*kgo.Record
	var failed error
	for _, r := range w.client.ProduceSync(ctx, w.records...) {
		switch {
		case r.Err == nil:
			w.taken++
		case isFinal(r.Err):
			w.refused, w.lost = r.Err, w.lost+1
		default:
			// Context and timestamp of the record are those of this attempt.
			left = append(left, &kgo.Record{Topic: r.Record.Topic, Key: r.Record.Key, Value: r.Record.Value})
			failed = r.Err
		}
	}
	w.records = left
	switch {
	case failed != nil:
		return fmt.Errorf("produce to topic %s: %w", w.topic, failed)
	case w.lost == 0:
		return nil
	case w.taken == 0:
		return &refusedError{words: w.refused.Error()}
	}
	return &partialError{w.refused.Error(), w.lost, w.taken + w.lost}
}

// isFinal reports whether no broker will ever take a record.
func isFinal(err error) bool {
	for _, final := range []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTopicException, kerr.TopicAuthorizationFailed} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

func (w *kafka) reset() { w.records, w.refused, w.lost, w.taken = nil, nil, 0, 0 }

func (w *kafka) close() { w.client.Close() }
