package state

// Object is one of *Node, *NodeLoad, *Pod, *Container, *Port, *Target, *Service,
// *Claim and *PersistentVolume.
//
// hack/fields generates from the struct tags of their fields what all interfaces do with a field. The
// tag json has the name in rows of the HTTP API, `-` if it is in none. The tag wire has the number of
// the column in the wire protocol: a new field takes the next number of its table, and a number is
// never used again. Lists of strings have two numbers, one for the length and one for the elements, and
// structs like Owner one for each of their fields. Structs in lists and behind pointers have a number
// for their presence, and number the columns of their fields in the same table. An option after the
// number is a method of api/wire/columnar that converts the field in place of its type's usual one.
type Object interface{ Key() Key }

// Node describes a node, without the resources that its pods take.
type Node struct {
	Name        string   `json:"name" wire:"3"`
	Ready       Tristate `json:"ready" wire:"4"`
	Schedulable bool     `json:"schedulable" wire:"5,not=unschedulable"`
	// Conditions has all of status.conditions, sorted by type.
	Conditions []NodeCondition `json:"conditions,omitempty" wire:"6"`
	Roles      []string        `json:"roles,omitempty" wire:"12,13"`
	// Addresses is in the order of status.addresses: the first of a type is the one that `kubectl
	// get nodes -o wide` prints.
	Addresses        []NodeAddress `json:"addresses,omitempty" wire:"14"`
	Zone             string        `json:"zone,omitempty" wire:"17"`
	Region           string        `json:"region,omitempty" wire:"18"`
	InstanceType     string        `json:"instanceType,omitempty" wire:"19"`
	Taints           []Taint       `json:"taints,omitempty" wire:"20"`
	KubeletVersion   string        `json:"kubeletVersion,omitempty" wire:"24"`
	KubeProxyVersion string        `json:"kubeProxyVersion,omitempty" wire:"32"`
	KernelVersion    string        `json:"kernelVersion,omitempty" wire:"25"`
	OSImage          string        `json:"osImage,omitempty" wire:"26"`
	Architecture     string        `json:"architecture,omitempty" wire:"27"`
	ContainerRuntime string        `json:"containerRuntime,omitempty" wire:"28"`
	SystemUUID       string        `json:"systemUUID,omitempty" wire:"33"`
	ProviderID       string        `json:"providerID,omitempty" wire:"34"`
	PodCIDR          string        `json:"podCIDR,omitempty" wire:"35"`
	CreatedAt        Time          `json:"createdAt,omitzero" wire:"29"`
	Capacity         Resources     `json:"capacity" wire:"30"`
	Allocatable      Resources     `json:"allocatable" wire:"31"`
	// CapacityZeros and AllocatableZeros are the amounts that are set to zero explicitly.
	CapacityZeros    Zeros `json:"-" wire:"39"`
	AllocatableZeros Zeros `json:"-" wire:"40"`
	// NotReadySince is since when Ready has not been True. It does not change when the condition
	// goes from False to Unknown. Zero: Ready is True.
	NotReadySince Time `json:"notReadySince,omitzero" wire:"41"`
	// FlappingSince is the first of the recent changes of Ready if the agent saw at least three
	// within 15 minutes. It is valid until FlappingUntil, when the third-last change is 15 minutes
	// old.
	FlappingSince Time `json:"flappingSince,omitzero" wire:"36"`
	FlappingUntil Time `json:"-" wire:"37"`
	// Mute is the value of the annotation rollcall.dev/mute.
	Mute string `json:"mute,omitempty" wire:"38"`
}

// NodeCondition is one of a node's status.conditions.
type NodeCondition struct {
	Type   string   `json:"type" wire:"7"`
	Status Tristate `json:"status" wire:"8"`
	Reason string   `json:"reason,omitempty" wire:"9"`
	// Message is cut to 256 bytes, and empty for a condition that is good.
	Message string `json:"message,omitempty" wire:"10"`
	// Since is the condition's last transition.
	Since Time `json:"since,omitzero" wire:"11"`
}

// NodeAddress is one of status.addresses. Type is Kubernetes' own (InternalIP, Hostname, …).
type NodeAddress struct {
	Type    string `json:"type" wire:"15"`
	Address string `json:"address" wire:"16,address"`
}

// Taint is one of spec.taints.
type Taint struct {
	Key    string `json:"key" wire:"21"`
	Value  string `json:"value,omitempty" wire:"22"`
	Effect string `json:"effect" wire:"23"`
}

