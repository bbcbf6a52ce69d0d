package state

// Object is one of *Node, *NodeLoad, *Pod, *Container, *Port and *Target.
type Object interface{ Key() Key }

// Node is what is known of a node apart from what its pods take of it.
type Node struct {
	Name             string        `json:"name"`
	Ready            Tristate      `json:"ready"`
	Schedulable      bool          `json:"schedulable"`
	Problems         []NodeProblem `json:"problems,omitempty"`
	Roles            []string      `json:"roles,omitempty"`
	Addresses        []NodeAddress `json:"addresses,omitempty"`
	Zone             string        `json:"zone,omitempty"`
	Region           string        `json:"region,omitempty"`
	InstanceType     string        `json:"instanceType,omitempty"`
	Taints           []Taint       `json:"taints,omitempty"`
	KubeletVersion   string        `json:"kubeletVersion,omitempty"`
	KernelVersion    string        `json:"kernelVersion,omitempty"`
	OSImage          string        `json:"osImage,omitempty"`
	Architecture     string        `json:"architecture,omitempty"`
	ContainerRuntime string        `json:"containerRuntime,omitempty"`
	CreatedAt        Time          `json:"createdAt,omitzero"`
	Capacity         Resources     `json:"capacity"`
	Allocatable      Resources     `json:"allocatable"`
}

// NodeProblem is a condition that speaks against a node: Ready that is not True,
// a pressure condition that is Unknown, or any other that is True.
type NodeProblem struct {
	Type   string   `json:"type"`
	Status Tristate `json:"status"`
	Reason string   `json:"reason,omitempty"`
	// Message is cut to 256 bytes.
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

// Pod is one pod.
type Pod struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Node      string   `json:"node,omitempty"`
	Phase     PodPhase `json:"phase"`
	// Reason is status.reason (Evicted, NodeLost, …), else why it is not scheduled.
	Reason      string    `json:"reason,omitempty"`
	Message     string    `json:"message,omitempty"`
	PodIPs      []string  `json:"podIPs,omitempty"`
	HostNetwork bool      `json:"hostNetwork,omitempty"`
	QOSClass    QOSClass  `json:"qosClass,omitempty"`
	Terminating bool      `json:"terminating,omitempty"`
	CreatedAt   Time      `json:"createdAt,omitzero"`
	Owner       Owner     `json:"owner"`
	Requested   Resources `json:"requested"`
	Limits      Resources `json:"limits"`
	Storage     []Volume  `json:"storage,omitempty"`
	// UnschedulableSince is when PodScheduled became False; zero while it is not.
	UnschedulableSince Time `json:"unschedulableSince,omitzero"`
}

// Owner is who made a pod, as a person would say it: a Deployment and not its
// ReplicaSet, and the Pod itself where nobody did.
type Owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Volume is a PersistentVolumeClaim mounted into a pod.
type Volume struct {
	Claim string `json:"claim"`
	// CapacityBytes is the claim's status.capacity; zero where it is not bound or not known.
	CapacityBytes int64  `json:"capacityBytes,omitempty"`
	MountPath     string `json:"mountPath,omitempty"`
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
	// ExitCode has a meaning only while State is Terminated; see ContainerView.
	ExitCode   int32  `json:"-"`
	Restarts   int32  `json:"restarts"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	StartedAt  Time   `json:"startedAt,omitzero"`
	FinishedAt Time   `json:"finishedAt,omitzero"`
	// WaitingSince is the best that the API tells of how long a waiting container
	// has kept its pod from being ready; zero while it does not wait.
	WaitingSince Time             `json:"waitingSince,omitzero"`
	Last         *LastTermination `json:"last,omitempty"`
	Requests     Resources        `json:"requests"`
	Limits       Resources        `json:"limits"`
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
