package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterAgent registers one member cluster with the master: the endpoint of its agent, how to
// verify it, and how often it reports. The ClusterAgents are the only registry of clusters.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=clag,categories=rollcall
// +kubebuilder:printcolumn:name=Connection,type=string,JSONPath=`.spec.connection`,description="Who opens connections: the master (Dial) or the agent (Reverse)."
// +kubebuilder:printcolumn:name=Endpoint,type=string,JSONPath=`.spec.endpoint`
// +kubebuilder:printcolumn:name=Phase,type=string,JSONPath=`.status.session.phase`,description="State of the connection: Idle, Connecting, Reporting or Backoff."
// +kubebuilder:printcolumn:name=Ready,type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether the cluster can be queried."
// +kubebuilder:printcolumn:name=Expires,type=string,JSONPath=`.status.session.expiresAt`,description="When the current session ends unless it is renewed."
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

// ClusterAgentSpec has the settings of a cluster.
//
// +kubebuilder:validation:XValidation:rule="(has(self.connection) && self.connection == 'Reverse') || has(self.endpoint)",message="is required: set it to the agent's URL, such as wss://10.20.0.7:7443, or set connection: Reverse if the agent dials the master",fieldPath=".endpoint"
// +kubebuilder:validation:XValidation:rule="!has(self.connection) || self.connection != 'Reverse' || !has(self.endpoint)",message="has no effect with spec.connection: Reverse, since the agent dials the master: remove it",fieldPath=".endpoint"
// +kubebuilder:validation:XValidation:rule="(has(self.connection) && self.connection == 'Reverse') || !has(self.link)",message="has no effect unless connection is Reverse: remove it",fieldPath=".link"
// +kubebuilder:validation:XValidation:rule="(has(self.connection) && self.connection == 'Reverse') || !has(self.join)",message="has no effect unless connection is Reverse: remove it, and set the agent's key in tls.pinnedSHA256",fieldPath=".join"
// +kubebuilder:validation:XValidation:rule="(has(self.connection) && self.connection == 'Reverse') || !has(self.identity)",message="has no effect unless connection is Reverse: remove it, and set the agent's key in tls.pinnedSHA256",fieldPath=".identity"
// +kubebuilder:validation:XValidation:rule="!has(self.identity) || !has(self.identity.serviceAccount) || !has(self.link) || !has(self.link.channelBinding) || self.link.channelBinding != 'None' || (has(self.identity.serviceAccount.allowUnbound) && self.identity.serviceAccount.allowUnbound)",message="is a token that a proxy which terminates TLS can take: set identity.serviceAccount.allowUnbound: true to accept that, or use join or tls.pinnedSHA256",fieldPath=".identity"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.endpoint) || !self.endpoint.startsWith('ws://')",message="has no effect on a ws:// endpoint, which is not encrypted: use wss://, or remove tls",fieldPath=".tls"
type ClusterAgentSpec struct {
	// Connection says who opens connections: Dial, the master dials the agent at the endpoint, or
	// Reverse, the agent dials the master, for clusters that cannot be dialed. The agent then runs
	// with --hub or a join token, and its key is in tls.pinnedSHA256, or is enrolled by join or by
	// identity.
	//
	// +kubebuilder:default=Dial
	Connection Connection `json:"connection,omitempty"`

	// Link has the settings of connections that the agent opens.
	//
	// +optional
	Link LinkSpec `json:"link,omitzero"`

	// Join accepts the agent with a join token, once: its key is then enrolled in status.identity.
	// It has no effect while tls.pinnedSHA256 is set.
	//
	// +optional
	Join *JoinSpec `json:"join,omitempty"`

	// Identity says how an agent without a join token proves that it is the agent of this cluster:
	// its key is then enrolled in status.identity. It has no effect while tls.pinnedSHA256 is set.
	//
	// +optional
	Identity IdentitySpec `json:"identity,omitzero"`

	// Endpoint is the agent's URL: wss:// (or ws://, if agent and master run with --insecure, and the
	// agent with --channel-binding=off), a host name or IP address, and a port. The default port
	// is 443 for wss and 80 for ws. The master adds the path /v1/report. It is required unless
	// connection is Reverse.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=300
	// +kubebuilder:validation:XValidation:rule="isURL(self) && (self.startsWith('wss://') || self.startsWith('ws://'))",message="must be a URL that begins with wss:// (or with ws:// where the agent runs with --insecure), such as wss://10.20.0.7:7443"
	// +kubebuilder:validation:XValidation:rule="self.matches('^([A-Za-z]+://)?[^/?#@]*$')",message="must be host and port only, such as wss://10.20.0.7:7443: remove path, query, fragment and user; the master adds /v1/report itself"
	// +kubebuilder:validation:XValidation:rule="!isURL(self) || self.matches('^[A-Za-z]+://([^/?#]*@)?([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[0-9]*)?([/?#].*)?$')",message="must name a host by a DNS name or an IP address (an IPv6 address in brackets), such as wss://[2001:db8::7]:7443"
	// +kubebuilder:validation:XValidation:rule="!self.matches(':[0-9]*$') || self.matches(':([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$')",message="must have a port from 1 to 65535, or none, which is 443 for wss and 80 for ws"
	Endpoint string `json:"endpoint,omitempty"`

	// ClusterIPs are addresses that clients may use instead of the cluster's name. If two
	// ClusterAgents list the same address, the older one owns it.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=45
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) && ip.isCanonical(self)",message="must be an IP address in its canonical form, such as 203.0.113.7 or 2001:db8::7: no host name, no port, no leading zeros, IPv6 shortened and in lower case"
	ClusterIPs []string `json:"clusterIPs,omitempty"`

	// ClusterUID is the UID of the member's kube-system namespace. Agents of other clusters are
	// refused. If it is empty, the UID of the first answer is used (status.clusterUID).
	//
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]*$')",message="must be the UID of the member's kube-system namespace, as printed by: kubectl get namespace kube-system -o jsonpath={.metadata.uid}"
	ClusterUID string `json:"clusterUID,omitempty"`

	// TLS sets how the master verifies the agent of a wss endpoint. By default the certificate
	// must be signed by an authority that the master's host trusts.
	TLS TLSSpec `json:"tls,omitzero"`

	// Reporting sets when and how often the agent reports.
	//
	// +kubebuilder:default={}
	Reporting ReportingSpec `json:"reporting,omitzero"`

	// Health sets what counts for the cluster's health.
	//
	// +optional
	Health HealthSpec `json:"health,omitzero"`

	// Suspend ends a running session and keeps the master from connecting to the agent.
	Suspend bool `json:"suspend,omitempty"`
}