// NodeLoad has the resources that the unfinished pods bound to a node take, computed as the
// scheduler does.
type NodeLoad struct {
	Node      string    `json:"-" wire:"2"`
	Requested Resources `json:"requested" wire:"3"`
	Limits    Resources `json:"limits" wire:"4"`
	// Pods is the number of unfinished pods bound to the node.
	Pods int64 `json:"pods" wire:"5,count"`
}

// Pod describes a pod.
type Pod struct {
	Namespace string `json:"namespace" wire:"2"`
	Name      string `json:"name" wire:"3"`
	UID       UID    `json:"uid,omitzero" wire:"23"`
	Node      string `json:"node,omitempty" wire:"4"`
	// Status, Ready, Restarts and LastRestartAt are what `kubectl get pods` prints in the columns
	// STATUS, READY and RESTARTS.
	Status        string   `json:"status" wire:"24"`
	Ready         Fraction `json:"ready" wire:"25,26"`
	Restarts      int32    `json:"restarts" wire:"27"`
	LastRestartAt Time     `json:"lastRestartAt,omitzero" wire:"28"`
	Phase         PodPhase `json:"phase" wire:"5"`
	// Reason is status.reason (Evicted, NodeLost, …), else why the pod is not scheduled, else why
	// it is not ready although its containers are.
	Reason  string `json:"reason,omitempty" wire:"6"`
	Message string `json:"message,omitempty" wire:"7"`
	// PodIPs is in the order of status.podIPs: the first is status.podIP.
	PodIPs        []string      `json:"podIPs,omitempty" wire:"8,9,address"`
	HostIP        string        `json:"hostIP,omitempty" wire:"29,hostIP=Node"`
	HostNetwork   bool          `json:"hostNetwork,omitempty" wire:"10"`
	QOSClass      QOSClass      `json:"qosClass,omitempty" wire:"11"`
	RestartPolicy RestartPolicy `json:"restartPolicy,omitempty" wire:"30"`
	// PriorityClass is spec.priorityClassName, Priority the number that the API server took from it.
	PriorityClass string `json:"priorityClass,omitempty" wire:"31"`
	Priority      int32  `json:"priority,omitempty" wire:"44"`
	// ServiceAccount is spec.serviceAccountName: the identity of the pod's programs at the API server.
	ServiceAccount string `json:"serviceAccount,omitempty" wire:"43"`
	Terminating    bool   `json:"terminating,omitempty" wire:"12"`
	CreatedAt      Time   `json:"createdAt,omitzero" wire:"13"`
	StartedAt      Time   `json:"startedAt,omitzero" wire:"32,timeAfter=CreatedAt"`
	// FinishedAt is when the last container of a finished pod ended.
	FinishedAt Time `json:"finishedAt,omitzero" wire:"33"`
	// DeletionAt is metadata.deletionTimestamp: when the grace period of a terminating pod ends.
	DeletionAt Time  `json:"deletionAt,omitzero" wire:"34"`
	Owner      Owner `json:"owner" wire:"14,15"`
	// Controller is the owner reference with controller: true, as in the API (a ReplicaSet and not
	// its Deployment); zero: none.
	Controller Owner     `json:"controller,omitzero" wire:"35,36"`
	Requested  Resources `json:"requested" wire:"16"`
	Limits     Resources `json:"limits" wire:"17"`
	Storage    []Volume  `json:"storage,omitempty" wire:"18"`
	// ReadyCondition and ScheduledCondition are the statuses of the conditions Ready and
	// PodScheduled.
	ReadyCondition     ConditionStatus `json:"-" wire:"37"`
	ScheduledCondition ConditionStatus `json:"-" wire:"38"`
	// UnschedulableSince is since when no node was found for the pod, without the time during
	// which it had scheduling gates. It is zero if the pod has a node or gates.
	UnschedulableSince Time `json:"unschedulableSince,omitzero" wire:"22"`
	// NotReadySince is since when the pod does not work. It is zero if the pod works or has
	// finished. docs/FACTS.md defines when a pod works.
	NotReadySince Time `json:"notReadySince,omitzero" wire:"39"`
	// Mute is the value of the annotation rollcall.dev/mute.
	Mute string `json:"mute,omitempty" wire:"40"`
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
	Name  string `json:"name,omitempty" wire:"41"`
	Claim string `json:"claim" wire:"19"`
	// CapacityBytes is the claim's status.capacity; zero if it is not bound or unknown.
	CapacityBytes int64  `json:"capacityBytes,omitempty" wire:"20"`
	MountPath     string `json:"mountPath,omitempty" wire:"21"`
	// Ephemeral means that the claim is created and deleted with the pod (KEP-1698): the volume's
	// type is ephemeral and not persistentVolumeClaim.
	Ephemeral bool `json:"ephemeral,omitempty" wire:"42"`
}

