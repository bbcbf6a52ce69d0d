package state

import "slices"

// Enums are single bytes, because a large cluster has a hundred thousand of them.
// Their text is Kubernetes' own. The zero value of each is what a newer peer's
// unknown value becomes.

// Protocol is a transport protocol as Services and container ports name it.
type Protocol uint8

const (
	ProtocolUnknown Protocol = iota
	TCP
	UDP
	SCTP
)

var protocolNames = []string{"", "TCP", "UDP", "SCTP"}

// PortKind names the listener behind a taken port, not a Service's type.
type PortKind uint8

const (
	PortKindUnknown PortKind = iota
	NodePort
	HealthCheckNodePort
	HostPort
	HostNetwork
	LoadBalancer
	ExternalIP
	Kubelet
)

var portKindNames = []string{"", "NodePort", "HealthCheckNodePort", "HostPort", "HostNetwork", "LoadBalancer", "ExternalIP", "Kubelet"}

// TrafficPolicy is a Service's externalTrafficPolicy; none where it has no meaning.
type TrafficPolicy uint8

const (
	TrafficPolicyNone TrafficPolicy = iota
	TrafficPolicyCluster
	TrafficPolicyLocal
)

var trafficPolicyNames = []string{"", "Cluster", "Local"}

// ContainerKind tells a pod's kinds of containers apart. A sidecar is an init
// container with restartPolicy Always (KEP-753).
type ContainerKind uint8

const (
	ContainerKindUnknown ContainerKind = iota
	Main
	Init
	Sidecar
	Ephemeral
)

var containerKindNames = []string{"", "main", "init", "sidecar", "ephemeral"}

// ContainerState is the member that is set in a container's status.
type ContainerState uint8

const (
	ContainerUnknown ContainerState = iota
	Running
	Waiting
	Terminated
)

var containerStateNames = []string{"unknown", "running", "waiting", "terminated"}

// PodPhase is status.phase of a pod.
type PodPhase uint8

const (
	PodUnknown PodPhase = iota
	PodPending
	PodRunning
	PodSucceeded
	PodFailed
)

var podPhaseNames = []string{"Unknown", "Pending", "Running", "Succeeded", "Failed"}

// Finished says that a pod's containers have ended for good: it no longer takes
// room on its node.
func (e PodPhase) Finished() bool { return e == PodSucceeded || e == PodFailed }

// QOSClass is status.qosClass of a pod.
type QOSClass uint8

const (
	QOSUnknown QOSClass = iota
	Guaranteed
	Burstable
	BestEffort
)

var qosClassNames = []string{"", "Guaranteed", "Burstable", "BestEffort"}

// Tristate is the status of a condition.
type Tristate uint8

const (
	Unknown Tristate = iota
	True
	False
)

var tristateNames = []string{"Unknown", "True", "False"}

// ConditionStatus is the status of a condition that may be missing.
type ConditionStatus uint8

const (
	// ConditionNone: there is no such condition.
	ConditionNone ConditionStatus = iota
	ConditionTrue
	ConditionFalse
	ConditionUnknown
)

var conditionStatusNames = []string{"", "True", "False", "Unknown"}

// RestartPolicy is restartPolicy of a pod or container; RestartPolicyNone where it
// is not set.
type RestartPolicy uint8

const (
	RestartPolicyNone RestartPolicy = iota
	RestartAlways
	RestartOnFailure
	RestartNever
)

var restartPolicyNames = []string{"", "Always", "OnFailure", "Never"}

// ServiceType is spec.type of a Service.
type ServiceType uint8

const (
	ServiceTypeUnknown ServiceType = iota
	ServiceClusterIP
	ServiceNodePort
	ServiceLoadBalancer
	ServiceExternalName
)

