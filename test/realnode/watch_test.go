package realnode

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/kube/recording"
)

// recordings is the folder of recordings, which unit tests replay.
const recordings = "../../agent/facts/testdata/kubelet"

// podEvent is an event of a pod, written as a line of JSON.
type podEvent struct {
	// After is the time since the pod was created, in seconds.
	After  float64          `json:"after"`
	Event  watch.EventType  `json:"event"`
	Pod    string           `json:"pod"`
	Status corev1.PodStatus `json:"status"`
}

// observer watches the pods of a namespace, and records each change.
type observer struct {
	node  *corev1.Node
	lines *json.Encoder

	mu        sync.Mutex
	pods      map[string]*corev1.Pod
	history   map[string][]*corev1.Pod // all states of each pod, in order
	recorders map[string]*recording.Recorder
	err       error
}

// startObserver watches the pods of a namespace until the test ends. It writes all events to a file in the test's
// artifact folder, which go test -artifacts keeps.
func startObserver(t *testing.T, node *kube.Node, namespace, file string) *observer {
	t.Helper()
	client := node.Cluster.Client().CoreV1()
	object, err := client.Nodes().Get(t.Context(), node.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := os.Create(filepath.Join(t.ArtifactDir(), file))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	events, err := client.Pods(namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	o := &observer{node: object, lines: json.NewEncoder(lines), pods: map[string]*corev1.Pod{}, history: map[string][]*corev1.Pod{}, recorders: map[string]*recording.Recorder{}}
	var watching sync.WaitGroup
	watching.Go(func() {
		for event := range events.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok {
				o.record(event.Type, pod, time.Now())
			}
		}
	})
	t.Cleanup(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err != nil {
			t.Error(o.err)
		}
	})
	t.Cleanup(func() {
		events.Stop()
		cancel()
		watching.Wait()
		lines.Close()
	})
	return o
}

// record records an event.
func (o *observer) record(event watch.EventType, pod *corev1.Pod, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pods[pod.Name] = pod
	o.history[pod.Name] = append(o.history[pod.Name], pod)
	if o.recorders[pod.Name] == nil {
		o.recorders[pod.Name] = recording.NewRecorder(o.node)
	}
	err := o.recorders[pod.Name].Observe(now, pod)
	if err == nil {
		err = o.lines.Encode(podEvent{now.Sub(pod.CreationTimestamp.Time).Seconds(), event, pod.Name, pod.Status})
	}
	if o.err == nil {
		o.err = err
	}
}

// podOf returns the last state of a scenario's pod, or nil if it does not exist yet.
func (o *observer) podOf(s scenario) *corev1.Pod {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, pod := range o.pods {
		if name == s.pod.Name || (s.job || s.static) && strings.HasPrefix(name, s.pod.Name+"-") {
			return pod
		}
	}
	return nil
}

// reached reports whether a scenario's pod has been in the scenario's state at any time.
func (o *observer) reached(s scenario) bool {
	pod := o.podOf(s)
	if pod == nil {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.history[pod.Name], s.reached)
}

// write writes the recording of a scenario's pod to the folder of recordings.
func (o *observer) write(t *testing.T, s scenario) {
	t.Helper()
	pod := o.podOf(s)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.recorders[pod.Name].Write(filepath.Join(recordings, s.pod.Name+".yaml"), s.what); err != nil {
		t.Error(err)
	}
}
