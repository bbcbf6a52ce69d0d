package realnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/agent/usage"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

// maxWindow is the longest time between the two samples from which metrics-server computes the usage of CPU.
const maxWindow = 90 * time.Second

// sample is what the kubelet reports about a node or container at one time.
type sample struct {
	at state.Time
	// exactly is the time of the sample of CPU.
	exactly time.Time
	// cpu is the CPU time since the start of the container, memory its working set.
	cpu    time.Duration
	memory int64
}

// TestUsageIsTheKubelets reads usage as an agent does, and compares each node and container with the kubelet's own
// statistics of the same moment: memory must be equal, and CPU the difference between two samples.
func TestUsageIsTheKubelets(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	namespace := newNamespace(t, node, "usage")
	createPod(t, node, newPod(namespace, "burns", "burn", "150"))
	createPod(t, node, newPod(namespace, "holds", "allocate", "48"))
	containers := map[string]int64{"burns": 0, "holds": 48 << 20} // with the least memory
	for name := range containers {
		waitPod(t, node, namespace, name, podReady)
	}
	current := readUsage(t, node)
	keys := map[state.Key]int64{{Kind: state.KindNode, Name: node.Name}: 0}
	for name, memory := range containers {
		keys[state.Key{Kind: state.KindContainer, Namespace: namespace, Name: name, Sub: "main"}] = memory
	}
	samples := map[state.Key][]sample{}
	deadline := time.Now().Add(timeout)
	for ticker := time.NewTicker(time.Second); ; <-ticker.C {
		err := addSamples(t.Context(), node, samples)
		reading := current()
		for key, least := range keys {
			used, ok := reading[key]
			if !ok {
				err = errors.Join(err, fmt.Errorf("%s has no usage", key.Name))
				continue
			}
			err = errors.Join(err, compareUsage(used, samples[key], key))
			if used.MemoryBytes < least {
				err = errors.Join(err, fmt.Errorf("%s: got %d bytes of memory, want at least %d", key.Name, used.MemoryBytes, least))
			}
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// readUsage reads usage until the test ends. The returned function returns the last reading.
func readUsage(t *testing.T, node *kube.Node) (current func() state.Reading) {
	t.Helper()
	var mu sync.Mutex
	var last state.Reading
	reader, err := usage.New(usage.Config{
		REST: node.Cluster.Config(), Period: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
		SetReading: func(r state.Reading) {
			mu.Lock()
			defer mu.Unlock()
			last = r
		},
		SetStatus: func(state.SectionStatus) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	release := reader.Subscribe()
	running.Go(func() { _ = reader.Run(ctx) })
	t.Cleanup(func() {
		release()
		cancel()
		running.Wait()
	})
	return func() state.Reading {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
}

// statistics are those of a node or container in the kubelet's summary.
type statistics struct {
	Name string
	CPU  struct {
		Time                 time.Time
		UsageCoreNanoSeconds int64
	}
	Memory struct{ WorkingSetBytes int64 }
}

// addSamples adds the kubelet's present statistics.
func addSamples(ctx context.Context, node *kube.Node, samples map[state.Key][]sample) error {
	encoded, err := node.Cluster.Client().CoreV1().RESTClient().Get().Resource("nodes").Name(node.Name).
		SubResource("proxy", "stats", "summary").DoRaw(ctx)
	if err != nil {
		return fmt.Errorf("read the kubelet's statistics: %w", err)
	}
	var summary struct {
		Node statistics
		Pods []struct {
			PodRef     struct{ Namespace, Name string }
			Containers []statistics
		}
	}
	if err := json.Unmarshal(encoded, &summary); err != nil {
		return fmt.Errorf("decode the kubelet's statistics: %w", err)
	}
	add := func(key state.Key, s statistics) {
		known := samples[key]
		if len(known) > 0 && known[len(known)-1].exactly.Equal(s.CPU.Time) {
			return
		}
		samples[key] = append(known, sample{state.TimeOf(s.CPU.Time), s.CPU.Time, time.Duration(s.CPU.UsageCoreNanoSeconds), s.Memory.WorkingSetBytes})
	}
	add(state.Key{Kind: state.KindNode, Name: node.Name}, summary.Node)
	for _, pod := range summary.Pods {
		for _, c := range pod.Containers {
			add(state.Key{Kind: state.KindContainer, Namespace: pod.PodRef.Namespace, Name: pod.PodRef.Name, Sub: c.Name}, c)
		}
	}
	return nil
}

// compareUsage returns an error unless usage matches the kubelet's samples.
func compareUsage(used state.Used, samples []sample, key state.Key) error {
	var closest int64 = math.MaxInt64
	for _, at := range samples {
		if at.at != used.SampledAt || at.memory != used.MemoryBytes {
			continue
		}
		for _, before := range samples {
			window := at.exactly.Sub(before.exactly)
			if window <= 0 || window > maxWindow {
				continue
			}
			millis := int64(math.Ceil(1000 * float64(at.cpu-before.cpu) / float64(window)))
			if difference := millis - used.CPUMillis; difference >= -1 && difference <= 1 {
				return nil
			}
			closest = min(closest, max(millis-used.CPUMillis, used.CPUMillis-millis))
		}
	}
	return fmt.Errorf("%s: got usage %+v, and the kubelet's samples are %+v; closest by %d millicores", key.Name, used, samples, closest)
}
