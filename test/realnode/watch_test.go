package realnode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/kube/recording"
)

// recordings is the folder of recordings, which unit tests replay.
const recordings = "../../agent/facts/testdata/kubelet"

// maxErrors is the number of differences that an observer reports.
const maxErrors = 20

// podEvent is an event of a pod, written as a line of JSON.
type podEvent struct {
	// After is the time since the pod was created, in seconds.
	After   float64          `json:"after"`
	Event   watch.EventType  `json:"event"`
	Pod     string           `json:"pod"`
	Printed string           `json:"printed"`
	Status  corev1.PodStatus `json:"status"`
}

// observed is a pod at one moment, with what the API server printed for it (see [recording.Change]).
type observed struct {
	*corev1.Pod
	printed string
}

// observer watches the pods of a namespace, and records each change. It also passes each change to a pipeline of an
// agent, and compares the facts with the pod of the same moment.
type observer struct {
	node  *corev1.Node
	agent *agent
	lines *json.Encoder

	mu        sync.Mutex
	pods      map[string]observed
	history   map[string][]*corev1.Pod // all states of each pod, in order
	recorders map[string]*recording.Recorder
	errs      []error
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
	o := &observer{
		node: object, agent: newAgent(), lines: json.NewEncoder(lines),
		pods: map[string]observed{}, history: map[string][]*corev1.Pod{}, recorders: map[string]*recording.Recorder{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	// The events have what the API server prints and the pod of the same version.
	events, err := client.RESTClient().Get().Namespace(namespace).Resource("pods").
		Param("watch", "true").Param("includeObject", string(metav1.IncludeObject)).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Stream(ctx)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := o.read(events); ctx.Err() == nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.fail(err)
		}
	})
	t.Cleanup(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, err := range o.errs {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		events.Close()
		watching.Wait()
		lines.Close()
	})
	return o
}

// read reads events until the watch ends. Each event has a table, and the first table the names of the columns.
func (o *observer) read(events io.Reader) error {
	column := map[string]int{}
	for decoder := json.NewDecoder(events); ; {
		var event struct {
			Type   watch.EventType
			Object metav1.Table
		}
		if err := decoder.Decode(&event); err != nil {
			return fmt.Errorf("watch the table of pods: %w", err)
		}
		for i, c := range event.Object.ColumnDefinitions {
			column[c.Name] = i
		}
		for _, row := range event.Object.Rows {
			pod := &corev1.Pod{}
			if err := json.Unmarshal(row.Object.Raw, pod); err != nil {
				return fmt.Errorf("decode a pod: %w", err)
			}
			restarts, _, _ := strings.Cut(fmt.Sprint(row.Cells[column["Restarts"]]), " ") // without the time of the last one
			printed := fmt.Sprintf("%v %v %s", row.Cells[column["Ready"]], row.Cells[column["Status"]], restarts)
			o.record(event.Type, observed{pod, printed}, time.Now())
		}
	}
}

// record records an event.
func (o *observer) record(event watch.EventType, pod observed, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pods[pod.Name] = pod
	o.history[pod.Name] = append(o.history[pod.Name], pod.Pod)
	if o.recorders[pod.Name] == nil {
		o.recorders[pod.Name] = recording.NewRecorder(o.node)
	}
	if event == watch.Deleted {
		return
	}
	after := now.Sub(pod.CreationTimestamp.Time)
	o.fail(o.recorders[pod.Name].Observe(now, pod.Pod, pod.printed))
	o.fail(o.lines.Encode(podEvent{after.Seconds(), event, pod.Name, pod.printed, pod.Status}))
	o.agent.apply(func(tracker *facts.Tracker) state.Changes { return tracker.SetPod(informer.PodInput(pod.Pod)) })
	if err := errors.Join(o.agent.err, o.agent.compareWith(pod.Pod, pod.printed)); err != nil {
		o.fail(fmt.Errorf("%.1f s after its creation: %w", after.Seconds(), err))
	}
}

// fail records an error. The caller holds the lock.
func (o *observer) fail(err error) {
	if err != nil && len(o.errs) < maxErrors {
		o.errs = append(o.errs, err)
	}
}

// podOf returns the last state of a scenario's pod, or a zero value if it does not exist yet.
func (o *observer) podOf(s scenario) observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, pod := range o.pods {
		if name == s.pod.Name || (s.job || s.static) && strings.HasPrefix(name, s.pod.Name+"-") {
			return pod
		}
	}
	return observed{}
}

// reached reports whether a scenario's pod has been in the scenario's state at any time.
func (o *observer) reached(s scenario) bool {
	pod := o.podOf(s)
	if pod.Pod == nil {
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
