package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/test/load"
)

// body is a response, uncompressed and with gzip level 1, the level of Kubernetes' API servers.
type body struct{ plain, zipped []byte }

// metricsItem is a NodeMetrics or PodMetrics of metrics.k8s.io.
type metricsItem struct {
	Metadata   metav1.ObjectMeta  `json:"metadata"`
	Timestamp  metav1.Time        `json:"timestamp"`
	Window     string             `json:"window"`
	Usage      *amounts           `json:"usage,omitempty"`
	Containers []containerMetrics `json:"containers,omitempty"`
}

// containerMetrics is the usage of one container in a PodMetrics.
type containerMetrics struct {
	Name  string  `json:"name"`
	Usage amounts `json:"usage"`
}

// amounts are quantities as metrics-server writes them.
type amounts struct {
	CPU    string `json:"cpu"`
	Memory string `json:"memory"`
}

// amountsOf returns the usage of a key as metrics-server writes it: CPU in nanocores that are
// never round numbers. Clients round them up to millicores, and get the original values.
func amountsOf(key string, u load.Used) amounts {
	h := fnv.New64a()
	fmt.Fprint(h, key, u)
	below := int64(h.Sum64() % nanosPerMilli)
	return amounts{CPU: fmt.Sprintf("%dn", u.CPUMillis*nanosPerMilli-below), Memory: fmt.Sprintf("%dKi", u.MemoryBytes>>10)}
}

const nanosPerMilli = 1_000_000

// serveResources serves the discovery document.
func (u *usageServer) serveResources(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[`+
		`{"name":"nodes","singularName":"","namespaced":false,"kind":"NodeMetrics","verbs":["get","list"]},`+
		`{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}`)
}

// serveList serves NodeMetricsList or PodMetricsList.
func (u *usageServer) serveList(w http.ResponseWriter, r *http.Request) {
	b, err := u.list(r.PathValue("resource"), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	response := b.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		response = b.zipped
	}
	_, _ = w.Write(response)
}

// list returns the list of the last complete round. It is built once per round.
func (u *usageServer) list(resource string, now time.Time) (body, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n := u.roundAt(now); n != u.round {
		nodes, pods, err := u.encode(n)
		if err != nil {
			return body{}, err
		}
		u.round, u.bodies = n, map[string]body{"nodes": nodes, "pods": pods}
	}
	b, ok := u.bodies[resource]
	if !ok {
		return body{}, fmt.Errorf("unknown resource %s of metrics.k8s.io", resource)
	}
	return b, nil
}

// encode encodes the lists of round n.
func (u *usageServer) encode(n int) (nodes, pods body, err error) {
	var nodeItems, podItems []metricsItem
	for i := range u.nodes {
		node := &u.nodes[i]
		at := metav1.NewTime(u.scrapedAt(node.name, n))
		used := amountsOf(node.name, u.usage.At(node.name, node.base, n))
		nodeItems = append(nodeItems, metricsItem{Metadata: metav1.ObjectMeta{Name: node.name, CreationTimestamp: at}, Timestamp: at, Window: "15.0s", Usage: &used})
		for _, p := range node.pods {
			item := metricsItem{Metadata: metav1.ObjectMeta{Namespace: p.namespace, Name: p.name, Labels: p.labels, CreationTimestamp: at}, Timestamp: at, Window: "15.0s"}
			for _, c := range p.containers {
				item.Containers = append(item.Containers, containerMetrics{c.name, amountsOf(c.key, u.usage.At(c.key, c.base, n))})
			}
			podItems = append(podItems, item)
		}
	}
	if nodes, err = encodeList("NodeMetricsList", nodeItems); err != nil {
		return nodes, pods, err
	}
	pods, err = encodeList("PodMetricsList", podItems)
	return nodes, pods, err
}

// encodeList encodes a list, uncompressed and compressed.
func encodeList(kind string, items []metricsItem) (b body, err error) {
	b.plain, err = json.Marshal(map[string]any{"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1", "metadata": struct{}{}, "items": items})
	if err != nil {
		return b, fmt.Errorf("encode a %s: %w", kind, err)
	}
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err != nil {
		return b, err
	}
	if _, err := w.Write(b.plain); err != nil {
		return b, err
	}
	err = w.Close()
	b.zipped = zipped.Bytes()
	return b, err
}
