package state

// Object is one of *Node, *NodeLoad, *Pod, *Container, *Port, *Target, *Service,
// *Claim and *PersistentVolume.
type Object interface{ Key() Key }

// Node describes a node, without the resources that its pods take.
type Node struct {
	Name        string   `json:"name"`
	Ready       Tristate `json:"ready"`
	Schedulable bool     `json:"schedulable"`
	// Conditions has all of status.conditions, sorted by type.
	Conditions []NodeCondition `json:"conditions,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	// Addresses is in the order of status.addresses: the first of a type is the one that `kubectl
	// get nodes -o wide` prints.
	Addresses        []NodeAddress `json:"addresses,omitempty"`
	Zone             string        `json:"zone,omitempty"`
	Region           string        `json:"region,omitempty"`
	InstanceType     string        `json:"instanceType,omitempty"`
	Taints           []Taint       `json:"taints,omitempty"`
	KubeletVersion   string        `json:"kubeletVersion,omitempty"`
	KubeProxyVersion string        `json:"kubeProxyVersion,omitempty"`
	KernelVersion    string        `json:"kernelVersion,omitempty"`
	OSImage          string        `json:"osImage,omitempty"`
	Architecture     string        `json:"architecture,omitempty"`
	ContainerRuntime string        `json:"containerRuntime,omitempty"`
	SystemUUID       string        `json:"systemUUID,omitempty"`
	ProviderID       string        `json:"providerID,omitempty"`
	PodCIDR          string        `json:"podCIDR,omitempty"`
	CreatedAt        Time          `json:"createdAt,omitzero"`
	Capacity         Resources     `json:"capacity"`
	Allocatable      Resources     `json:"allocatable"`
	// CapacityZeros and AllocatableZeros are the amounts that are set to zero explicitly.
	CapacityZeros    Zeros `json:"-"`
	AllocatableZeros Zeros `json:"-"`
	// NotReadySince is since when Ready has not been True. It does not change when the condition
	// goes from False to Unknown. Zero: Ready is True.
	NotReadySince Time `json:"notReadySince,omitzero"`
	// FlappingSince is the first of the recent changes of Ready if the agent saw at least three
	// within 15 minutes. It is valid until FlappingUntil, when the third-last change is 15 minutes
	// old.
	FlappingSince Time `json:"flappingSince,omitzero"`
	FlappingUntil Time `json:"-"`
	// Mute is the value of the annotation rollcall.dev/mute.
	Mute string `json:"mute,omitempty"`
}

// NodeCondition is one of a node's status.conditions.
type NodeCondition struct {
	Type   string   `json:"type"`
	Status Tristate `json:"status"`
	Reason string   `json:"reason,omitempty"`
	// Message is cut to 256 bytes, and empty for a condition that is good.
	Message string `json:"message,omitempty"`
	// Since is the condition's last transition.
	Since Time `json:"since,omitzero"`
}

// NodeAddress is one of status.addresses. Type is Kubernetes' own (InternalIP, Hostname, …).
type NodeAddress struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

// Taint is one of spec.taints.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// NodeLoad has the resources that the unfinished pods bound to a node take, computed as the
// scheduler does.
type NodeLoad struct {
	Node      string    `json:"-"`
	Requested Resources `json:"requested"`
	Limits    Resources `json:"limits"`
	// Pods is the number of unfinished pods bound to the node.
	Pods int64 `json:"pods"`
}

