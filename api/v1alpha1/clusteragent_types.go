package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterAgent makes one member cluster known to the master: where its agent
// listens, how to trust it, and how often it reports. All ClusterAgents together
// are the registry; there is no other database.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=clag,categories=rollcall
// +kubebuilder:printcolumn:name=Endpoint,type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name=Phase,type=string,JSONPath=`.status.session.phase`,description="What the master does with the agent: Idle, Connecting, Reporting or Backoff."
// +kubebuilder:printcolumn:name=Ready,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the cluster can be asked."
// +kubebuilder:printcolumn:name=Expires,type=string,JSONPath=`.status.session.expiresAt`,description="When the running session ends unless it is renewed."
// +kubebuilder:printcolumn:name=Age,type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="metadata.name must be at most 63 characters long: choose a shorter name for the cluster"
// +kubebuilder:validation:XValidation:rule="!isIP(self.metadata.name)",message="metadata.name must not be an IP address: give the cluster a name and list its addresses in spec.clusterIPs"
type ClusterAgent struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ClusterAgentSpec `json:"spec"`
	// +optional
	Status ClusterAgentStatus `json:"status,omitzero"`
}

// ClusterAgentSpec is what a person says about a cluster.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !self.endpoint.startsWith('ws://')",message="has no effect on a ws:// endpoint, which is not encrypted: use wss://, or remove tls",fieldPath=".tls"
type ClusterAgentSpec struct {
	// Endpoint is where the master reaches the agent: wss:// (or ws://, where agent
	// and master run with --insecure, and the agent with --channel-binding=off), a host
	// name or IP address, and a port; 443, or 80 for ws, where it is left out. The master
	// adds the path /v1/report.
	//
	// +required
	// +kubebuilder:validation:MaxLength=300
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (self.startsWith('wss://') || self.startsWith('ws://'))",message="must be a URL that begins with wss:// (or with ws:// where the agent runs with --insecure), such as wss://10.20.0.7:7443"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z]+://)?[^/?#@]*$')",message="must be host and port only, such as wss://10.20.0.7:7443: remove path, query, fragment and user; the master adds /v1/report itself"
	// +kubebuilder:validation:XValidation:rule="!isURL(self) || self.matches('^[A-Za-z]+://([^/?#]*@)?([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[0-9]*)?([/?#].*)?$')",message="must name a host by a DNS name or an IP address (an IPv6 address in brackets), such as wss://[2001:db8::7]:7443"
	// +kubebuilder:validation:XValidation:rule="!self.matches(':[0-9]*$') || self.matches(':([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$')",message="must have a port from 1 to 65535, or none, which is 443 for wss and 80 for ws"
	Endpoint string `json:"endpoint"`

	// ClusterIPs are addresses by which clients may name this cluster instead of by
	// its name. Of two ClusterAgents that claim one address the older keeps it.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) && ip.isCanonical(self)",message="must be an IP address in its canonical form, such as 203.0.113.7 or 2001:db8::7: no host name, no port, no leading zeros, IPv6 shortened and in lower case"
	ClusterIPs []string `json:"clusterIPs,omitempty"`

	// ClusterUID is the UID of the member's kube-system namespace. An agent of any
	// other cluster is refused. Empty: whatever answered first (status.clusterUID).
	//
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]*$')",message="must be the UID of the member's kube-system namespace, as printed by: kubectl get namespace kube-system -o jsonpath={.metadata.uid}"
	ClusterUID string `json:"clusterUID,omitempty"`

	// TLS is how the master trusts the agent of a wss endpoint. Left out: the
	// certificate must be of an authority that the master's host trusts.
	TLS TLSSpec `json:"tls,omitzero"`

	// Reporting is when and how often the agent reports.
	//
	// +kubebuilder:default={}
	Reporting ReportingSpec `json:"reporting,omitzero"`

	// Health is what counts for the cluster's health.
	//
	// +optional
	Health HealthSpec `json:"health,omitzero"`

	// Suspend ends a running session and has the master leave the agent alone.
	Suspend bool `json:"suspend,omitempty"`
}

