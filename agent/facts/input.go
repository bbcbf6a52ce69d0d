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
	// CapacityZeros and AllocatableZeros tell which amounts are set to zero.
	CapacityZeros    state.Zeros
	AllocatableZeros state.Zeros
	// KubeletPort is status.daemonEndpoints.kubeletEndpoint; 0 where there is none.
	KubeletPort uint16
	ProviderID  string
	PodCIDR     string
	// Mute is the annotation rollcall.dev/mute.
	Mute string

	KubeletVersion   string
	KubeProxyVersion string
	SystemUUID       string
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
	UID       state.UID
	// Node is spec.nodeName: empty until the pod is bound.
	Node          string
	CreatedAt     state.Time
	StartedAt     state.Time
	Terminating   bool
	DeletionAt    state.Time
	HostNetwork   bool
	Phase         state.PodPhase
	QOSClass      state.QOSClass
	RestartPolicy state.RestartPolicy
	PriorityClass string
	SchedulerName string
	Reason        string
	Message       string
	PodIPs        []string
	HostIP        string
	// Controller is the owner with controller: true; its zero value: none.
	Controller state.Owner
	// TemplateHash is the label pod-template-hash, RolloutHash the label
	// rollouts-pod-template-hash.
	TemplateHash string
	RolloutHash  string
	// Labels are the pod's labels: see LabelSet.
	Labels LabelSet
	// Mute is the annotation rollcall.dev/mute.
	Mute string
	// Requested and Limits are those of the whole pod: see PodResources.
	Requested state.Resources
	Limits    state.Resources
	// Scheduled, Initialized, ContainersReady and Ready are the pod's conditions of
	// those names; a condition without a type is missing.
	Scheduled       Condition
	Initialized     Condition
	ContainersReady Condition
	Ready           Condition
	Mounts          []Mount
	Containers      []ContainerInput
	// InitStatuses and Statuses are the statuses of init containers and of main
	// containers in the API's order, also those of containers that the spec has not.
	InitStatuses []*ContainerStatus
	Statuses     []*ContainerStatus
}

// Mount is where a container of a pod has a PersistentVolumeClaim.
type Mount struct {
	// Volume is the name of the pod's volume.
	Volume string
	Claim  string
	// Path is empty where no container mounts the claim.
	Path string
	// Ephemeral reports that the volume is a generic ephemeral one.
	Ephemeral bool
}

// ContainerInput is a container of a pod, of any kind, with its status.
type ContainerInput struct {
	Name     string
	Kind     state.ContainerKind
	Image    string
	Requests state.Resources
	Limits   state.Resources
	// RequestZeros and LimitZeros tell which requests and limits the spec sets to zero.
	RequestZeros state.Zeros
	LimitZeros   state.Zeros
	Ports        []ContainerPort
	// RestartPolicy is the container's own; RestartPolicyNone where it has none.
	RestartPolicy state.RestartPolicy
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
	Name    string
	Image   string
	ImageID string
	State   state.ContainerState
	Ready   bool
	// Started reports that the startup probe has succeeded, or that there is none.
	Started  bool
	ExitCode int32
	// Signal is the signal that ended the container, where the runtime says so.
	Signal     int32
	Restarts   int32
	Reason     string
	Message    string
	StartedAt  state.Time
	FinishedAt state.Time
	Last       *state.LastTermination
	// LastStartedAt is when the run that Last is about began.
	LastStartedAt state.Time
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
	UID       state.UID
	CreatedAt state.Time
	Type      corev1.ServiceType
	// Selector is empty where the Service has none.
	Selector       LabelSet
	ClusterIP      string
	ExternalName   string
	LoadBalancerIP string
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
	Namespace      string
	Name           string
	Phase          state.ClaimPhase
	StorageClass   string
	VolumeMode     string
	Volume         string
	RequestedBytes int64
	// CapacityBytes is status.capacity; 0 until the claim is bound.
	CapacityBytes int64
	CreatedAt     state.Time
}

// VolumeInput is a PersistentVolume.
type VolumeInput struct {
	Name           string
	Phase          state.VolumePhase
	Reason         string
	Message        string
	StorageClass   string
	ClaimNamespace string
	Claim          string
	CapacityBytes  int64
	CreatedAt      state.Time
	// PhaseSince is status.lastPhaseTransitionTime.
	PhaseSince state.Time
}
