package informer

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// FuzzObjects decodes arbitrary bytes as an object. That must fail, or result in facts that can be removed again.
func FuzzObjects(f *testing.F) {
	meta := metav1.ObjectMeta{Name: "a", Namespace: "b", UID: "c", ResourceVersion: "1"}
	port := int32(math.MaxInt32)
	pod := &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{NodeName: "n", HostNetwork: true, Containers: []corev1.Container{{Name: "c", Ports: []corev1.ContainerPort{{ContainerPort: -1, HostPort: math.MaxInt32}}}}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", RestartCount: -1, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "x\x1b[2J"}}}}
	slice := &discoveryv1.EndpointSlice{ObjectMeta: meta, AddressType: "IPv4", Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"::1", ""}}}, Ports: []discoveryv1.EndpointPort{{Port: &port}}}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Type: "NodePort", Ports: []corev1.ServicePort{{Port: -5, NodePort: 1 << 20, TargetPort: intstr.FromString("x")}}}}
	for i, o := range []interface{ Marshal() ([]byte, error) }{&corev1.Node{ObjectMeta: meta}, pod, slice, service, &corev1.PersistentVolumeClaim{ObjectMeta: meta}, &corev1.PersistentVolume{ObjectMeta: meta}} {
		data, err := o.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		interner, tracker := newInterner(), facts.NewTracker(func() state.Time { return 1_800_000_000 })
		switch kind % 6 {
		case 0:
			decodeAndSet(data, nodeConverter{interner}.input, func(in *facts.NodeInput) { tracker.SetNode(in); tracker.RetainNodes(nil) })
		case 1:
			decodeAndSet(data, podConverter{interner}.input, func(in *facts.PodInput) { tracker.SetPod(in); tracker.RetainPods("", nil) })
		case 2:
			decodeAndSet(data, sliceConverter{interner}.input, func(in *facts.SliceInput) { tracker.SetSlice(in); tracker.RetainSlices("", nil) })
		case 3:
			decodeAndSet(data, serviceConverter{interner}.input, func(in *facts.ServiceInput) { tracker.SetService(in); tracker.RetainServices("", nil) })
		case 4:
			decodeAndSet(data, claimConverter{interner}.input, func(in *facts.ClaimInput) { tracker.SetClaim(in); tracker.RetainClaims("", nil) })
		case 5:
			decodeAndSet(data, volumeConverter{interner}.input, func(in *facts.VolumeInput) { tracker.SetVolume(in); tracker.RetainVolumes(nil) })
		}
	})
}

// decodeAndSet decodes an object and calls set with its input, if it can be decoded.
func decodeAndSet[M any, P message[M], I any](data []byte, input func(*object[M, P]) *I, set func(*I)) {
	var o object[M, P]
	if o.Unmarshal(data) == nil {
		set(input(&o))
	}
}
