package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"rollcall.dev/rollcall/test/proc"
)

// brokers starts a Kafka cluster with one topic, and returns its addresses.
func brokers(t *testing.T, topic string, opts ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(2), kfake.SeedTopics(3, topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, strings.Join(c.ListenAddrs(), ",")
}

// consume returns n records of a topic.
func consume(t *testing.T, addresses, topic string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(addresses, ",")...), kgo.ConsumeTopics(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("got %d of %d records and error %v", len(all), n, err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

func TestKafkaGetsOneRecordPerMetricSet(t *testing.T) {
	_, addresses := brokers(t, "readings")
	two := batches(t)
	if err := send(t, "kafka://"+addresses+"/readings", two...); err != nil {
		t.Fatal(err)
	}
	records := consume(t, addresses, "readings", two[0].Len()+two[1].Len())
	found := map[string]map[string]float64{}
	for _, r := range records {
		var record setRecord
		if err := json.Unmarshal(r.Value, &record); err != nil {
			t.Fatalf("decode %s: %v", r.Value, err)
		}
		if string(r.Key) != "prod" || record.Labels["cluster_name"] != "prod" || record.Timestamp.Before(t0) {
			t.Errorf("got key %s and value %s, want the key and cluster_name prod, and a time since %s", r.Key, r.Value, t0)
		}
		found[record.Labels["type"]] = record.Metrics
	}
	for kind, want := range map[string]map[string]float64{
		"pod_container": {"cpu/usage_rate": 200, "cpu/usage": 3e9, "memory/limit": 2 << 20, "uptime": 75000},
		"pod":           {"cpu/usage_rate": 200, "cpu/request": 250},
		"ns":            {"cpu/usage_rate": 200, "cpu/request": 250},
		"node":          {"cpu/usage_rate": 200, "cpu/node_allocatable": 2000, "cpu/node_utilization": 0.1},
		"cluster":       {"cpu/usage_rate": 200, "cpu/request": 300, "rollcall/nodes_total": 1, "rollcall/pods_running": 1},
	} {
		for name, v := range want {
			if got := found[kind][name]; got != v {
				t.Errorf("%s: got %s=%g, want %g", kind, name, got, v)
			}
		}
	}
}

func TestKafkaRecordsMatchHeapster(t *testing.T) {
	_, addresses := brokers(t, defaultTopic)
	if err := send(t, "kafka://"+addresses+"?format=heapster", batches(t)[1]); err != nil {
		t.Fatal(err)
	}
	for _, r := range consume(t, addresses, defaultTopic, 40) {
		var point heapsterPoint
		if err := json.Unmarshal(r.Value, &point); err != nil {
			t.Fatal(err)
		}
		if point.MetricsName == "cpu/usage_rate" && point.MetricsTags["type"] == "node" {
			if point.MetricsValue["value"] != 200 || !point.MetricsTimestamp.Equal(at(15)) {
				t.Errorf("got %s, want the value 200 at %s", r.Value, at(15))
			}
			return
		}
	}
	t.Error("no cpu/usage_rate of a node")
}

func TestKafkaAuthenticates(t *testing.T) {
	_, addresses := brokers(t, "readings", kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "sink", "s3cret"))
	right, wrong := secretFile(t, "s3cret"), secretFile(t, "guess")
	rawURL := "kafka://" + addresses + "/readings?timeout=5s&sasl=scram-sha-256&username=sink&password-file="
	if err := send(t, rawURL+right, batches(t)...); err != nil {
		t.Error(err)
	}
	if err := send(t, rawURL+wrong, batches(t)...); err == nil || strings.Contains(err.Error(), "guess") {
		t.Errorf("wrong password: got error %v, want one that does not contain it", err)
	}
}

// TestKafkaThatRecoversGetsAllRecordsInOrder starts the broker after the first readings.
func TestKafkaThatRecoversGetsAllRecordsInOrder(t *testing.T) {
	var ports proc.Ports
	t.Cleanup(ports.Release)
	port, err := ports.Of("kafka")
	if err != nil {
		t.Fatal(err)
	}
	addresses := fmt.Sprintf("127.0.0.1:%d", port)
	registry := prometheus.NewRegistry()
	s, err := New(Config{URLs: []string{"kafka://" + addresses + "/readings?timeout=1s"}, Log: quiet, Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	enqueue(t, s, 20)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for gather(t, registry)["failed_requests_total"] == 0 {
		<-ticker.C
	}
	cluster, err := kfake.NewCluster(kfake.Ports(port), kfake.NumBrokers(1), kfake.SeedTopics(3, "readings"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	last := time.Time{}
	for _, r := range consume(t, addresses, "readings", 100) {
		var record setRecord
		if err := json.Unmarshal(r.Value, &record); err != nil {
			t.Fatal(err)
		}
		if record.Labels["type"] == "node" {
			if !record.Timestamp.After(last) {
				t.Errorf("got a node's record of %s after that of %s, want ascending times", record.Timestamp, last)
			}
			last = record.Timestamp
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	want(t, gather(t, registry), map[string]float64{"sent_sets_total": 100, "queued_sets": 0})
}