// HealthSpec is what counts for a cluster's health.
type HealthSpec struct {
	// Ignore mutes problems: they are listed as muted, and do not count. The annotation
	// rollcall.dev/mute of a pod or node does the same for its problems.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Ignore []IgnoreRule `json:"ignore,omitempty"`
}

// IgnoreRule mutes the problems for which each field that is set is equal.
//
// +kubebuilder:validation:XValidation:rule="has(self.namespace) || has(self.owner) || has(self.node) || has(self.what)",message="must say what to ignore: set namespace, owner, node or what"
type IgnoreRule struct {
	// Namespace is that of the object with the problem.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// Owner is the workload: its kind and name, such as Deployment/web, or its name.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Owner string `json:"owner,omitempty"`
	// Node is the node with the problem, or on which the pod with the problem runs.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`
	// What is the word for the problem, as in its row: CrashLoopBackOff, Evicted.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	What string `json:"what,omitempty"`
	// Until is when the problems count again. Left out: never.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Until *metav1.Time `json:"until,omitempty"`
	// Reason is shown with each problem that is muted.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// TLSSpec is what an agent's certificate is held against.
type TLSSpec struct {
	// CABundle is PEM, base64 as all bytes in JSON: the authorities that may have
	// signed the agent's certificate. At most 64 KiB.
	// ---
	// The schema does not say format: byte, because CEL rules on that format decode
	// base64 in its URL alphabet, and would refuse every bundle with a + or / in it.
	//
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:MaxLength=87384
	// +kubebuilder:validation:XValidation:rule="size(self) % 4 == 0 && self.matches('^[A-Za-z0-9+/]*={0,2}$')",message="must be PEM certificates, encoded in base64 on one line, as printed by: base64 -w0 ca.crt"
	CABundle []byte `json:"caBundle,omitempty"`

	// ServerName is the name that the agent's certificate must be for, where it is
	// not the endpoint's host: a DNS name or an IP address.
	//
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == '' || isIP(self) || self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')",message="must be a DNS name or an IP address from the agent's certificate, without scheme and port"
	ServerName string `json:"serverName,omitempty"`

	// PinnedSHA256 are the keys that the agent may show, several while one replaces
	// another: SHA-256 of the certificate's SubjectPublicKeyInfo, in hex. With a pin
	// and no CABundle no authority is needed, and the name is not looked at.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be 64 lower-case hex digits: the SHA-256 of the certificate's SubjectPublicKeyInfo, as rollcall-agent certgen prints it"
	PinnedSHA256 []string `json:"pinnedSHA256,omitempty"`
}

// ReportingMode says when an agent reports.
//
// +kubebuilder:validation:Enum=OnDemand;Continuous
type ReportingMode string

const (
	// OnDemand: while somebody asks.
	OnDemand ReportingMode = "OnDemand"
	// Continuous: always; the session is renewed before it ends.
	Continuous ReportingMode = "Continuous"
)

// ReportingSpec is when and how often an agent reports. Durations are written as
// 1500ms, 5s, 1m30s or 0.5h, and are between 100ms and 24h.
// ---
// The rules look whether fields are there, because the API server tries them on the
// default, {}, before the fields' own defaults are in it; and whether they may be
// durations at all, because a field that is none is told of by its own rule.
//
// +kubebuilder:validation:XValidation:rule="!has(self.requestPeriod) || !has(self.cacheTTL) || [self.requestPeriod, self.cacheTTL].exists(d, !d.matches('^[0-9.hms]+$')) || duration(self.requestPeriod) < duration(self.cacheTTL)",message="must be shorter than cacheTTL, or answers expire between two reports: lower requestPeriod or raise cacheTTL",messageExpression="'must be shorter than cacheTTL, or answers expire between two reports: lower requestPeriod (' + self.requestPeriod + ') or raise cacheTTL (' + self.cacheTTL + ')'",fieldPath=".requestPeriod"
// +kubebuilder:validation:XValidation:rule="!has(self.requestPeriod) || !has(self.sessionDuration) || [self.requestPeriod, self.sessionDuration].exists(d, !d.matches('^[0-9.hms]+$')) || duration(self.requestPeriod) < duration(self.sessionDuration)",message="must be shorter than sessionDuration, or a session ends before its second report: lower requestPeriod or raise sessionDuration",messageExpression="'must be shorter than sessionDuration, or a session ends before its second report: lower requestPeriod (' + self.requestPeriod + ') or raise sessionDuration (' + self.sessionDuration + ')'",fieldPath=".requestPeriod"
type ReportingSpec struct {
	// Mode is OnDemand or Continuous.
	//
	// +kubebuilder:default=OnDemand
	Mode ReportingMode `json:"mode,omitempty"`

	// RequestPeriod is how often the agent reports while a session is open. The
	// agent grants no less than its --min-request-period.
	//
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')",message="must be a duration from 100ms to 24h, such as 5s or 1m30s"
	RequestPeriod metav1.Duration `json:"requestPeriod,omitzero"`

	// SessionDuration is how long the agent reports before it must be asked again;
	// the agent grants no more than its --max-session.
	//
	// +kubebuilder:default="30m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')",message="must be a duration from 100ms to 24h, such as 30m or 1h30m"
	SessionDuration metav1.Duration `json:"sessionDuration,omitzero"`

	// CacheTTL is how long after its receipt a report may be served.
	//
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')",message="must be a duration from 100ms to 24h, such as 10s or 1m30s"
	CacheTTL metav1.Duration `json:"cacheTTL,omitzero"`

	// IdleRefresh is how often the master asks for one summary while no session is
	// open; 0s: never.
	// ---
	// It is a pointer because zero, unlike for the others, is not «left out».
	//
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && (duration(self) == duration('0s') || duration(self) >= duration('100ms') && duration(self) <= duration('24h'))",message="must be 0s, which is never, or a duration from 100ms to 24h, such as 5m"
	IdleRefresh *metav1.Duration `json:"idleRefresh,omitempty"`
}

// ClusterAgentStatus is what the master found. Only the master writes it.
type ClusterAgentStatus struct {
	// ObservedGeneration is the generation of the spec that the rest speaks of.
	//
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// ClusterUID is the cluster that answered first, and must from then on where
	// spec.clusterUID does not say otherwise.
	//
	// +kubebuilder:validation:MaxLength=64
	ClusterUID string `json:"clusterUID,omitempty"`

	// AgentVersion is the version that the agent gave when it last answered.
	//
	// +kubebuilder:validation:MaxLength=64
	AgentVersion string `json:"agentVersion,omitempty"`

	// KubernetesVersion is the member API server's, as the agent last gave it.
	//
	// +kubebuilder:validation:MaxLength=64
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// Session is what goes on between master and agent.
	Session SessionStatus `json:"session,omitzero"`

	// Conditions are Ready and Reporting.
	//
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('1970-01-01T00:00:00Z'))",message="lastTransitionTime must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SessionPhase says what the master does with an agent.
//
// +kubebuilder:validation:Enum=Idle;Connecting;Reporting;Backoff
type SessionPhase string

const (
	// PhaseIdle: nobody asks, so nothing is open.
	PhaseIdle SessionPhase = "Idle"
	// PhaseConnecting: the master dials, or waits for the first report.
	PhaseConnecting SessionPhase = "Connecting"
	// PhaseReporting: reports arrive.
	PhaseReporting SessionPhase = "Reporting"
	// PhaseBackoff: the last attempt failed, and the master waits before the next.
	PhaseBackoff SessionPhase = "Backoff"
)

// SessionStatus is the session that runs, or what is left of the last one.
type SessionStatus struct {
	// ID names the session in the logs of master and agent.
	//
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	Phase SessionPhase `json:"phase,omitempty"`

	// Holder is the master process that has the session: random, new at each start.
	//
	// +kubebuilder:validation:MaxLength=64
	Holder string `json:"holder,omitempty"`

	// StartedAt is when the agent granted the session.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// ExpiresAt is when the session ends unless it is renewed.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// LastEndReason is why the session before ended: expired, stopped, superseded, …
	//
	// +kubebuilder:validation:MaxLength=64
	LastEndReason string `json:"lastEndReason,omitempty"`

	// Message is for people: the last error, and what to do about it.
	//
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// ClusterAgentList is a list of ClusterAgents.
//
// +kubebuilder:object:root=true
type ClusterAgentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ClusterAgent `json:"items"`
}
