package join

import (
	"bytes"
	_ "embed" // the manifests
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Names of the agent's objects in config/agent.
const (
	agentName       = "rollcall-agent"
	agentKeySecret  = "rollcall-agent-tls"
	agentPinMap     = "rollcall-agent-pin"
	agentNameMap    = "rollcall-agent"
	agentNameKey    = "cluster-name"
	publicKeyVolume = "master-public-key"
	publicKeyMount  = "/etc/rollcall/master"
	publicKeyFile   = "signing.key.pub"
	caFile          = "ca.crt"
	// hubMap is the ConfigMap with the keys of the hub. On the hub itself, rollcall-master-public-key is the master's.
	hubMap = "rollcall-agent-hub"
	// The Secret with a join token.
	joinTokenSecret = "rollcall-agent-join"
	joinTokenEntry  = "token"
	joinTokenVolume = "join-token"
	joinTokenMount  = "/etc/rollcall/join" //nolint:gosec // a path
	// The token of the service account for the hub. It must be valid for at most an hour.
	accountTokenVolume  = "hub-token"
	accountTokenMount   = "/var/run/secrets/rollcall.dev/hub" //nolint:gosec // a path
	accountTokenFile    = "token"
	accountTokenSeconds = 3600
	// managedByLabel marks what this package has created.
	managedByLabel = "app.kubernetes.io/managed-by"
)

// manifests are the rendered tree config/agent. hack/generate.sh renders them.
//
//go:embed manifests/agent.yaml
var manifests []byte

// agentSettings describes the agent of a member.
type agentSettings struct {
	cluster string
	// hub is the address of the masters, or "" if they dial the agent.
	hub string
	// serverName is the name in the certificate of the masters, or "" for the host in hub.
	serverName string
	// ca has the CA certificates of the masters in PEM, or "" for those of the image.
	ca string
	// signingKeys has the public keys of the hub.
	signingKeys string
	// joinToken is an encoded join token, or "". serviceAccountAudience is the audience of a projected token, or "".
	joinToken              string
	serviceAccountAudience string

	proxy      string
	registry   string
	pullSecret string
	// expose is the type of the Service, or "" for none.
	expose corev1.ServiceType
}

// agentObjects returns the objects of an agent, in the order in which they are applied.
func agentObjects(s agentSettings) ([]*unstructured.Unstructured, error) {
	objects, err := decodeManifests(manifests)
	if err != nil {
		return nil, err
	}
	objects = append(objects, configMap(agentNameMap, map[string]any{agentNameKey: s.cluster}), configMap(hubMap, hubData(s)))
	if s.joinToken != "" {
		objects = append(objects, dataObject("Secret", joinTokenSecret, "stringData", map[string]any{joinTokenEntry: s.joinToken}))
	}
	var kept []*unstructured.Unstructured
	for _, object := range objects {
		labels := object.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[managedByLabel] = FieldManager
		object.SetLabels(labels)
		keep, err := s.adapt(object)
		if err != nil {
			return nil, fmt.Errorf("adapt the %s: %w", describe(object), err)
		}
		if keep {
			kept = append(kept, object)
		}
	}
	slices.SortStableFunc(kept, func(a, b *unstructured.Unstructured) int { return order(a) - order(b) })
	return kept, nil
}

// order puts the namespace first, and the Deployment last, since its pod needs the others.
func order(object *unstructured.Unstructured) int {
	switch object.GetKind() {
	case "Namespace":
		return 0
	case "Deployment":
		return 2
	}
	return 1
}

// decodeManifests decodes YAML documents.
func decodeManifests(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("decode the manifests of the agent: %w", err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

func configMap(name string, data map[string]any) *unstructured.Unstructured {
	return dataObject("ConfigMap", name, "data", data)
}

// dataObject returns a ConfigMap or Secret with content in a field.
func dataObject(kind, name, field string, content map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": kind, field: content,
		"metadata": map[string]any{"name": name, "namespace": Namespace, "labels": map[string]any{"app.kubernetes.io/part-of": "rollcall"}},
	}}
}

func hubData(s agentSettings) map[string]any {
	data := map[string]any{publicKeyFile: s.signingKeys}
	if s.ca != "" {
		data[caFile] = s.ca
	}
	return data
}

// adapt changes an object of the manifests for the settings. It returns false for an object that is not needed.
func (s agentSettings) adapt(object *unstructured.Unstructured) (bool, error) {
	switch object.GetKind() {
	case "Service":
		if s.expose == "" {
			return false, nil
		}
		return true, convert(object, func(service *corev1.Service) { setServiceType(service, s.expose) })
	case "NetworkPolicy":
		if s.hub == "" {
			return true, nil
		}
		// The agent dials, so nobody has to reach it.
		return true, convert(object, func(policy *networkingv1.NetworkPolicy) { policy.Spec.Ingress = nil })
	case "Deployment":
		return true, convert(object, s.adaptDeployment)
	}
	return true, nil
}

func setServiceType(service *corev1.Service, kind corev1.ServiceType) {
	service.Spec.Type = kind
	if kind != corev1.ServiceTypeNodePort {
		for i := range service.Spec.Ports {
			service.Spec.Ports[i].NodePort = 0
		}
	}
}

// convert changes an object as a value of its Go type.
func convert[T any](object *unstructured.Unstructured, change func(*T)) error {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return err
	}
	change(typed)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		return err
	}
	delete(content, "status")
	object.Object = content
	return nil
}

