// Package recording records the status that a real kubelet reports for a pod over time, so that tests can replay it
// without a kubelet.
//
// A recording is a YAML file: the pod, and then a line for each change of its status. A line has the time since the
// pod's creation and the changed fields of the status, with null for removed fields. Values that differ between runs
// are replaced: times are relative to [Created], and UIDs, digests and addresses have placeholders.
package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"reflect"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// Created is the creation time of the pod in every recording.
var Created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	uid         = "00000000-0000-0000-0000-000000000001"
	hostAddress = "198.51.100.1"
)

// Recording has the status changes of one pod.
type Recording struct {
	// Kubelet and Runtime are the versions that the node reports.
	Kubelet string `json:"kubelet"`
	Runtime string `json:"runtime"`
	// Pod is the pod without its status.
	Pod     *corev1.Pod `json:"pod"`
	Changes []Change    `json:"changes"`
}

// Change is one change of the pod's status.
type Change struct {
	// After is the time since the pod's creation, in whole milliseconds.
	After metav1.Duration `json:"after"`
	// Status has the changed fields of the status.
	Status map[string]json.RawMessage `json:"status"`
}

// Read reads a recording from a file.
func Read(path string) (*Recording, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	var r Recording
	if err := yaml.UnmarshalStrict(content, &r); err != nil {
		return nil, fmt.Errorf("read recording %s: %w", path, err)
	}
	if r.Pod == nil {
		return nil, fmt.Errorf("read recording %s: missing pod", path)
	}
	return &r, nil
}

// Pods returns the pod after each change, with the time since its creation.
func (r *Recording) Pods() iter.Seq2[time.Duration, *corev1.Pod] {
	return func(yield func(time.Duration, *corev1.Pod) bool) {
		status := map[string]json.RawMessage{}
		for _, change := range r.Changes {
			for field, value := range change.Status {
				if string(value) == "null" {
					delete(status, field)
				} else {
					status[field] = value
				}
			}
			pod := r.Pod.DeepCopy()
			if err := convert(status, &pod.Status); err != nil {
				panic(fmt.Sprintf("status of pod %s after %v: %v", pod.Name, change.After, err)) // Read has checked the YAML
			}
			if !yield(change.After.Duration, pod) {
				return
			}
		}
	}
}

// Recorder creates a recording of one pod.
type Recorder struct {
	recording Recording
	created   time.Time
	last      map[string]json.RawMessage
	ids       map[string]string
}

// NewRecorder starts a recording on a node.
func NewRecorder(node *corev1.Node) *Recorder {
	return &Recorder{
		recording: Recording{Kubelet: node.Status.NodeInfo.KubeletVersion, Runtime: node.Status.NodeInfo.ContainerRuntimeVersion},
		ids:       map[string]string{},
	}
}

// Observe records the pod's status at a time. It adds nothing if the status did not change.
func (r *Recorder) Observe(at time.Time, pod *corev1.Pod) error {
	if r.recording.Pod == nil {
		r.created = pod.CreationTimestamp.Time
		if err := r.recordPod(pod); err != nil {
			return err
		}
	}
	encoded, err := json.Marshal(pod.Status)
	if err != nil {
		return fmt.Errorf("encode the status of pod %s: %w", pod.Name, err)
	}
	var status map[string]json.RawMessage
	if err := json.Unmarshal(r.replaceVaryingValues(encoded, pod), &status); err != nil {
		return fmt.Errorf("decode the status of pod %s: %w", pod.Name, err)
	}
	changed := maps.Clone(status)
	maps.DeleteFunc(changed, func(field string, value json.RawMessage) bool { return bytes.Equal(value, r.last[field]) })
	for field := range r.last {
		if _, there := status[field]; !there {
			changed[field] = json.RawMessage("null")
		}
	}
	r.last = status
	if len(changed) > 0 {
		after := metav1.Duration{Duration: at.Sub(r.created).Round(time.Millisecond)}
		r.recording.Changes = append(r.recording.Changes, Change{After: after, Status: changed})
	}
	return nil
}

