package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterStatus has the last summary of one member cluster, updated at a low rate, for kubectl and
// other clients that watch the hub. It has the name of its ClusterAgent, which owns it, and only the
// master writes it. The column OBSERVED shows its age.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=clst,categories=rollcall
// +kubebuilder:printcolumn:name=Nodes,type=string,JSONPath=`.status.display.nodes`,description="Ready and total nodes."
// +kubebuilder:printcolumn:name=Containers,type=string,JSONPath=`.status.display.containers`,description="Ready and desired main and sidecar containers of unfinished pods."
// +kubebuilder:printcolumn:name=CPU-Req,type=string,JSONPath=`.status.display.cpuRequested`,description="Requested share of allocatable CPU."
// +kubebuilder:printcolumn:name=Mem-Req,type=string,JSONPath=`.status.display.memoryRequested`,description="Requested share of allocatable memory."
// +kubebuilder:printcolumn:name=CPU,type=string,JSONPath=`.status.display.cpuUsed`,description="Used share of allocatable CPU; empty if usage is unknown."
// +kubebuilder:printcolumn:name=Mem,type=string,JSONPath=`.status.display.memoryUsed`,description="Used share of allocatable memory; empty if usage is unknown."
// +kubebuilder:printcolumn:name=Healthy,type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name=Observed,type=date,JSONPath=`.status.observedAt`,description="Age of the summary."
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterStatus struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Status ClusterStatusStatus `json:"status,omitzero"`
}

// ClusterStatusStatus is the observed state of a cluster.
type ClusterStatusStatus struct {
	// ObservedAt is when the agent created the summary.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`

	// KubernetesVersion is the version of the member's API server.
	//
	// +kubebuilder:validation:MaxLength=64
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// Summary is absent until the agent has answered once.
	Summary *Summary `json:"summary,omitempty"`

	// Display has the summary's values as table columns.
	Display Display `json:"display,omitzero"`

	// Conditions has the condition Healthy.
	//
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('1970-01-01T00:00:00Z'))",message="lastTransitionTime must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Display has a summary's values as table columns, since a printer column is a JSONPath and cannot
// compute. A column is empty if its value is unknown.
type Display struct {
	// Nodes is ready/total.
	//
	// +kubebuilder:validation:MaxLength=32
	Nodes string `json:"nodes,omitempty"`

	// Containers is ready/desired.
	//
	// +kubebuilder:validation:MaxLength=32
	Containers string `json:"containers,omitempty"`

	// CPURequested and the following columns are percentages of the allocatable amount, rounded down.
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
