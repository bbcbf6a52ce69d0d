package keysecret

import (
	"bytes"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/gentype"
	"k8s.io/client-go/rest"
)

const (
	// DefaultNamespace is the namespace of master and agent in the trees under config/.
	DefaultNamespace = "rollcall-system"
	// namespaceFile contains the namespace of a pod.
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// PodNamespace returns the namespace of this pod, or DefaultNamespace outside of a cluster.
func PodNamespace() string {
	if namespace, err := os.ReadFile(namespaceFile); err == nil {
		return string(bytes.TrimSpace(namespace))
	}
	return DefaultNamespace
}

// NewClients returns clients for the Secrets and ConfigMaps of a namespace. The clientset of client-go would add
// all types of Kubernetes to the process.
func NewClients(config *rest.Config, namespace string) (Client[*corev1.Secret], Client[*corev1.ConfigMap], error) {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Secret{}, &corev1.ConfigMap{})
	config = rest.AddUserAgent(config, "keys")
	config.GroupVersion, config.APIPath = &corev1.SchemeGroupVersion, "/api"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, nil, fmt.Errorf("create the client for the key of this process: %w", err)
	}
	codec := runtime.NewParameterCodec(scheme)
	return gentype.NewClient("secrets", client, codec, namespace, func() *corev1.Secret { return &corev1.Secret{} }),
		gentype.NewClient("configmaps", client, codec, namespace, func() *corev1.ConfigMap { return &corev1.ConfigMap{} }), nil
}