// Pod describes a pod.
type Pod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       UID    `json:"uid,omitzero"`
	Node      string `json:"node,omitempty"`
	// Status, Ready, Restarts and LastRestartAt are what `kubectl get pods` prints in the columns
	// STATUS, READY and RESTARTS.
	Status        string   `json:"status"`
	Ready         Fraction `json:"ready"`
	Restarts      int32    `json:"restarts"`
	LastRestartAt Time     `json:"lastRestartAt,omitzero"`
	Phase         PodPhase `json:"phase"`
	// Reason is status.reason (Evicted, NodeLost, …), else why the pod is not scheduled, else why
	// it is not ready although its containers are.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// PodIPs is in the order of status.podIPs: the first is status.podIP.
	PodIPs        []string      `json:"podIPs,omitempty"`
	HostIP        string        `json:"hostIP,omitempty"`
	HostNetwork   bool          `json:"hostNetwork,omitempty"`
	QOSClass      QOSClass      `json:"qosClass,omitempty"`
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty"`
	PriorityClass string        `json:"priorityClass,omitempty"`
	// ServiceAccount is spec.serviceAccountName: the identity of the pod's programs at the API server.
	ServiceAccount string `json:"serviceAccount,omitempty"`
	Terminating    bool   `json:"terminating,omitempty"`
	CreatedAt      Time   `json:"createdAt,omitzero"`
	StartedAt      Time   `json:"startedAt,omitzero"`
	// FinishedAt is when the last container of a finished pod ended.
	FinishedAt Time `json:"finishedAt,omitzero"`
	// DeletionAt is metadata.deletionTimestamp: when the grace period of a terminating pod ends.
	DeletionAt Time  `json:"deletionAt,omitzero"`
	Owner      Owner `json:"owner"`
	// Controller is the owner reference with controller: true, as in the API (a ReplicaSet and not
	// its Deployment); zero: none.
	Controller Owner     `json:"controller,omitzero"`
	Requested  Resources `json:"requested"`
	Limits     Resources `json:"limits"`
	Storage    []Volume  `json:"storage,omitempty"`
	// ReadyCondition and ScheduledCondition are the statuses of the conditions Ready and
	// PodScheduled.
	ReadyCondition     ConditionStatus `json:"-"`
	ScheduledCondition ConditionStatus `json:"-"`
	// UnschedulableSince is since when no node was found for the pod, without the time during
	// which it had scheduling gates. It is zero if the pod has a node or gates.
	UnschedulableSince Time `json:"unschedulableSince,omitzero"`
	// NotReadySince is since when the pod does not work. It is zero if the pod works or has
	// finished. docs/FACTS.md defines when a pod works.
	NotReadySince Time `json:"notReadySince,omitzero"`
	// Mute is the value of the annotation rollcall.dev/mute.
	Mute string `json:"mute,omitempty"`
}

// Owner names the workload of a pod: a Deployment or Rollout and not its ReplicaSet, or the Pod
// itself if it has no controller.
type Owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Volume is a PersistentVolumeClaim that is mounted into a pod.
type Volume struct {
	// Name is the name of the pod's volume.
	Name  string `json:"name,omitempty"`
	Claim string `json:"claim"`
	// CapacityBytes is the claim's status.capacity; zero if it is not bound or unknown.
	CapacityBytes int64  `json:"capacityBytes,omitempty"`
	MountPath     string `json:"mountPath,omitempty"`
	// Ephemeral means that the claim is created and deleted with the pod (KEP-1698): the volume's
	// type is ephemeral and not persistentVolumeClaim.
	Ephemeral bool `json:"ephemeral,omitempty"`
}

// Container is one container of a pod, of any kind.
type Container struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Name      string `json:"name"`
	Node      string `json:"node,omitempty"`
	Image     string `json:"image"`
	ImageID   string `json:"imageID,omitempty"`
	// Small fields are adjacent to save memory, since there are very many containers.
	Kind  ContainerKind  `json:"kind"`
	State ContainerState `json:"state"`
	Ready bool           `json:"ready"`
	// RestartPolicy is the container's own; RestartPolicyNone if the pod's applies.
	RestartPolicy RestartPolicy `json:"-"`
	// NoStatus means that the kubelet has not reported a status of the container.
	NoStatus bool `json:"-"`
	// RequestZeros and LimitZeros are the requests and limits that are set to zero explicitly.
	RequestZeros Zeros `json:"-"`
	LimitZeros   Zeros `json:"-"`
	// ExitCode is valid only if State is Terminated; see ContainerView.
	ExitCode   int32  `json:"-"`
	Restarts   int32  `json:"restarts"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	StartedAt  Time   `json:"startedAt,omitzero"`
	FinishedAt Time   `json:"finishedAt,omitzero"`
	// NotReadySince is since when the container does not work: it waits, has ended though it
	// should run, or is not ready. It does not change when the container goes from one such state
	// to another. Zero: it works.
	NotReadySince Time `json:"notReadySince,omitzero"`
	// CrashLoopSince is the first known crash of the container's current or last crash loop; see
	// CrashLooping.
	CrashLoopSince Time             `json:"crashLoopSince,omitzero"`
	Last           *LastTermination `json:"last,omitempty"`
	Requests       Resources        `json:"requests"`
	Limits         Resources        `json:"limits"`
	// Spec has the requests and limits of the pod's spec while those in effect differ, during a
	// resize. Nil: they equal Requests and Limits.
	Spec *ContainerResources `json:"-"`
	// StatusImage is the image's name in the container's status; empty if it equals Image.
	StatusImage string `json:"-"`
}

// ContainerResources has a container's requests and limits.
type ContainerResources struct {
	Requests Resources
	Limits   Resources
}

// LastTermination describes how a container's previous run ended, such as the OOMKilled before a
// CrashLoopBackOff.
type LastTermination struct {
	Reason     string `json:"reason,omitempty"`
	ExitCode   int32  `json:"exitCode"`
	FinishedAt Time   `json:"finishedAt,omitzero"`
}

// Port is one taken port of a node, of all nodes (Node is `*`) or of a load balancer, without its
// targets.
type Port struct {
	Node     string   `json:"node"`
	Address  string   `json:"address,omitempty"`
	Protocol Protocol `json:"protocol"`
	Port     uint16   `json:"port"`
	Kind     PortKind `json:"kind"`

	Namespace string `json:"namespace,omitempty"`
	// Service or Pod owns the port. Both are empty for the kubelet's ports.
	Service               string        `json:"service,omitempty"`
	ServicePort           *ServicePort  `json:"servicePort,omitempty"`
	Pod                   string        `json:"pod,omitempty"`
	ExternalTrafficPolicy TrafficPolicy `json:"externalTrafficPolicy,omitempty"`
	// Target is the target of a pod's own port. The targets of a Service are separate objects,
	// shared by all its rows; see State.TargetsOf.
	Target *Target `json:"-"`
}

// ServicePort is the port of a Service that a row belongs to.
type ServicePort struct {
	Name string `json:"name,omitempty"`
	Port uint16 `json:"port"`
}

// Target is one endpoint of a port: a pod, or an address without a pod.
type Target struct {
	// ServiceNamespace, Service, ServicePort and Protocol identify the service port of the target.
	// They are empty for the target of a pod's own port.
	ServiceNamespace string   `json:"-"`
	Service          string   `json:"-"`
	ServicePort      string   `json:"-"`
	Protocol         Protocol `json:"-"`

	// Addresses has addresses of both IP families if the pod has both.
	Addresses []string `json:"addresses,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	// Pod is empty for addresses without a pod.
	Pod string `json:"pod,omitempty"`
	// Container is the container that declares this port and protocol; empty if none or several
	// do.
	Container     string `json:"container,omitempty"`
	ContainerPort uint16 `json:"containerPort,omitempty"`
	Node          string `json:"node,omitempty"`
	Ready         bool   `json:"ready"`
	Serving       bool   `json:"serving"`
	Terminating   bool   `json:"terminating,omitempty"`
}

