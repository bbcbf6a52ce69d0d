package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Summary has the counts, sums and problems of a cluster. Its JSON is that of the HTTP API.
// Amounts are in base units: millicores, bytes, counts.
type Summary struct {
	Nodes      NodeCounts      `json:"nodes"`
	Pods       PodCounts       `json:"pods"`
	Containers ContainerCounts `json:"containers"`

	// Capacity, Allocatable, Requested and Limits are sums over all nodes.
	Capacity    Resources `json:"capacity"`
	Allocatable Resources `json:"allocatable"`
	Requested   Resources `json:"requested"`
	Limits      Resources `json:"limits"`

	// Used is absent if no node has a usage sample.
	Used *UsedSum `json:"used,omitempty"`

	// Fragmentation has the largest free amount of each resource on any ready and schedulable
	// node. A sum over nodes would hide that nothing fits.
	Fragmentation FreeResources `json:"fragmentation"`

	Ports PortCounts `json:"ports"`

	// Healthy is false if a critical problem that is not muted is older than its threshold.
	Healthy bool `json:"healthy"`

	// Problems has the most severe problems, the most severe first; muted ones are last.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Problems []Problem `json:"problems,omitempty"`

	// ProblemCount counts the critical problems and warnings that are not muted, whether listed or
	// not. ProblemCounts counts all by severity.
	ProblemCount int64 `json:"problemCount"`
	// +optional
	ProblemCounts ProblemCounts `json:"problemCounts,omitzero"`
	// More counts the problems that are not listed.
	//
	// +optional
	More ProblemCounts `json:"more,omitzero"`
	// Muted counts the muted problems.
	//
	// +optional
	Muted int64 `json:"muted,omitempty"`
}

// ProblemCounts counts problems by severity.
type ProblemCounts struct {
	Critical int64 `json:"critical"`
	Warning  int64 `json:"warning"`
	Info     int64 `json:"info"`
}

// NodeCounts counts nodes.
type NodeCounts struct {
	Total       int64 `json:"total"`
	Ready       int64 `json:"ready"`
	Schedulable int64 `json:"schedulable"`
}

// PodCounts counts pods by phase. Terminating pods are counted under their phase too.
type PodCounts struct {
	Total       int64 `json:"total"`
	Pending     int64 `json:"pending"`
	Running     int64 `json:"running"`
	Succeeded   int64 `json:"succeeded"`
	Failed      int64 `json:"failed"`
	Unknown     int64 `json:"unknown"`
	Terminating int64 `json:"terminating"`
}

// ContainerCounts counts containers of all kinds by state.
type ContainerCounts struct {
	Total      int64 `json:"total"`
	Running    int64 `json:"running"`
	Waiting    int64 `json:"waiting"`
	Terminated int64 `json:"terminated"`
	Unknown    int64 `json:"unknown"`
	Restarts   int64 `json:"restarts"`
	// Desired counts the main and sidecar containers of unfinished pods; Ready counts the ready
	// ones among them.
	Desired int64 `json:"desired"`
	Ready   int64 `json:"ready"`
}

// Resources has amounts that nodes have or pods take.
type Resources struct {
	CPUMillis             int64 `json:"cpuMillis"`
	MemoryBytes           int64 `json:"memoryBytes"`
	EphemeralStorageBytes int64 `json:"ephemeralStorageBytes"`
	// Pods is the pod capacity; absent from amounts that pods take.
	Pods int64 `json:"pods,omitempty"`
	// Extended has all other resources by name (nvidia.com/gpu, hugepages-2Mi).
	//
	// +kubebuilder:validation:MaxProperties=64
	Extended map[string]int64 `json:"extended,omitempty"`
}

// UsedSum is the sum of the usage of all nodes that have a sample.
type UsedSum struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
	// SampledAt is the time of the oldest sample.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	SampledAt *metav1.Time `json:"sampledAt,omitempty"`
	// Nodes is the number of nodes in the sum.
	Nodes int64 `json:"nodes"`
}

// FreeResources is an amount of free CPU and memory.
type FreeResources struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
}

// PortCounts counts the rows of the port map.
type PortCounts struct {
	Taken int64 `json:"taken"`
	// Conflicts counts the rows that conflict with another row.
	Conflicts int64 `json:"conflicts"`
}

// Problem describes one problem. Objects with the same cause are one Problem.
type Problem struct {
	// Severity is critical, warning or info.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Severity string `json:"severity,omitempty"`
	// Kind is the kind of object: Node, Pod, Container, Port, Service,
	// PersistentVolumeClaim, PersistentVolume or Cluster.
	//
	// +kubebuilder:validation:MaxLength=32
	Kind string `json:"kind"`
	// What is the name of the problem, as Kubernetes uses it: NotReady, CrashLoopBackOff, Unschedulable.
	//
	// +kubebuilder:validation:MaxLength=256
	What string `json:"what"`
	// Where is the object that has been affected longest: node, namespace/pod,
	// namespace/pod/container, namespace/name, node:port/protocol.
	//
	// +kubebuilder:validation:MaxLength=512
	Where string `json:"where"`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Since *metav1.Time `json:"since,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// Owner is the workload of a pod or container.
	//
	// +optional
	Owner *ProblemOwner `json:"owner,omitempty"`
	// Count is the number of affected objects.
	//
	// +optional
	Count int64 `json:"count,omitempty"`
	// Others names up to three of them besides Where.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:items:MaxLength=512
	Others []string `json:"others,omitempty"`
	// Muted is the reason why the problem does not count.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Muted string `json:"muted,omitempty"`
}

// ProblemOwner is a workload: a Deployment and not its ReplicaSet.
type ProblemOwner struct {
	// +kubebuilder:validation:MaxLength=256
	Kind string `json:"kind"`
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`
}
