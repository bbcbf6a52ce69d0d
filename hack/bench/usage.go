package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/test/load"
)

// usageSeed makes the usage the same in all runs.
const usageSeed = 1

// scrapeSpread is the time over which metrics-server spreads its scrapes of the nodes in one
// round.
const scrapeSpread = 4 * time.Second

// usageServer serves metrics.k8s.io as metrics-server does, with usage that is derived from
// a seed. A round starts every sample. Each node is scraped at a different time of the round,
// and the round is served when it is complete.
type usageServer struct {
	server     *http.Server
	listener   net.Listener
	work       sync.WaitGroup
	startedAt  time.Time
	sample     time.Duration
	nodes      []meteredNode
	containers int

	mu     sync.Mutex
	usage  *load.Usage
	bodies map[string]body // responses of round, by resource
	round  int
}

// meteredNode is a node with its running pods.
type meteredNode struct {
	name string
	base load.Used
	pods []meteredPod
}

// meteredPod is a pod with its running containers.
type meteredPod struct {
	namespace, name string
	labels          map[string]string
	containers      []meteredContainer
}

// meteredContainer is a running container. key seeds its usage around base.
type meteredContainer struct {
	name, key string
	base      load.Used
}

// serveUsage starts a server on a free port of 127.0.0.1. The caller closes it.
func serveUsage(sample time.Duration, nodes []corev1.Node, pods []corev1.Pod) (*usageServer, error) {
	trust, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "usage", "localhost")
	if err != nil {
		return nil, fmt.Errorf("serve usage: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve usage: %w", err)
	}
	u := &usageServer{
		listener: listener, sample: sample, startedAt: time.Now().Add(-2 * sample), usage: load.New(load.Still, usageSeed), round: -1,
	}
	u.nodes, u.containers = metered(u.usage, nodes, pods)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1", u.serveResources)
	mux.HandleFunc("GET /apis/metrics.k8s.io/v1beta1/{resource}", u.serveList)
	u.server = &http.Server{Handler: mux, TLSConfig: trust, ReadHeaderTimeout: time.Minute}
	u.work.Go(func() {
		if err := u.server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("serve usage: %v", err)) // all measurements depend on it
		}
	})
	return u, nil
}

// port returns the listening port.
func (u *usageServer) port() int { return u.listener.Addr().(*net.TCPAddr).Port }

// close stops the server.
func (u *usageServer) close() {
	_ = u.server.Close()
	u.work.Wait()
}

// setLoad changes the load, starting with the next round.
func (u *usageServer) setLoad(kind load.Kind) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.usage = load.New(kind, usageSeed)
}

// entropy returns the entropy of the differences between the last round and the one before,
// in bits per value.
func (u *usageServer) entropy() float64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.roundAt(time.Now())
	return load.Entropy(u.readings(n-1), u.readings(n))
}

// readings returns the usage of all nodes and containers in round n.
func (u *usageServer) readings(n int) []load.Used {
	var all []load.Used
	for i := range u.nodes {
		all = append(all, u.usage.At(u.nodes[i].name, u.nodes[i].base, n))
		for _, p := range u.nodes[i].pods {
			for _, c := range p.containers {
				all = append(all, u.usage.At(c.key, c.base, n))
			}
		}
	}
	return all
}

// roundAt returns the number of the last round that was complete at a time.
func (u *usageServer) roundAt(now time.Time) int {
	return int(now.Sub(u.startedAt.Add(u.spread())) / u.sample)
}

// spread returns the time over which the scrapes of a round are spread.
func (u *usageServer) spread() time.Duration { return min(scrapeSpread, u.sample/3) }

// scrapedAt returns the time at which a node was scraped in round n.
func (u *usageServer) scrapedAt(node string, n int) time.Time {
	h := fnv.New64a()
	fmt.Fprint(h, node, " ", n)
	return u.startedAt.Add(time.Duration(n)*u.sample + time.Duration(h.Sum64()%uint64(u.spread())))
}

// metered returns the running containers by node, and their number.
func metered(usage *load.Usage, nodes []corev1.Node, pods []corev1.Pod) (all []meteredNode, containers int) {
	byNode := map[string][]meteredPod{}
	for i := range pods {
		pod := &pods[i]
		m := meteredPod{namespace: pod.Namespace, name: pod.Name, labels: pod.Labels}
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if status.State.Running == nil {
				continue
			}
			key := strings.Join([]string{pod.Namespace, pod.Name, status.Name}, "/")
			m.containers = append(m.containers, meteredContainer{name: status.Name, key: key, base: usage.Base(key)})
		}
		if len(m.containers) > 0 {
			byNode[pod.Spec.NodeName] = append(byNode[pod.Spec.NodeName], m)
			containers += len(m.containers)
		}
	}
	for i := range nodes {
		n := meteredNode{name: nodes[i].Name, pods: byNode[nodes[i].Name]}
		for _, p := range n.pods {
			for _, c := range p.containers {
				n.base.CPUMillis += c.base.CPUMillis
				n.base.MemoryBytes += c.base.MemoryBytes
			}
		}
		all = append(all, n)
	}
	return all, containers
}

// waitRounds waits until the given number of further rounds is served.
func (u *usageServer) waitRounds(ctx context.Context, rounds int) error {
	n := u.roundAt(time.Now()) + rounds
	return sleep(ctx, time.Until(u.startedAt.Add(u.spread()+time.Duration(n)*u.sample)))
}