var serviceTypeNames = []string{"", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"}

// ClaimPhase is status.phase of a PersistentVolumeClaim.
type ClaimPhase uint8

const (
	ClaimPhaseUnknown ClaimPhase = iota
	ClaimPending
	ClaimBound
	ClaimLost
)

var claimPhaseNames = []string{"Unknown", "Pending", "Bound", "Lost"}

// VolumePhase is status.phase of a PersistentVolume.
type VolumePhase uint8

const (
	VolumePhaseUnknown VolumePhase = iota
	VolumePending
	VolumeAvailable
	VolumeBound
	VolumeReleased
	VolumeFailed
)

var volumePhaseNames = []string{"Unknown", "Pending", "Available", "Bound", "Released", "Failed"}

// Severity is how grave a problem is.
type Severity uint8

const (
	SeverityUnknown Severity = iota
	// SeverityCritical: the cluster is unhealthy once the problem is older than its
	// patience.
	SeverityCritical
	SeverityWarning
	// SeverityInfo: worth knowing, and counts for nothing.
	SeverityInfo
)

var severityNames = []string{"", "critical", "warning", "info"}

func (e Protocol) String() string        { return name(protocolNames, e) }
func (e PortKind) String() string        { return name(portKindNames, e) }
func (e TrafficPolicy) String() string   { return name(trafficPolicyNames, e) }
func (e ContainerKind) String() string   { return name(containerKindNames, e) }
func (e ContainerState) String() string  { return name(containerStateNames, e) }
func (e PodPhase) String() string        { return name(podPhaseNames, e) }
func (e QOSClass) String() string        { return name(qosClassNames, e) }
func (e Tristate) String() string        { return name(tristateNames, e) }
func (e ConditionStatus) String() string { return name(conditionStatusNames, e) }
func (e RestartPolicy) String() string   { return name(restartPolicyNames, e) }
func (e ServiceType) String() string     { return name(serviceTypeNames, e) }
func (e ClaimPhase) String() string      { return name(claimPhaseNames, e) }
func (e VolumePhase) String() string     { return name(volumePhaseNames, e) }
func (e Severity) String() string        { return name(severityNames, e) }

func (e Protocol) MarshalText() ([]byte, error)        { return []byte(e.String()), nil }
func (e PortKind) MarshalText() ([]byte, error)        { return []byte(e.String()), nil }
func (e TrafficPolicy) MarshalText() ([]byte, error)   { return []byte(e.String()), nil }
func (e ContainerKind) MarshalText() ([]byte, error)   { return []byte(e.String()), nil }
func (e ContainerState) MarshalText() ([]byte, error)  { return []byte(e.String()), nil }
func (e PodPhase) MarshalText() ([]byte, error)        { return []byte(e.String()), nil }
func (e QOSClass) MarshalText() ([]byte, error)        { return []byte(e.String()), nil }
func (e Tristate) MarshalText() ([]byte, error)        { return []byte(e.String()), nil }
func (e ConditionStatus) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
func (e RestartPolicy) MarshalText() ([]byte, error)   { return []byte(e.String()), nil }
func (e ServiceType) MarshalText() ([]byte, error)     { return []byte(e.String()), nil }
func (e ClaimPhase) MarshalText() ([]byte, error)      { return []byte(e.String()), nil }
func (e VolumePhase) MarshalText() ([]byte, error)     { return []byte(e.String()), nil }
func (e Severity) MarshalText() ([]byte, error)        { return []byte(e.String()), nil }

func (e *Protocol) UnmarshalText(b []byte) error        { return parse(protocolNames, e, b) }
func (e *PortKind) UnmarshalText(b []byte) error        { return parse(portKindNames, e, b) }
func (e *TrafficPolicy) UnmarshalText(b []byte) error   { return parse(trafficPolicyNames, e, b) }
func (e *ContainerKind) UnmarshalText(b []byte) error   { return parse(containerKindNames, e, b) }
func (e *ContainerState) UnmarshalText(b []byte) error  { return parse(containerStateNames, e, b) }
func (e *PodPhase) UnmarshalText(b []byte) error        { return parse(podPhaseNames, e, b) }
func (e *QOSClass) UnmarshalText(b []byte) error        { return parse(qosClassNames, e, b) }
func (e *Tristate) UnmarshalText(b []byte) error        { return parse(tristateNames, e, b) }
func (e *ConditionStatus) UnmarshalText(b []byte) error { return parse(conditionStatusNames, e, b) }
func (e *RestartPolicy) UnmarshalText(b []byte) error   { return parse(restartPolicyNames, e, b) }
func (e *ServiceType) UnmarshalText(b []byte) error     { return parse(serviceTypeNames, e, b) }
func (e *ClaimPhase) UnmarshalText(b []byte) error      { return parse(claimPhaseNames, e, b) }
func (e *VolumePhase) UnmarshalText(b []byte) error     { return parse(volumePhaseNames, e, b) }
func (e *Severity) UnmarshalText(b []byte) error        { return parse(severityNames, e, b) }

func name[E ~uint8](names []string, e E) string {
	if int(e) < len(names) {
		return names[e]
	}
	return names[0]
}

// parse reads a name; one that is not known, of a newer peer's list, is the zero value.
func parse[E ~uint8](names []string, e *E, text []byte) error {
	*e = E(max(slices.Index(names, string(text)), 0))
	return nil
}
