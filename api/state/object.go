package state

// Object is one of *Node, *NodeLoad, *Pod, *Container, *Port, *Target, *Service,
// *Claim and *PersistentVolume.
type Object interface{ Key() Key }

// Node describes a node, apart from what its pods take of it.
type Node struct {
	Name        string   `json:"name"`
	Ready       Tristate `json:"ready"`
	Schedulable bool     `json:"schedulable"`
	// Conditions are all of status.conditions, sorted by type.
	Conditions []NodeCondition `json:"conditions,omitempty"`
	Roles      []string        `json:"roles,omitempty"`
	// Addresses keep the order of status.addresses: the first of a type is the one
	// that `kubectl get nodes -o wide` prints.
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
	// CapacityZeros and AllocatableZeros tell which amounts are set to zero.
	CapacityZeros    Zeros `json:"-"`
	AllocatableZeros Zeros `json:"-"`
	// NotReadySince is since when Ready has not been True: the agent keeps it when the
	// condition goes from False to Unknown. Zero: it is True.
	NotReadySince Time `json:"notReadySince,omitzero"`
	// FlappingSince is the first of the changes of Ready by which the node flaps: the
	// agent saw at least three of them within 15 minutes. It counts until
	// FlappingUntil, when the third last of them is 15 minutes old.
	FlappingSince Time `json:"flappingSince,omitzero"`
	FlappingUntil Time `json:"-"`
	// Mute is the reason given by the annotation rollcall.dev/mute.
	Mute string `json:"mute,omitempty"`
}

// NodeCondition is one of status.conditions of a node.
type NodeCondition struct {
	Type   string   `json:"type"`
	Status Tristate `json:"status"`
	Reason string   `json:"reason,omitempty"`
	// Message is cut to 256 bytes. It is left out of a condition that is as it should
	// be.
	Message string `json:"message,omitempty"`
	// Since is the condition's last transition.
	Since Time `json:"since,omitzero"`
}

// NodeAddress is one of status.addresses; Type is Kubernetes' (InternalIP, Hostname, …).
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

// NodeLoad is what the unfinished pods bound to a node take of it, as the
// scheduler counts it.
type NodeLoad struct {
	Node      string    `json:"-"`
	Requested Resources `json:"requested"`
	Limits    Resources `json:"limits"`
	// Pods are the unfinished pods bound to the node.
	Pods int64 `json:"pods"`
}

// Pod describes a pod.
type Pod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       UID    `json:"uid,omitzero"`
	Node      string `json:"node,omitempty"`
	// Status, Ready, Restarts and LastRestartAt are what `kubectl get pods` prints in
	// the columns STATUS, READY and RESTARTS.
	Status        string   `json:"status"`
	Ready         Fraction `json:"ready"`
	Restarts      int32    `json:"restarts"`
	LastRestartAt Time     `json:"lastRestartAt,omitzero"`
	Phase         PodPhase `json:"phase"`
	// Reason is status.reason (Evicted, NodeLost, …), else why the pod is not
	// scheduled, else why it is not ready although its containers are.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// PodIPs keep the order of status.podIPs: the first is status.podIP.
	PodIPs        []string      `json:"podIPs,omitempty"`
	HostIP        string        `json:"hostIP,omitempty"`
	HostNetwork   bool          `json:"hostNetwork,omitempty"`
	QOSClass      QOSClass      `json:"qosClass,omitempty"`
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty"`
	PriorityClass string        `json:"priorityClass,omitempty"`
	Terminating   bool          `json:"terminating,omitempty"`
	CreatedAt     Time          `json:"createdAt,omitzero"`
	StartedAt     Time          `json:"startedAt,omitzero"`
	// FinishedAt is when the last container of a finished pod ended.
	FinishedAt Time `json:"finishedAt,omitzero"`
	// DeletionAt is metadata.deletionTimestamp: when the grace period of a terminating
	// pod ends.
	DeletionAt Time  `json:"deletionAt,omitzero"`
	Owner      Owner `json:"owner"`
	// Controller is the owner reference with controller: true, as the API has it (a
	// ReplicaSet and not its Deployment); its zero value: none.
	Controller Owner     `json:"controller,omitzero"`
	Requested  Resources `json:"requested"`
	Limits     Resources `json:"limits"`
	Storage    []Volume  `json:"storage,omitempty"`
	// ReadyCondition and ScheduledCondition are the statuses of the conditions Ready
	// and PodScheduled.
	ReadyCondition     ConditionStatus `json:"-"`
	ScheduledCondition ConditionStatus `json:"-"`
	// UnschedulableSince is since when no node was found for the pod, not counting the
	// time in which it had scheduling gates; zero while it has a node or gates.
	UnschedulableSince Time `json:"unschedulableSince,omitzero"`
	// NotReadySince is since when the pod does not work; zero while it works, and once
	// it has finished. See the package's comment for what works means.
	NotReadySince Time `json:"notReadySince,omitzero"`
	// Mute is the reason given by the annotation rollcall.dev/mute.
	Mute string `json:"mute,omitempty"`
}

