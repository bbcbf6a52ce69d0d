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

func (e Protocol) String() string       { return name(protocolNames, e) }
func (e PortKind) String() string       { return name(portKindNames, e) }
func (e TrafficPolicy) String() string  { return name(trafficPolicyNames, e) }
func (e ContainerKind) String() string  { return name(containerKindNames, e) }
func (e ContainerState) String() string { return name(containerStateNames, e) }
func (e PodPhase) String() string       { return name(podPhaseNames, e) }
func (e QOSClass) String() string       { return name(qosClassNames, e) }
func (e Tristate) String() string       { return name(tristateNames, e) }

func (e Protocol) MarshalText() ([]byte, error)       { return []byte(e.String()), nil }
func (e PortKind) MarshalText() ([]byte, error)       { return []byte(e.String()), nil }
func (e TrafficPolicy) MarshalText() ([]byte, error)  { return []byte(e.String()), nil }
func (e ContainerKind) MarshalText() ([]byte, error)  { return []byte(e.String()), nil }
func (e ContainerState) MarshalText() ([]byte, error) { return []byte(e.String()), nil }
func (e PodPhase) MarshalText() ([]byte, error)       { return []byte(e.String()), nil }
func (e QOSClass) MarshalText() ([]byte, error)       { return []byte(e.String()), nil }
func (e Tristate) MarshalText() ([]byte, error)       { return []byte(e.String()), nil }

func (e *Protocol) UnmarshalText(b []byte) error       { return parse(protocolNames, e, b) }
func (e *PortKind) UnmarshalText(b []byte) error       { return parse(portKindNames, e, b) }
func (e *TrafficPolicy) UnmarshalText(b []byte) error  { return parse(trafficPolicyNames, e, b) }
func (e *ContainerKind) UnmarshalText(b []byte) error  { return parse(containerKindNames, e, b) }
func (e *ContainerState) UnmarshalText(b []byte) error { return parse(containerStateNames, e, b) }
func (e *PodPhase) UnmarshalText(b []byte) error       { return parse(podPhaseNames, e, b) }
func (e *QOSClass) UnmarshalText(b []byte) error       { return parse(qosClassNames, e, b) }
func (e *Tristate) UnmarshalText(b []byte) error       { return parse(tristateNames, e, b) }

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