// recordPod records the pod without its status.
func (r *Recorder) recordPod(pod *corev1.Pod) error {
	kept := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, CreationTimestamp: pod.CreationTimestamp,
			Labels: pod.Labels, OwnerReferences: pod.OwnerReferences,
		},
		Spec: *pod.Spec.DeepCopy(),
	}
	// The token's volume is long and irrelevant.
	kept.Spec.Volumes = without(kept.Spec.Volumes, func(v corev1.Volume) bool { return tokens.MatchString(v.Name) })
	for _, containers := range [][]corev1.Container{kept.Spec.Containers, kept.Spec.InitContainers} {
		for i := range containers {
			containers[i].VolumeMounts = without(containers[i].VolumeMounts, func(m corev1.VolumeMount) bool { return tokens.MatchString(m.Name) })
		}
	}
	encoded, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("encode pod %s: %w", pod.Name, err)
	}
	r.recording.Pod = &corev1.Pod{}
	return json.Unmarshal(r.replaceVaryingValues(encoded, pod), r.recording.Pod)
}

// without returns the items for which drop returns false.
func without[T any](list []T, drop func(T) bool) (kept []T) {
	for _, item := range list {
		if !drop(item) {
			kept = append(kept, item)
		}
	}
	return kept
}

var (
	timestamps = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	tokens     = regexp.MustCompile(`\bkube-api-access-[a-z0-9]{5}\b`)
	digests    = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
)

// replaceVaryingValues replaces values that differ between runs, in JSON.
func (r *Recorder) replaceVaryingValues(encoded []byte, pod *corev1.Pod) []byte {
	encoded = timestamps.ReplaceAllFunc(encoded, func(quoted []byte) []byte {
		at, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(quoted))
		if err != nil {
			return quoted
		}
		return []byte(Created.Add(at.Sub(r.created)).Format(`"` + time.RFC3339Nano + `"`))
	})
	encoded = digests.ReplaceAllFunc(encoded, func(id []byte) []byte {
		if _, known := r.ids[string(id)]; !known {
			r.ids[string(id)] = fmt.Sprintf("%02d", len(r.ids)+1)
		}
		return []byte(r.ids[string(id)])
	})
	encoded = tokens.ReplaceAll(encoded, []byte("kube-api-access"))
	encoded = bytes.ReplaceAll(encoded, []byte(pod.UID), []byte(uid))
	if pod.Status.HostIP != "" {
		encoded = bytes.ReplaceAll(encoded, []byte(`"`+pod.Status.HostIP+`"`), []byte(`"`+hostAddress+`"`))
	}
	return encoded
}

// Write writes the recording to a file. The file starts with a comment and has one line for each change.
func (r *Recorder) Write(path, comment string) error {
	if r.recording.Pod == nil {
		return errors.New("write a recording: Observe was not called")
	}
	head := r.recording
	head.Changes = nil
	var fields map[string]any
	if err := convert(head, &fields); err != nil {
		return err
	}
	delete(fields, "changes")
	pod := fields["pod"].(map[string]any)
	delete(pod, "status")
	encoded, err := yaml.Marshal(fields)
	if err != nil {
		return fmt.Errorf("encode the recording of pod %s: %w", head.Pod.Name, err)
	}
	content := bytes.NewBufferString("# " + comment + "\n")
	content.Write(encoded)
	content.WriteString("changes:\n")
	for _, change := range r.recording.Changes {
		status, err := json.Marshal(change.Status)
		if err != nil {
			return fmt.Errorf("encode a change of pod %s: %w", head.Pod.Name, err)
		}
		fmt.Fprintf(content, "- {after: %s, status: %s}\n", change.After.Duration, status)
	}
	return os.WriteFile(path, content.Bytes(), 0o644)
}

// convert converts a value to another type by way of JSON.
func convert(from, to any) error {
	encoded, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("encode a %v: %w", reflect.TypeOf(from), err)
	}
	return json.Unmarshal(encoded, to)
}