// Container is one container of a pod, of any kind.
type Container struct {
	Namespace string `json:"namespace" wire:"3"`
	Pod       string `json:"pod" wire:"4"`
	Name      string `json:"name" wire:"5"`
	Node      string `json:"node,omitempty" wire:"7"`
	Image     string `json:"image" wire:"8"`
	ImageID   string `json:"imageID,omitempty" wire:"9"`
	// Small fields are adjacent to save memory, since there are very many containers.
	Kind  ContainerKind  `json:"kind" wire:"6"`
	State ContainerState `json:"state" wire:"10"`
	Ready bool           `json:"ready" wire:"14"`
	// RestartPolicy is the container's own; RestartPolicyNone if the pod's applies.
	RestartPolicy RestartPolicy `json:"-" wire:"30"`
	// NoStatus means that the kubelet has not reported a status of the container.
	NoStatus bool `json:"-" wire:"31"`
	// RequestZeros and LimitZeros are the requests and limits that are set to zero explicitly.
	RequestZeros Zeros `json:"-" wire:"32"`
	LimitZeros   Zeros `json:"-" wire:"33"`
	// ExitCode is valid only if State is Terminated; see ContainerView.
	ExitCode   int32  `json:"-" wire:"13"`
	Restarts   int32  `json:"restarts" wire:"15"`
	Reason     string `json:"reason,omitempty" wire:"11"`
	Message    string `json:"message,omitempty" wire:"12"`
	StartedAt  Time   `json:"startedAt,omitzero" wire:"16"`
	FinishedAt Time   `json:"finishedAt,omitzero" wire:"17"`
	// NotReadySince is since when the container does not work: it waits, has ended though it
	// should run, or is not ready. It does not change when the container goes from one such state
	// to another. Zero: it works.
	NotReadySince Time `json:"notReadySince,omitzero" wire:"18"`
	// CrashLoopSince is the first known crash of the container's current or last crash loop; see
	// CrashLooping.
	CrashLoopSince Time             `json:"crashLoopSince,omitzero" wire:"25"`
	Last           *LastTermination `json:"last,omitempty" wire:"19"`
	Requests       Resources        `json:"requests" wire:"23"`
	Limits         Resources        `json:"limits" wire:"24"`
	// Spec has the requests and limits of the pod's spec while those in effect differ, during a
	// resize. Nil: they equal Requests and Limits.
	Spec *ContainerResources `json:"-" wire:"26"`
	// StatusImage is the image's name in the container's status; empty if it equals Image.
	StatusImage string `json:"-" wire:"29"`
}

// ContainerResources has a container's requests and limits.
type ContainerResources struct {
	Requests Resources `wire:"27"`
	Limits   Resources `wire:"28"`
}

// LastTermination describes how a container's previous run ended, such as the OOMKilled before a
// CrashLoopBackOff.
type LastTermination struct {
	Reason     string `json:"reason,omitempty" wire:"20"`
	ExitCode   int32  `json:"exitCode" wire:"21"`
	FinishedAt Time   `json:"finishedAt,omitzero" wire:"22"`
}

// Port is one taken port of a node, of all nodes (Node is `*`) or of a load balancer, without its
// targets.
type Port struct {
	Node     string   `json:"node" wire:"2"`
	Address  string   `json:"address,omitempty" wire:"3,address"`
	Protocol Protocol `json:"protocol" wire:"4"`
	Port     uint16   `json:"port" wire:"5"`
	Kind     PortKind `json:"kind" wire:"6"`

	Namespace string `json:"namespace,omitempty" wire:"7"`
	// Service or Pod owns the port. Both are empty for the kubelet's ports.
	Service               string        `json:"service,omitempty" wire:"8"`
	ServicePort           *ServicePort  `json:"servicePort,omitempty" wire:"9"`
	Pod                   string        `json:"pod,omitempty" wire:"12"`
	ExternalTrafficPolicy TrafficPolicy `json:"externalTrafficPolicy,omitempty" wire:"13"`
	// Target is the target of a pod's own port. The targets of a Service are separate objects,
	// shared by all its rows; see State.TargetsOf.
	Target *Target `json:"-" wire:"14,ownTarget"`
}

