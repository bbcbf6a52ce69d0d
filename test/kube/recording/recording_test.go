package recording_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube/recording"
)

func TestARecordingIsReadAsWritten(t *testing.T) {
	created := time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "n", UID: "abc-def", CreationTimestamp: metav1.NewTime(created)},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "c", VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access-x1y2z"}, {Name: "data"}}}},
			Volumes:    []corev1.Volume{{Name: "kube-api-access-x1y2z"}, {Name: "data"}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	r := recording.NewRecorder(&corev1.Node{Status: corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1", ContainerRuntimeVersion: "r2"}}})
	observe := func(after time.Duration) {
		t.Helper()
		if err := r.Observe(created.Add(after), pod, "1/1 "+string(pod.Status.Phase)+" 0"); err != nil {
			t.Fatal(err)
		}
	}
	observe(1234567 * time.Microsecond)
	observe(2 * time.Second) // nothing changed
	id := strings.Repeat("0f", 32)
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "198.18.7.2", Message: "pod n/p (abc-def)",
		HostIPs:           []corev1.HostIP{{IP: "198.18.7.2"}, {IP: "2001:2:0:7::2"}},
		StartTime:         &metav1.Time{Time: created.Add(time.Second)},
		ContainerStatuses: []corev1.ContainerStatus{{Name: "c", ContainerID: "containerd://" + id, VolumeMounts: []corev1.VolumeMountStatus{{Name: "kube-api-access-x1y2z"}}}},
	}
	observe(3 * time.Second)
	pod.Spec.NodeName = "node"
	pod.DeletionTimestamp = &metav1.Time{Time: created.Add(time.Minute)}
	pod.Status.Message, pod.Status.HostIP, pod.Status.HostIPs = "", "", nil
	observe(4 * time.Second)

	path := filepath.Join(t.TempDir(), "p.yaml")
	if err := r.Write(path, "A pod."); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"2030", id, "abc-def", "198.18.7.2", "2001:2:0", "x1y2z"} {
		if strings.Contains(string(content), unwanted) {
			t.Errorf("the file contains %q, which differs between runs:\n%s", unwanted, content)
		}
	}
	read, err := recording.Read(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	var got []string
	var last *corev1.Pod
	for change, pod := range read.Pods() {
		got = append(got, strings.Join([]string{change.After.Duration.String(), change.Printed, string(pod.Status.Phase), pod.Status.Message, pod.Status.HostIP}, " "))
		last = pod
	}
	want := []string{
		"1.235s 1/1 Pending 0 Pending  ",
		"3s 1/1 Running 0 Running pod n/p (00000000-0000-0000-0000-000000000001) 198.51.100.1",
		"4s 1/1 Running 0 Running  ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes: got %q, want %q\n%s", got, want, content)
	}
	if !last.CreationTimestamp.Time.Equal(recording.Created) || !last.Status.StartTime.Time.Equal(recording.Created.Add(time.Second)) {
		t.Errorf("created %v, started %v; want %v and a second later", last.CreationTimestamp, last.Status.StartTime, recording.Created)
	}
	if last.Spec.NodeName != "node" || !last.DeletionTimestamp.Time.Equal(recording.Created.Add(time.Minute)) {
		t.Errorf("node %q, deleted %v; want the last change", last.Spec.NodeName, last.DeletionTimestamp)
	}
	if id := last.Status.ContainerStatuses[0].ContainerID; id != "containerd://01" {
		t.Errorf("container ID: got %q, want a placeholder", id)
	}
	if len(last.Spec.Volumes) != 1 || len(last.Spec.Containers[0].VolumeMounts) != 1 || read.Kubelet != "v1" || read.Runtime != "r2" {
		t.Errorf("got pod %+v of kubelet %s, runtime %s; want only the volume data, of v1 and r2", last.Spec, read.Kubelet, read.Runtime)
	}
}