// HealthSpec sets what counts for a cluster's health.
type HealthSpec struct {
	// Ignore mutes problems: they are listed as muted, and do not count. The annotation
	// rollcall.dev/mute of a pod or node does the same for its problems.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Ignore []IgnoreRule `json:"ignore,omitempty"`
}

// IgnoreRule mutes the problems that match all of its fields.
//
// +kubebuilder:validation:XValidation:rule="has(self.namespace) || has(self.owner) || has(self.node) || has(self.what)",message="must say what to ignore: set namespace, owner, node or what"
type IgnoreRule struct {
	// Namespace is the namespace of the object with the problem.
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
	// Node is the node with the problem, or the node of the pod with the problem.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`
	// What is the name of the problem, such as CrashLoopBackOff or Evicted.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	What string `json:"what,omitempty"`
	// Until is when the rule ends. If it is not set, the rule never ends.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Until *metav1.Time `json:"until,omitempty"`
	// Reason is shown with each muted problem.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// TLSSpec sets how an agent's certificate is verified.
type TLSSpec struct {
	// CABundle has the PEM certificates of the authorities that may have signed the agent's
	// certificate, encoded in base64. At most 64 KiB.
	// ---
	// The schema does not set format: byte, because CEL rules on that format decode base64 in its
	// URL alphabet and would reject every bundle with a + or / in it.
	//
	// +kubebuilder:validation:Format=""
	// +kubebuilder:validation:MaxLength=87384
	// +kubebuilder:validation:XValidation:rule="size(self) % 4 == 0 && self.matches('^[A-Za-z0-9+/]*={0,2}$')",message="must be PEM certificates, encoded in base64 on one line, as printed by: base64 -w0 ca.crt"
	CABundle []byte `json:"caBundle,omitempty"`

	// ServerName is the DNS name or IP address that the agent's certificate must have, if it is not
	// the endpoint's host.
	//
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == '' || isIP(self) || self.matches('^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$')",message="must be a DNS name or an IP address from the agent's certificate, without scheme and port"
	ServerName string `json:"serverName,omitempty"`

	// PinnedSHA256 are the keys that the agent may use, several during a key rotation: the SHA-256 of
	// the certificate's SubjectPublicKeyInfo, in hex. With a pin and no CABundle, neither the
	// authority nor the name of the certificate is checked.
	//
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="must be 64 lower-case hex digits: the SHA-256 of the certificate's SubjectPublicKeyInfo, as rollcall-agent certgen prints it"
	PinnedSHA256 []string `json:"pinnedSHA256,omitempty"`
}

// ReportingMode sets when an agent reports.
//
// +kubebuilder:validation:Enum=OnDemand;Continuous
type ReportingMode string

const (
	// OnDemand means that the agent reports while a client reads the cluster.
	OnDemand ReportingMode = "OnDemand"
	// Continuous means that the agent always reports: the session is renewed before it ends.
	Continuous ReportingMode = "Continuous"
)

// ReportingSpec sets when and how often an agent reports. Durations are written as 1500ms, 5s,
// 1m30s or 0.5h, and are between 100ms and 24h.
// ---
// The rules check whether fields are set, because the API server evaluates them for the default,
// {}, before the fields' own defaults are applied. They also check whether the fields are
// durations at all, because another rule reports invalid ones.
//
// +kubebuilder:validation:XValidation:rule="!has(self.requestPeriod) || !has(self.cacheTTL) || [self.requestPeriod, self.cacheTTL].exists(d, !d.matches('^[0-9.hms]+$')) || duration(self.requestPeriod) < duration(self.cacheTTL)",message="must be shorter than cacheTTL, or answers expire between two reports: lower requestPeriod or raise cacheTTL",messageExpression="'must be shorter than cacheTTL, or answers expire between two reports: lower requestPeriod (' + self.requestPeriod + ') or raise cacheTTL (' + self.cacheTTL + ')'",fieldPath=".requestPeriod"
// +kubebuilder:validation:XValidation:rule="!has(self.requestPeriod) || !has(self.sessionDuration) || [self.requestPeriod, self.sessionDuration].exists(d, !d.matches('^[0-9.hms]+$')) || duration(self.requestPeriod) < duration(self.sessionDuration)",message="must be shorter than sessionDuration, or a session ends before its second report: lower requestPeriod or raise sessionDuration",messageExpression="'must be shorter than sessionDuration, or a session ends before its second report: lower requestPeriod (' + self.requestPeriod + ') or raise sessionDuration (' + self.sessionDuration + ')'",fieldPath=".requestPeriod"
type ReportingSpec struct {
	// Mode is OnDemand or Continuous.
	//
	// +kubebuilder:default=OnDemand
	Mode ReportingMode `json:"mode,omitempty"`

	// RequestPeriod is how often the agent reports while a session is open. The agent grants no less
	// than its --min-request-period.
	//
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')",message="must be a duration from 100ms to 24h, such as 5s or 1m30s"
	RequestPeriod metav1.Duration `json:"requestPeriod,omitzero"`

	// SessionDuration is how long the agent reports until the session has to be renewed. The agent
	// grants no more than its --max-session.
	//
	// +kubebuilder:default="30m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')",message="must be a duration from 100ms to 24h, such as 30m or 1h30m"
	SessionDuration metav1.Duration `json:"sessionDuration,omitzero"`

	// CacheTTL is for how long a report is served after it is received.
	//
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('24h')",message="must be a duration from 100ms to 24h, such as 10s or 1m30s"
	CacheTTL metav1.Duration `json:"cacheTTL,omitzero"`

	// IdleRefresh is how often the master requests a summary while no session is open; 0s: never.
	// ---
	// It is a pointer because zero, unlike for the other durations, differs from an unset value.
	//
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && (duration(self) == duration('0s') || duration(self) >= duration('100ms') && duration(self) <= duration('24h'))",message="must be 0s, which is never, or a duration from 100ms to 24h, such as 5m"
	IdleRefresh *metav1.Duration `json:"idleRefresh,omitempty"`
}

// ClusterAgentStatus is the observed state of a ClusterAgent. Only the master writes it.
type ClusterAgentStatus struct {
	// ObservedGeneration is the generation of the spec that this status is based on.
	//
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// ClusterUID is the UID of the cluster that answered first. Other clusters are refused, unless
	// spec.clusterUID names another one.
	//
	// +kubebuilder:validation:MaxLength=64
	ClusterUID string `json:"clusterUID,omitempty"`

	// AgentVersion is the agent's version in its last answer.
	//
	// +kubebuilder:validation:MaxLength=64
	AgentVersion string `json:"agentVersion,omitempty"`

	// KubernetesVersion is the version of the member's API server in the agent's last answer.
	//
	// +kubebuilder:validation:MaxLength=64
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// Session is the session between master and agent.
	Session SessionStatus `json:"session,omitzero"`

	// Link is the idle connection of an agent that dials the master. It is empty without one.
	Link LinkStatus `json:"link,omitzero"`

	// Identity has the enrolled keys of an agent that dials the master.
	Identity IdentityStatus `json:"identity,omitzero"`

	// Conditions has the conditions Ready, Reporting and ChannelBound, and Linked if connection is
	// Reverse.
	//
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('1970-01-01T00:00:00Z'))",message="lastTransitionTime must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SessionPhase is the state of the connection between master and agent.
//
// +kubebuilder:validation:Enum=Idle;Connecting;Reporting;Backoff
type SessionPhase string

const (
	// PhaseIdle means that no client reads the cluster, so there is no connection.
	PhaseIdle SessionPhase = "Idle"
	// PhaseConnecting means that the master is connecting or waiting for the first report.
	PhaseConnecting SessionPhase = "Connecting"
	// PhaseReporting means that reports arrive.
	PhaseReporting SessionPhase = "Reporting"
	// PhaseBackoff means that the last attempt failed, and that the master waits before the next one.
	PhaseBackoff SessionPhase = "Backoff"
)

// SessionStatus describes the current session, or the end of the last one.
type SessionStatus struct {
	// ID identifies the session in the logs of master and agent.
	//
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	Phase SessionPhase `json:"phase,omitempty"`

	// Holder is the ID of the master process that has the session, chosen at random at each start.
	//
	// +kubebuilder:validation:MaxLength=64
	Holder string `json:"holder,omitempty"`

	// StartedAt is when the agent accepted the session.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// ExpiresAt is when the session ends unless it is renewed.
	//
	// +kubebuilder:validation:XValidation:rule="self >= timestamp('1970-01-01T00:00:00Z')",message="must be a time since 1970 in RFC 3339, such as 2026-11-22T10:00:00Z"
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// LastEndReason is why the previous session ended: expired, stopped, superseded, …
	//
	// +kubebuilder:validation:MaxLength=64
	LastEndReason string `json:"lastEndReason,omitempty"`

	// Message has the last error and what to do about it.
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
