package facts

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// Inputs hold what the facts need of a Kubernetes object and nothing else. They
// belong to whoever made them until they are handed to a Tracker, and to the facts
// from then on: strings and slices are shared, not copied, and the elements of a
// list are taken out of it.

// NodeInput is a Node.
type NodeInput struct {
	Name          string
	Labels        map[string]string
	CreatedAt     state.Time
	Unschedulable bool
	Taints        []state.Taint
	Conditions    []Condition
	Addresses     []state.NodeAddress
	Capacity      state.Resources
	Allocatable   state.Resources
	// KubeletPort is status.daemonEndpoints.kubeletEndpoint; 0 where there is none.
	KubeletPort uint16

	KubeletVersion   string
	KernelVersion    string
	OSImage          string
	Architecture     string
	ContainerRuntime string
}

// Condition is one condition of a node or pod. Its zero value is none at all.
type Condition struct {
	Type    string
	Status  state.Tristate
	Reason  string
	Message string
	// Since is lastTransitionTime.
	Since state.Time
}

// PodInput is a Pod.
type PodInput struct {
	Namespace string
	Name      string
	// Node is spec.nodeName: empty until the pod is bound.
	Node        string
	CreatedAt   state.Time
	Terminating bool
	HostNetwork bool
	// Ready is the pod's Ready condition.
	Ready    bool
	Phase    state.PodPhase
	QOSClass state.QOSClass
	Reason   string
	Message  string
	PodIPs   []string
	// Controller is the owner with controller: true; its zero value: none.
	Controller state.Owner
	// TemplateHash is the label pod-template-hash.
	TemplateHash string
	// Requested and Limits are those of the whole pod: see PodResources.
	Requested state.Resources
	Limits    state.Resources
	// Scheduled and ContainersReady are the pod's conditions of those names.
	Scheduled       Condition
	ContainersReady Condition
	Mounts          []Mount
	Containers      []ContainerInput
}

// Mount is where a container of a pod has a PersistentVolumeClaim.
type Mount struct {
	Claim string
	// Path is empty where no container mounts the claim.
	Path string
}

// ContainerInput is a container of a pod, of any kind, with its status.
type ContainerInput struct {
	Name     string
	Kind     state.ContainerKind
	Image    string
	Requests state.Resources
	Limits   state.Resources
	Ports    []ContainerPort
	// Status is nil until the kubelet has said something of the container.
	Status *ContainerStatus
}

// ContainerPort is a port that a container declares.
type ContainerPort struct {
	Protocol state.Protocol
	Port     uint16
	// HostPort is 0 where none is asked for.
	HostPort uint16
	HostIP   string
}

// ContainerStatus is what the kubelet says of a container.
type ContainerStatus struct {
	ImageID    string
	State      state.ContainerState
	Ready      bool
	ExitCode   int32
	Restarts   int32
	Reason     string
	Message    string
	StartedAt  state.Time
	FinishedAt state.Time
	Last       *state.LastTermination
	// Resources are the ones in force, which an in-place resize may have made
	// differ from the spec; nil where the kubelet does not say.
	Resources *ContainerResources
}

// ContainerResources are what a container asks for and may have at most.
type ContainerResources struct {
	Requests state.Resources
	Limits   state.Resources
}

// ServiceInput is a Service.
type ServiceInput struct {
	Namespace string
	Name      string
	Type      corev1.ServiceType
	// Headless says that clusterIP is None.
	Headless              bool
	Ports                 []ServicePort
	ExternalIPs           []string
	Ingress               []string
	ExternalTrafficPolicy state.TrafficPolicy
	HealthCheckNodePort   uint16
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Name     string
	Protocol state.Protocol
	Port     uint16
	// NodePort is 0 where none is allocated.
	NodePort uint16
}

// SliceInput is an EndpointSlice. Every slice is kept for as long as it exists,
// because any Service may become reachable from outside.
type SliceInput struct {
	Namespace string
	Name      string
	// Service is the label kubernetes.io/service-name; empty where it is missing.
	Service   string
	Ports     []SlicePort
	Endpoints []Endpoint
}

// SlicePort is a port of an EndpointSlice.
type SlicePort struct {
	Name     string
	Protocol state.Protocol
	// Port is 0 where the slice gives no number.
	Port uint16
}

// Endpoint is one address of an endpoint of an EndpointSlice.
type Endpoint struct {
	Address string
	// Pod is the targetRef's name where that is a pod of the slice's namespace.
	Pod         string
	Node        string
	Ready       bool
	Serving     bool
	Terminating bool
}

// ClaimInput is a PersistentVolumeClaim.
type ClaimInput struct {
	Namespace string
	Name      string
	// CapacityBytes is status.capacity; 0 until the claim is bound.
	CapacityBytes int64
}
