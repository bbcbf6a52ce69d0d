package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterStatus is the last summary of one member cluster, small and slow, for
// kubectl and for those who watch the hub. It has the name of its ClusterAgent,
// which owns it, and is written by the master alone. How old it is, OBSERVED says.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=clst,categories=rollcall
// +kubebuilder:printcolumn:name=Nodes,type=string,JSONPath=`.status.display.nodes`,description="Ready of all nodes."
// +kubebuilder:printcolumn:name=Containers,type=string,JSONPath=`.status.display.containers`,description="Ready of all main and sidecar containers of unfinished pods."
// +kubebuilder:printcolumn:name=CPU-Req,type=string,JSONPath=`.status.display.cpuRequested`,description="Requested of allocatable CPU."
// +kubebuilder:printcolumn:name=Mem-Req,type=string,JSONPath=`.status.display.memoryRequested`,description="Requested of allocatable memory."
// +kubebuilder:printcolumn:name=CPU,type=string,JSONPath=`.status.display.cpuUsed`,description="Used of allocatable CPU; empty where usage is not known."
// +kubebuilder:printcolumn:name=Mem,type=string,JSONPath=`.status.display.memoryUsed`,description="Used of allocatable memory; empty where usage is not known."
// +kubebuilder:printcolumn:name=Healthy,type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name=Observed,type=date,JSONPath=`.status.observedAt`,description="How old all of this is."
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterStatus struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Status ClusterStatusStatus `json:"status,omitzero"`
}

// ClusterStatusStatus is what the master last heard of a cluster.
type ClusterStatusStatus struct {
	// ObservedAt is when the agent made the summary.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`

	// KubernetesVersion is the member API server's.
	//
	// +kubebuilder:validation:MaxLength=64
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// Summary is absent until the agent has answered once.
	Summary *Summary `json:"summary,omitempty"`

	// Display is the summary as columns show it.
	Display Display `json:"display,omitzero"`

	// Conditions are Healthy.
	//
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('1970-01-01T00:00:00Z'))",message="lastTransitionTime must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Display is a summary as the columns of tables show it, because a column is one
// JSONPath and cannot count. A column is empty where nothing is known.
type Display struct {
	// Nodes is ready/total.
	//
	// +kubebuilder:validation:MaxLength=32
	Nodes string `json:"nodes,omitempty"`

	// Containers is ready/desired.
	//
	// +kubebuilder:validation:MaxLength=32
	Containers string `json:"containers,omitempty"`

	// CPURequested is a share of what is allocatable, as are those that follow: in
	// whole per cent, rounded down.
	//
	// +kubebuilder:validation:MaxLength=32
	CPURequested string `json:"cpuRequested,omitempty"`

	// +kubebuilder:validation:MaxLength=32
	MemoryRequested string `json:"memoryRequested,omitempty"`

	// +kubebuilder:validation:MaxLength=32
	CPUUsed string `json:"cpuUsed,omitempty"`

	// +kubebuilder:validation:MaxLength=32
	MemoryUsed string `json:"memoryUsed,omitempty"`
}

// ClusterStatusList is a list of ClusterStatuses.
//
// +kubebuilder:object:root=true
type ClusterStatusList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ClusterStatus `json:"items"`
}
