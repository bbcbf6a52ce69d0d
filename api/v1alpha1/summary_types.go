package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Summary is a cluster in a few numbers. Its JSON is the HTTP API's. Amounts are in
// base units: millicores, bytes, pieces.
type Summary struct {
	Nodes      NodeCounts      `json:"nodes"`
	Pods       PodCounts       `json:"pods"`
	Containers ContainerCounts `json:"containers"`

	// Capacity, Allocatable, Requested and Limits are sums over all nodes.
	Capacity    Resources `json:"capacity"`
	Allocatable Resources `json:"allocatable"`
	Requested   Resources `json:"requested"`
	Limits      Resources `json:"limits"`

	// Used is absent while no node's usage is known.
	Used *Used `json:"used,omitempty"`

	// Fragmentation is the largest free amount of each resource on any one
	// schedulable, ready node: a sum over nodes hides that nothing fits.
	Fragmentation Room `json:"fragmentation"`

	Ports PortCounts `json:"ports"`

	// Healthy is false with a node that is not ready, a container that has been
	// waiting, or a pod that has been unschedulable for more than five minutes.
	Healthy bool `json:"healthy"`

	// Problems are the worst of ProblemCount, worst first.
	//
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Problems []Problem `json:"problems,omitempty"`

	ProblemCount int64 `json:"problemCount"`
}

// NodeCounts counts nodes.
type NodeCounts struct {
	Total       int64 `json:"total"`
	Ready       int64 `json:"ready"`
	Schedulable int64 `json:"schedulable"`
}

// PodCounts counts pods by phase; terminating ones count under their phase too.
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
	// Desired are the main and sidecar containers of unfinished pods; Ready are those
	// of them that are ready.
	Desired int64 `json:"desired"`
	Ready   int64 `json:"ready"`
}

// Resources are amounts of what nodes have, or pods take.
type Resources struct {
	CPUMillis             int64 `json:"cpuMillis"`
	MemoryBytes           int64 `json:"memoryBytes"`
	EphemeralStorageBytes int64 `json:"ephemeralStorageBytes"`
	// Pods is room for pods; absent from what pods take.
	Pods int64 `json:"pods,omitempty"`
	// Extended are all other resources by name (nvidia.com/gpu, hugepages-2Mi).
	//
	// +kubebuilder:validation:MaxProperties=64
	Extended map[string]int64 `json:"extended,omitempty"`
}

// Used is what all nodes with a sample use together.
type Used struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
	// SampledAt is the oldest sample's time.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	SampledAt *metav1.Time `json:"sampledAt,omitempty"`
	// Nodes is how many nodes the sum covers.
	Nodes int64 `json:"nodes"`
}

// Room is free CPU and memory.
type Room struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
}

// PortCounts counts the rows of the port map.
type PortCounts struct {
	Taken int64 `json:"taken"`
	// Conflicts are the rows that conflict with another.
	Conflicts int64 `json:"conflicts"`
}

// Problem is one thing that a person should know of.
type Problem struct {
	// Kind is the kind of object: Node, Pod, Container or Port.
	//
	// +kubebuilder:validation:MaxLength=32
	Kind string `json:"kind"`
	// What is wrong, as Kubernetes says it: NotReady, CrashLoopBackOff, Unschedulable.
	//
	// +kubebuilder:validation:MaxLength=256
	What string `json:"what"`
	// Where it is: node, namespace/pod, namespace/pod/container, node:port/protocol.
	//
	// +kubebuilder:validation:MaxLength=512
	Where string `json:"where"`
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Since *metav1.Time `json:"since,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}