// ServicePort is the port of a Service that a row belongs to.
type ServicePort struct {
	Name string `json:"name,omitempty" wire:"10"`
	Port uint16 `json:"port" wire:"11"`
}

// Target is one endpoint of a port: a pod, or an address without a pod.
type Target struct {
	// ServiceNamespace, Service, ServicePort and Protocol identify the service port of the target.
	// They are empty for the target of a pod's own port.
	ServiceNamespace string   `json:"-" wire:"2"`
	Service          string   `json:"-" wire:"3"`
	ServicePort      string   `json:"-" wire:"4"`
	Protocol         Protocol `json:"-" wire:"5"`

	// Addresses has addresses of both IP families if the pod has both.
	Addresses []string `json:"addresses,omitempty" wire:"6,7,address"`
	Namespace string   `json:"namespace,omitempty" wire:"8"`
	// Pod is empty for addresses without a pod.
	Pod string `json:"pod,omitempty" wire:"9"`
	// Container is the container that declares this port and protocol; empty if none or several
	// do.
	Container     string `json:"container,omitempty" wire:"10"`
	ContainerPort uint16 `json:"containerPort,omitempty" wire:"11"`
	Node          string `json:"node,omitempty" wire:"12"`
	Ready         bool   `json:"ready" wire:"13"`
	Serving       bool   `json:"serving" wire:"14"`
	Terminating   bool   `json:"terminating,omitempty" wire:"15"`
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
	Namespace             string        `json:"namespace" wire:"2"`
	Name                  string        `json:"name" wire:"3"`
	UID                   UID           `json:"uid,omitzero" wire:"4"`
	Type                  ServiceType   `json:"type" wire:"5"`
	ClusterIP             string        `json:"clusterIP,omitempty" wire:"6,address"`
	ExternalName          string        `json:"externalName,omitempty" wire:"7"`
	LoadBalancerIP        string        `json:"loadBalancerIP,omitempty" wire:"8,address"`
	ExternalTrafficPolicy TrafficPolicy `json:"externalTrafficPolicy,omitempty" wire:"9"`
	CreatedAt             Time          `json:"createdAt,omitzero" wire:"10"`
	// NoPodsSince is since when the selector has matched no unfinished pod; zero if it matches
	// one, and without a selector. NoEndpointsSince is since when no endpoint has been ready
	// although pods match. NoAddressSince is since when a Service of type LoadBalancer has had no
	// address.
	NoPodsSince      Time `json:"noPodsSince,omitzero" wire:"11"`
	NoEndpointsSince Time `json:"noEndpointsSince,omitzero" wire:"12"`
	NoAddressSince   Time `json:"noAddressSince,omitzero" wire:"13"`
}

// Claim describes a PersistentVolumeClaim.
type Claim struct {
	Namespace      string     `json:"namespace" wire:"2"`
	Name           string     `json:"name" wire:"3"`
	Phase          ClaimPhase `json:"phase" wire:"4"`
	StorageClass   string     `json:"storageClass,omitempty" wire:"5"`
	VolumeMode     string     `json:"volumeMode,omitempty" wire:"6"`
	Volume         string     `json:"volume,omitempty" wire:"7"`
	RequestedBytes int64      `json:"requestedBytes,omitempty" wire:"8"`
	CapacityBytes  int64      `json:"capacityBytes,omitempty" wire:"9"`
	CreatedAt      Time       `json:"createdAt,omitzero" wire:"10"`
}

// PersistentVolume describes a PersistentVolume.
type PersistentVolume struct {
	Name         string      `json:"name" wire:"2"`
	Phase        VolumePhase `json:"phase" wire:"3"`
	Reason       string      `json:"reason,omitempty" wire:"4"`
	Message      string      `json:"message,omitempty" wire:"5"`
	StorageClass string      `json:"storageClass,omitempty" wire:"6"`
	// ClaimNamespace and Claim name the claim that the volume is bound to.
	ClaimNamespace string `json:"claimNamespace,omitempty" wire:"7"`
	Claim          string `json:"claim,omitempty" wire:"8"`
	CapacityBytes  int64  `json:"capacityBytes,omitempty" wire:"9"`
	CreatedAt      Time   `json:"createdAt,omitzero" wire:"10"`
	// PhaseSince is status.lastPhaseTransitionTime, else the creation time.
	PhaseSince Time `json:"phaseSince,omitzero" wire:"11"`
}
