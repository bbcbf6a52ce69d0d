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
	"rollcall.dev/rollcall/master/samples"
)

// defaultTopic is the default topic of Heapster's sink.
const defaultTopic = "heapster-metrics"

// kafka produces a record for each metric set, or for each metric as Heapster's sink did.
// The key is the cluster, so that the records of one cluster stay in order.
type kafka struct {
	client         *kgo.Client
	topic          string
	perMetric      bool // a record for each metric, as Heapster's sink
	batch          *Batch
	records        []*kgo.Record
	refusal        error // the error of the last record that was refused permanently
	refusedRecords int   // number of records that were refused permanently
	accepted       int   // number of records that a broker has accepted
}

// setRecord is the value of a record.
type setRecord struct {
	Timestamp time.Time          `json:"timestamp"`
	Labels    map[string]string  `json:"labels"`
	Metrics   map[string]float64 `json:"metrics"`
}

// heapsterPoint is the value of a record with format=heapster.
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
			return "", nil, errors.New("the address must be broker:port,broker:port/topic")
		}
	}
	perMetric := p.enum("format", "set", "heapster") == "heapster"
	opts := append(securityOf(p), kgo.SeedBrokers(brokers...), kgo.ClientID("rollcall"),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		// Without idempotence a request can be canceled at any time. The worker retries it.
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1), kgo.RequiredAcks(acksOf(p)))
	if p.enum("create-topic", "false", "true") == "true" {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	return "kafka-" + brokers[0], func(s *spec) (exporter, error) {
		client, err := kgo.NewClient(append(opts, kgo.RecordDeliveryTimeout(s.timeout), kgo.MaxBufferedRecords(maxRequest*int(heapster.NumMetrics)))...)
		return &kafka{client: client, topic: topic, perMetric: perMetric}, err
	}, nil
}

func acksOf(p *params) kgo.Acks {
	switch p.enum("acks", "all", "leader", "none") {
	case "leader":
		return kgo.LeaderAck()
	case "none":
		return kgo.NoAck()
	}
	return kgo.AllISRAcks()
}

// securityOf returns the options of the parameters for TLS and SASL.
func securityOf(p *params) []kgo.Opt {
	var opts []kgo.Opt
	config := tlsOf(p)
	if p.enum("tls", "false", "true") == "true" {
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	mechanism, user, password := p.enum("sasl", "none", "plain", "scram-sha-256", "scram-sha-512"), p.text("username"), p.secret("password-file")
	if mechanism == "none" {
		if user != "" || password != nil {
			p.fail("username", "and password-file require sasl=plain, scram-sha-256 or scram-sha-512")
		}
		return opts
	}
	if user == "" || password == nil {
		p.fail("sasl", "requires username and password-file")
		return opts
	}
	return append(opts, kgo.SASL(saslOf(mechanism, user, password)))
}

func saslOf(mechanism, user string, password func() (string, error)) sasl.Mechanism {
	auth := func(context.Context) (scram.Auth, error) {
		secret, err := password()
		return scram.Auth{User: user, Pass: secret}, err
	}
	switch mechanism {
	case "scram-sha-256":
		return scram.Sha256(auth)
	case "scram-sha-512":
		return scram.Sha512(auth)
	}
	return plain.Plain(func(context.Context) (plain.Auth, error) {
		secret, err := password()
		return plain.Auth{User: user, Pass: secret}, err
	})
}

func (w *kafka) begin(b *Batch) { w.batch = b }

func (w *kafka) add(s *samples.Set) error {
	if w.batch.Ended {
		return nil
	}
	r := setRecord{Timestamp: time.UnixMilli(s.At).UTC(), Labels: tagMap(w.batch.Cluster, s), Metrics: map[string]float64{}}
	for m := range heapster.NumMetrics {
		if v, ok := m.Value(s); ok {
			r.Metrics[m.String()] = v
		}
	}
	if s.Kind == samples.KindCluster {
		for _, c := range samples.Counts {
			r.Metrics["rollcall/"+c.Field] = float64(w.batch.Counts.Value(c.Count))
		}
	}
	if !w.perMetric {
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
		return fmt.Errorf("encode record: %w", err)
	}
	w.records = append(w.records, &kgo.Record{Topic: w.topic, Key: []byte(w.batch.Cluster), Value: b})
	return nil
}

// send produces the records that no broker has accepted yet.
func (w *kafka) send(ctx context.Context) error {
	if len(w.records) == 0 {
		return nil
	}
	var remaining []*kgo.Record
	var failed error
	for _, r := range w.client.ProduceSync(ctx, w.records...) {
		switch {
		case r.Err == nil:
			w.accepted++
		case isPermanent(r.Err):
			w.refusal, w.refusedRecords = r.Err, w.refusedRecords+1
		default:
			// The record is copied, since its context and timestamp are those of this attempt.
			remaining = append(remaining, &kgo.Record{Topic: r.Record.Topic, Key: r.Record.Key, Value: r.Record.Value})
			failed = r.Err
		}
	}
	w.records = remaining
	switch {
	case failed != nil:
		return fmt.Errorf("produce to topic %s: %w", w.topic, failed)
	case w.refusedRecords == 0:
		return nil
	case w.accepted == 0:
		return &refusedError{message: w.refusal.Error()}
	}
	return &partialError{w.refusal.Error(), w.refusedRecords, w.accepted + w.refusedRecords}
}

// isPermanent reports whether an error of a record is permanent.
func isPermanent(err error) bool {
	for _, permanent := range []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTopicException, kerr.TopicAuthorizationFailed} {
		if errors.Is(err, permanent) {
			return true
		}
	}
	return false
}

func (w *kafka) reset() { w.records, w.refusal, w.refusedRecords, w.accepted = nil, nil, 0, 0 }

func (w *kafka) close() { w.client.Close() }