// Owner names the workload of a pod: a Deployment or Rollout and not its ReplicaSet,
// and the Pod itself where it has no controller.
type Owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Volume is a PersistentVolumeClaim mounted into a pod.
type Volume struct {
	// Name is that of the pod's volume.
	Name  string `json:"name,omitempty"`
	Claim string `json:"claim"`
	// CapacityBytes is the claim's status.capacity; zero where it is not bound or not known.
	CapacityBytes int64  `json:"capacityBytes,omitempty"`
	MountPath     string `json:"mountPath,omitempty"`
	// Ephemeral reports that the claim is made with the pod and goes with it
	// (KEP-1698): the volume is of the kind ephemeral and not persistentVolumeClaim.
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
	// What is small stands side by side: there are very many containers.
	Kind  ContainerKind  `json:"kind"`
	State ContainerState `json:"state"`
	Ready bool           `json:"ready"`
	// RestartPolicy is the container's own; RestartPolicyNone where the pod's holds.
	RestartPolicy RestartPolicy `json:"-"`
	// NoStatus reports that the kubelet has not said anything of the container.
	NoStatus bool `json:"-"`
	// RequestZeros and LimitZeros tell which requests and limits are set to zero.
	RequestZeros Zeros `json:"-"`
	LimitZeros   Zeros `json:"-"`
	// ExitCode has a meaning only while State is Terminated; see ContainerView.
	ExitCode   int32  `json:"-"`
	Restarts   int32  `json:"restarts"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	StartedAt  Time   `json:"startedAt,omitzero"`
	FinishedAt Time   `json:"finishedAt,omitzero"`
	// NotReadySince is since when the container does not work: it waits, has ended
	// though it should run, or is not ready. The agent keeps it while the container
	// goes from one such state to the next. Zero while it works.
	NotReadySince Time `json:"notReadySince,omitzero"`
	// CrashLoopSince is the first known crash of the crash loop that the container is
	// in or was in last: see CrashLooping.
	CrashLoopSince Time             `json:"crashLoopSince,omitzero"`
	Last           *LastTermination `json:"last,omitempty"`
	Requests       Resources        `json:"requests"`
	Limits         Resources        `json:"limits"`
	// Spec has requests and limits as the pod's spec has them, while those in force
	// differ: during a resize. Nil: they are Requests and Limits.
	Spec *ContainerResources `json:"-"`
	// StatusImage is the image's name as the kubelet reports it; empty where it is
	// that of the spec.
	StatusImage string `json:"-"`
}

// ContainerResources are what a container requests and may use at most.
type ContainerResources struct {
	Requests Resources
	Limits   Resources
}

// LastTermination is how a container ended before its present state: the OOMKilled
// behind a CrashLoopBackOff.
type LastTermination struct {
	Reason     string `json:"reason,omitempty"`
	ExitCode   int32  `json:"exitCode"`
	FinishedAt Time   `json:"finishedAt,omitzero"`
}

// Port is one taken port of a node (or of all: Node `*`) or of a load balancer,
// without where it leads.
type Port struct {
	Node     string   `json:"node"`
	Address  string   `json:"address,omitempty"`
	Protocol Protocol `json:"protocol"`
	Port     uint16   `json:"port"`
	Kind     PortKind `json:"kind"`

	Namespace string `json:"namespace,omitempty"`
	// Service or Pod, or neither for a Kubelet's row, holds the port.
	Service               string        `json:"service,omitempty"`
	ServicePort           *ServicePort  `json:"servicePort,omitempty"`
	Pod                   string        `json:"pod,omitempty"`
	ExternalTrafficPolicy TrafficPolicy `json:"externalTrafficPolicy,omitempty"`
	// Target is where a pod's own port leads. A Service's targets are objects of
	// their own, shared by all its rows: see State.TargetsOf.
	Target *Target `json:"-"`
}

// ServicePort is the port of a Service that a row belongs to.
type ServicePort struct {
	Name string `json:"name,omitempty"`
	Port uint16 `json:"port"`
}

// Target is one endpoint that a port leads to: a pod, or an address where there
// is no pod behind it.
type Target struct {
	// Service, ServicePort and Protocol, with ServiceNamespace, tell whose target
	// this is; empty in a pod's own row.
	ServiceNamespace string   `json:"-"`
	Service          string   `json:"-"`
	ServicePort      string   `json:"-"`
	Protocol         Protocol `json:"-"`

	// Addresses are of both IP families where the pod has both.
	Addresses []string `json:"addresses,omitempty"`
	Namespace string   `json:"namespace,omitempty"`
	// Pod is empty for addresses that no pod stands behind.
	Pod string `json:"pod,omitempty"`
	// Container declares this port and protocol; empty when none or several do.
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
	// NoPodsSince is since when the selector has matched no unfinished pod; zero while
	// it matches one, and without a selector. NoEndpointsSince is since when no
	// endpoint has been ready although pods match. NoAddressSince is since when a
	// Service of type LoadBalancer has had no address. The agent keeps all three.
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
	// PhaseSince is status.lastPhaseTransitionTime, else when the volume was made.
	PhaseSince Time `json:"phaseSince,omitzero"`
}
