// Package recording records the status that a real kubelet reports for a pod over time, so that tests can replay it
// without a kubelet.
//
// A recording is a YAML file: the pod, and then a line for each change. A line has the time since the pod's creation,
// the columns that the API server printed for the pod at that moment, and the changed fields of the pod, with null for
// removed fields. Values that differ between runs are replaced: times are relative to [Created], and UIDs, digests and
// the node's addresses have placeholders.
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

const uid = "00000000-0000-0000-0000-000000000001"

// hostAddresses replace the addresses of the node, of both IP families.
var hostAddresses = []string{"198.51.100.1", "2001:db8::1"}

// Recording has the changes of one pod.
type Recording struct {
	// Kubelet and Runtime are the versions that the node reports.
	Kubelet string `json:"kubelet"`
	Runtime string `json:"runtime"`
	// Pod is the pod without its status.
	Pod     *corev1.Pod `json:"pod"`
	Changes []Change    `json:"changes"`
}

// Change is one change of the pod.
type Change struct {
	// After is the time since the pod's creation, in whole milliseconds.
	After metav1.Duration `json:"after"`
	// Printed are the columns READY, STATUS and RESTARTS of `kubectl get pods`, without the time of the last restart.
	Printed string `json:"printed,omitempty"`
	// Metadata, Spec and Status have the changed fields of these parts of the pod.
	Metadata fields `json:"metadata,omitempty"`
	Spec     fields `json:"spec,omitempty"`
	Status   fields `json:"status,omitempty"`
}

// fields are the fields of a part of a pod.
type fields map[string]json.RawMessage

// parts are the parts of a pod that change.
type parts struct {
	Metadata fields `json:"metadata"`
	Spec     fields `json:"spec"`
	Status   fields `json:"status"`
}

// each calls f with each part of p and the same part of a change.
func (p *parts) each(c *Change, f func(part, change *fields)) {
	f(&p.Metadata, &c.Metadata)
	f(&p.Spec, &c.Spec)
	f(&p.Status, &c.Status)
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

// Pods returns the pod after each change, with the change.
func (r *Recording) Pods() iter.Seq2[Change, *corev1.Pod] {
	return func(yield func(Change, *corev1.Pod) bool) {
		var now parts
		if err := convert(r.Pod, &now); err != nil {
			panic(fmt.Sprintf("pod %s: %v", r.Pod.Name, err)) // Read has checked the YAML
		}
		for _, change := range r.Changes {
			now.each(&change, func(part, change *fields) {
				if *part == nil {
					*part = fields{}
				}
				for field, value := range *change {
					if string(value) == "null" {
						delete(*part, field)
					} else {
						(*part)[field] = value
					}
				}
			})
			pod := &corev1.Pod{TypeMeta: r.Pod.TypeMeta}
			if err := convert(now, pod); err != nil {
				panic(fmt.Sprintf("pod %s after %v: %v", r.Pod.Name, change.After, err))
			}
			if !yield(change, pod) {
				return
			}
		}
	}
}

// Recorder creates a recording of one pod.
type Recorder struct {
	recording Recording
	created   time.Time
	last      parts
	ids       map[string]string
}

// NewRecorder starts a recording on a node.
func NewRecorder(node *corev1.Node) *Recorder {
	return &Recorder{
		recording: Recording{Kubelet: node.Status.NodeInfo.KubeletVersion, Runtime: node.Status.NodeInfo.ContainerRuntimeVersion},
		ids:       map[string]string{},
	}
}

// Observe records the pod at a time, with the columns that the API server printed for it (see [Change]). It adds
// nothing if the pod did not change.
func (r *Recorder) Observe(at time.Time, pod *corev1.Pod, printed string) error {
	r.created = pod.CreationTimestamp.Time
	encoded, err := json.Marshal(withoutIrrelevant(pod))
	if err != nil {
		return fmt.Errorf("encode pod %s: %w", pod.Name, err)
	}
	encoded = r.replaceVaryingValues(encoded, pod)
	var now parts
	if err := json.Unmarshal(encoded, &now); err != nil {
		return fmt.Errorf("decode pod %s: %w", pod.Name, err)
	}
	if r.recording.Pod == nil {
		r.recording.Pod = &corev1.Pod{}
		if err := json.Unmarshal(encoded, r.recording.Pod); err != nil {
			return fmt.Errorf("decode pod %s: %w", pod.Name, err)
		}
		r.recording.Pod.Status = corev1.PodStatus{}
		r.last = parts{Metadata: now.Metadata, Spec: now.Spec}
	}
	change := Change{After: metav1.Duration{Duration: at.Sub(r.created).Round(time.Millisecond)}, Printed: printed}
	r.last.each(&change, func(last, change *fields) { *change = *last })
	now.each(&change, func(now, change *fields) { *change = changed(*change, *now) })
	r.last = now
	if len(change.Metadata)+len(change.Spec)+len(change.Status) > 0 {
		r.recording.Changes = append(r.recording.Changes, change)
	}
	return nil
}

// changed returns the fields of now that differ from last, with null for those that now does not have.
func changed(last, now fields) fields {
	changes := maps.Clone(now)
	maps.DeleteFunc(changes, func(field string, value json.RawMessage) bool { return bytes.Equal(value, last[field]) })
	for field := range last {
		if _, there := now[field]; !there {
			changes[field] = json.RawMessage("null")
		}
	}
	return changes
}

// withoutIrrelevant returns a pod without fields that are long and irrelevant: most of its metadata, and the token's
// volume.
func withoutIrrelevant(pod *corev1.Pod) *corev1.Pod {
	kept := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, CreationTimestamp: pod.CreationTimestamp,
			DeletionTimestamp: pod.DeletionTimestamp, Labels: pod.Labels, OwnerReferences: pod.OwnerReferences,
		},
		Spec: *pod.Spec.DeepCopy(), Status: pod.Status,
	}
	kept.Spec.Volumes = without(kept.Spec.Volumes, func(v corev1.Volume) bool { return tokens.MatchString(v.Name) })
	for _, containers := range [][]corev1.Container{kept.Spec.Containers, kept.Spec.InitContainers} {
		for i := range containers {
			containers[i].VolumeMounts = without(containers[i].VolumeMounts, func(m corev1.VolumeMount) bool { return tokens.MatchString(m.Name) })
		}
	}
	return kept
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
		if err != nil || at.Unix() == 0 { // the start of a container that could not be started
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
	for i, host := range pod.Status.HostIPs {
		encoded = bytes.ReplaceAll(encoded, []byte(`"`+host.IP+`"`), []byte(`"`+hostAddresses[i]+`"`))
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
	var keys map[string]any
	if err := convert(head, &keys); err != nil {
		return err
	}
	delete(keys, "changes")
	pod := keys["pod"].(map[string]any)
	delete(pod, "status")
	encoded, err := yaml.Marshal(keys)
	if err != nil {
		return fmt.Errorf("encode the recording of pod %s: %w", head.Pod.Name, err)
	}
	content := bytes.NewBufferString("# " + comment + "\n")
	content.Write(encoded)
	content.WriteString("changes:\n")
	for _, change := range r.recording.Changes {
		encoded, err := json.Marshal(change)
		if err != nil {
			return fmt.Errorf("encode a change of pod %s: %w", head.Pod.Name, err)
		}
		fmt.Fprintf(content, "- %s\n", encoded)
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