// adaptDeployment sets the image, the flags and the volume with the keys of the hub.
func (s agentSettings) adaptDeployment(deployment *appsv1.Deployment) {
	pod := &deployment.Spec.Template.Spec
	container := &pod.Containers[0]
	if s.registry != "" {
		container.Image = strings.TrimSuffix(s.registry, "/") + "/" + path.Base(container.Image)
	}
	if s.pullSecret != "" {
		pod.ImagePullSecrets = []corev1.LocalObjectReference{{Name: s.pullSecret}}
	}
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == publicKeyVolume {
			pod.Volumes[i].ConfigMap.Name = hubMap
		}
	}
	switch {
	case s.joinToken != "":
		container.Args = append(container.Args, "--join-token-file="+joinTokenMount+"/"+joinTokenEntry)
		mountJoinToken(pod)
	case s.hub != "":
		s.addHubFlags(container)
	default:
		return
	}
	if s.proxy != "" {
		container.Args = append(container.Args, "--hub-proxy="+s.proxy)
	}
	if s.serviceAccountAudience != "" {
		container.Args = append(container.Args, "--service-account-token-file="+accountTokenMount+"/"+accountTokenFile)
		mountAccountToken(pod, s.serviceAccountAudience)
	}
}

// addHubFlags adds the flags by which the agent finds and verifies the masters. A join token has the same.
func (s agentSettings) addHubFlags(container *corev1.Container) {
	container.Args = append(container.Args, "--hub="+s.hub)
	if s.ca != "" {
		container.Args = append(container.Args, "--hub-ca-file="+publicKeyMount+"/"+caFile)
	}
	if s.serverName != "" {
		container.Args = append(container.Args, "--hub-server-name="+s.serverName)
	}
}

// mountJoinToken mounts the Secret with the join token.
func mountJoinToken(pod *corev1.PodSpec) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: joinTokenVolume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: joinTokenSecret}}})
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: joinTokenVolume, MountPath: joinTokenMount, ReadOnly: true})
}

// mountAccountToken mounts a token of the pod's service account for an audience, which the kubelet renews.
func mountAccountToken(pod *corev1.PodSpec, audience string) {
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: accountTokenVolume, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
			ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: audience, ExpirationSeconds: new(int64(accountTokenSeconds)), Path: accountTokenFile},
		}}},
	}})
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: accountTokenVolume, MountPath: accountTokenMount, ReadOnly: true})
}
