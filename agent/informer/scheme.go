package informer

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// scheme returns a scheme with the slim objects under the names of their kinds, and the
// types of watches and errors.
func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	core, discovery := corev1.SchemeGroupVersion, discoveryv1.SchemeGroupVersion
	add(s, core.WithKind("Node"), &nodeObject{}, &nodeList{})
	add(s, core.WithKind("Pod"), &podObject{}, &podList{})
	add(s, core.WithKind("Service"), &serviceObject{}, &serviceList{})
	add(s, core.WithKind("PersistentVolumeClaim"), &claimObject{}, &claimList{})
	add(s, core.WithKind("PersistentVolume"), &volumeObject{}, &volumeList{})
	add(s, discovery.WithKind("EndpointSlice"), &sliceObject{}, &sliceList{})
	metav1.AddToGroupVersion(s, core)
	metav1.AddToGroupVersion(s, discovery)
	return s
}

// add registers a kind and its list.
func add(s *runtime.Scheme, kind schema.GroupVersionKind, object, list runtime.Object) {
	s.AddKnownTypeWithName(kind, object)
	s.AddKnownTypeWithName(kind.GroupVersion().WithKind(kind.Kind+"List"), list)
}