// endpoint identifies a target among those of its service port.
func (t *Target) endpoint() string {
	switch {
	case t.Pod != "":
		return t.Pod
	case len(t.Addresses) > 0:
		return t.Addresses[0]
	}
	return ""
}

// Service describes a Service of any type.
type Service struct {
	Namespace             string        `json:"namespace"`
	Name                  string        `json:"name"`
	UID                   UID           `json:"uid,omitzero"`
	Type                  ServiceType   `json:"type"`
	ClusterIP             string        `json:"clusterIP,omitempty"`
	ExternalName          string        `json:"externalName,omitempty"`
	LoadBalancerIP        string        `json:"loadBalancerIP,omitempty"`
	ExternalTrafficPolicy TrafficPolicy `json:"externalTrafficPolicy,omitempty"`
	CreatedAt             Time          `json:"createdAt,omitzero"`
	// NoPodsSince is since when the selector has matched no unfinished pod; zero if it matches
	// one, and without a selector. NoEndpointsSince is since when no endpoint has been ready
	// although pods match. NoAddressSince is since when a Service of type LoadBalancer has had no
	// address.
	NoPodsSince      Time `json:"noPodsSince,omitzero"`
	NoEndpointsSince Time `json:"noEndpointsSince,omitzero"`
	NoAddressSince   Time `json:"noAddressSince,omitzero"`
}

// Claim describes a PersistentVolumeClaim.
type Claim struct {
	Namespace      string     `json:"namespace"`
	Name           string     `json:"name"`
	Phase          ClaimPhase `json:"phase"`
	StorageClass   string     `json:"storageClass,omitempty"`
	VolumeMode     string     `json:"volumeMode,omitempty"`
	Volume         string     `json:"volume,omitempty"`
	RequestedBytes int64      `json:"requestedBytes,omitempty"`
	CapacityBytes  int64      `json:"capacityBytes,omitempty"`
	CreatedAt      Time       `json:"createdAt,omitzero"`
}

// PersistentVolume describes a PersistentVolume.
type PersistentVolume struct {
	Name         string      `json:"name"`
	Phase        VolumePhase `json:"phase"`
	Reason       string      `json:"reason,omitempty"`
	Message      string      `json:"message,omitempty"`
	StorageClass string      `json:"storageClass,omitempty"`
	// ClaimNamespace and Claim name the claim that the volume is bound to.
	ClaimNamespace string `json:"claimNamespace,omitempty"`
	Claim          string `json:"claim,omitempty"`
	CapacityBytes  int64  `json:"capacityBytes,omitempty"`
	CreatedAt      Time   `json:"createdAt,omitzero"`
	// PhaseSince is status.lastPhaseTransitionTime, else the creation time.
	PhaseSince Time `json:"phaseSince,omitzero"`
}
