package facts

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// Inputs have only the fields of a Kubernetes object that facts need. A caller that passes an input to a Tracker must
// not modify it afterwards, because facts share its strings and slices.

// NodeInput has the fields of a Node.
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
	// CapacityZeros and AllocatableZeros are the amounts that are explicitly set to zero.
	CapacityZeros    state.Zeros
	AllocatableZeros state.Zeros
	// KubeletPort is status.daemonEndpoints.kubeletEndpoint, or 0 if there is none.
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

// Condition is one condition of a node or pod. The zero value is a missing condition.
type Condition struct {
	Type    string
	Status  state.Tristate
	Reason  string
	Message string
	// Since is lastTransitionTime.
	Since state.Time
}

// PodInput has the fields of a Pod.
type PodInput struct {
	Namespace string
	Name      string
	UID       state.UID
	// Node is spec.nodeName. It is empty until the pod is bound.
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
	Priority      int32
	// ServiceAccount is spec.serviceAccountName.
	ServiceAccount string
	SchedulerName  string
	Reason         string
	Message        string
	PodIPs         []string
	HostIP         string
	// Controller is the owner with controller=true. The zero value means none.
	Controller state.Owner
	// TemplateHash is the label pod-template-hash. RolloutHash is the label rollouts-pod-template-hash.
	TemplateHash string
	RolloutHash  string
	Labels       LabelSet
	// Mute is the annotation rollcall.dev/mute.
	Mute string
	// Requested and Limits are the results of PodResources.
	Requested state.Resources
	Limits    state.Resources
	// Scheduled, Initialized, ContainersReady and Ready are the pod's conditions of these types.
	Scheduled       Condition
	Initialized     Condition
	ContainersReady Condition
	Ready           Condition
	Mounts          []Mount
	Containers      []ContainerInput
	// InitStatuses and Statuses are the statuses of init containers and main containers in the order of the API, including
	// those of containers that are not in the spec.
	InitStatuses []*ContainerStatus
	Statuses     []*ContainerStatus
}

// Mount is a mount of a PersistentVolumeClaim in a container of a pod.
type Mount struct {
	// Volume is the name of the pod's volume.
	Volume string
	Claim  string
	// Path is empty if no container mounts the claim.
	Path string
	// Ephemeral reports that the volume is a generic ephemeral one.
	Ephemeral bool
}

// ContainerInput has the fields of a container of any kind, with its status.
type ContainerInput struct {
	Name     string
	Kind     state.ContainerKind
	Image    string
	Requests state.Resources
	Limits   state.Resources
	// RequestZeros and LimitZeros are the requests and limits that the spec explicitly sets to zero.
	RequestZeros state.Zeros
	LimitZeros   state.Zeros
	Ports        []ContainerPort
	// RestartPolicy is the container's own policy, or RestartPolicyNone if it has none.
	RestartPolicy state.RestartPolicy
	// Status is nil until the kubelet reports a status of the container.
	Status *ContainerStatus
}

// ContainerPort is a port that a container declares.
type ContainerPort struct {
	Protocol state.Protocol
	Port     uint16
	// HostPort is 0 if none is requested.
	HostPort uint16
	HostIP   string
}

// ContainerStatus is the status of a container that the kubelet reports.
type ContainerStatus struct {
	Name    string
	Image   string
	ImageID string
	State   state.ContainerState
	Ready   bool
	// Started reports whether the startup probe has succeeded or there is none.
	Started  bool
	ExitCode int32
	// Signal is the signal that terminated the container, if the runtime reports it.
	Signal     int32
	Restarts   int32
	Reason     string
	Message    string
	StartedAt  state.Time
	FinishedAt state.Time
	Last       *state.LastTermination
	// LastStartedAt is when the run described by Last started.
	LastStartedAt state.Time
	// Resources are the actual resources, which differ from the spec during an in-place resize. It is nil if the
	// kubelet does not report them.
	Resources *ContainerResources
}

// ContainerResources holds the requests and limits of a container.
type ContainerResources struct {
	Requests state.Resources
	Limits   state.Resources
}

// ServiceInput has the fields of a Service.
type ServiceInput struct {
	Namespace string
	Name      string
	UID       state.UID
	CreatedAt state.Time
	Type      corev1.ServiceType
	// Selector is empty if the Service has none.
	Selector       LabelSet
	ClusterIP      string
	ExternalName   string
	LoadBalancerIP string
	// Headless reports whether clusterIP is None.
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
	// NodePort is 0 if none is allocated.
	NodePort uint16
}

// SliceInput has the fields of an EndpointSlice. A Tracker keeps all slices, because any Service may later get a row
// in the port map.
type SliceInput struct {
	Namespace string
	Name      string
	// Service is the label kubernetes.io/service-name, or empty if it is missing.
	Service   string
	Ports     []SlicePort
	Endpoints []Endpoint
}

// SlicePort is a port of an EndpointSlice.
type SlicePort struct {
	Name     string
	Protocol state.Protocol
	// Port is 0 if the slice has no port number.
	Port uint16
}

// Endpoint is one address of an endpoint of an EndpointSlice.
type Endpoint struct {
	Address string
	// Pod is the name in targetRef if that is a pod in the slice's namespace.
	Pod         string
	Node        string
	Ready       bool
	Serving     bool
	Terminating bool
}

// ClaimInput has the fields of a PersistentVolumeClaim.
type ClaimInput struct {
	Namespace      string
	Name           string
	Phase          state.ClaimPhase
	StorageClass   string
	VolumeMode     string
	Volume         string
	RequestedBytes int64
	// CapacityBytes is status.capacity, or 0 until the claim is bound.
	CapacityBytes int64
	CreatedAt     state.Time
}

// VolumeInput has the fields of a PersistentVolume.
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
