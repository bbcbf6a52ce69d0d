package v1alpha1

// Types of conditions. In the comments, a reason is followed by the status of its condition.
const (
	// ConditionReady of a ClusterAgent: the cluster can be queried. If it is False, the message says
	// what has to be done. Unknown: no attempt was made yet.
	ConditionReady = "Ready"
	// ConditionReporting of a ClusterAgent: a session is open and reports arrive.
	ConditionReporting = "Reporting"
	// ConditionChannelBound of a ClusterAgent: the master's signatures are valid only for its TLS
	// connection with the agent, so that nobody in between can use them. False: they are not,
	// because of the agent's own flags, which the master cannot change. Unknown: no agent has
	// answered yet.
	ConditionChannelBound = "ChannelBound"
	// ConditionLinked of a ClusterAgent with connection: Reverse: its agent has an idle connection to
	// the master, on which sessions can begin. Other ClusterAgents do not have it.
	ConditionLinked = "Linked"
	// ConditionHealthy of a ClusterStatus: according to its last summary the cluster has no
	// lasting critical problem. Unknown: there is no current summary.
	ConditionHealthy = "Healthy"
)

// Reasons of Ready that require no action.
const (
	// ReasonSucceeded (True): the agent answered the last connection.
	ReasonSucceeded = "Succeeded"
	// ReasonAwaitingFirstContact (Unknown): the agent has not been contacted since the
	// ClusterAgent was created or changed. With idleRefresh 0s this lasts until a client reads the
	// cluster.
	ReasonAwaitingFirstContact = "AwaitingFirstContact"
	// ReasonSuspended (False): spec.suspend is set. Also a reason of Reporting.
	ReasonSuspended = "Suspended"
)

// Reasons of Ready=False that a change of this or another ClusterAgent resolves.
const (
	// ReasonEndpointInvalid: spec.endpoint passed the schema but cannot be dialed: the address is
	// malformed, or it is ws:// and the master runs without --insecure.
	ReasonEndpointInvalid = "EndpointInvalid"
	// ReasonTLSInvalid: spec.tls cannot be used: caBundle has no PEM certificate.
	ReasonTLSInvalid = "TLSInvalid"
	// ReasonClusterIPConflict: an older ClusterAgent owns one of spec.clusterIPs. The cluster is
	// available by its name, and by the address once the older ClusterAgent is deleted.
	ReasonClusterIPConflict = "ClusterIPConflict"
	// ReasonClusterUIDMismatch: another cluster answers than before, or than spec.clusterUID
	// requires. Its data is refused. Set spec.clusterUID to accept it.
	ReasonClusterUIDMismatch = "ClusterUIDMismatch"
	// ReasonWrongCluster: the agent has another cluster name. Its --cluster-name and the
	// ClusterAgent's name must be equal.
	ReasonWrongCluster = "WrongCluster"
	// ReasonPeriodNotGranted: the agent granted a longer period than requestPeriod, which is not
	// below cacheTTL or the granted duration. Raise cacheTTL, or lower the agent's
	// --min-request-period.
	ReasonPeriodNotGranted = "PeriodNotGranted"
)

// Reasons of Ready=False that are resolved at the agent or on the network path. The master retries
// automatically.
const (
	// ReasonDialFailed: nothing answers at spec.endpoint, or something other than an agent.
	ReasonDialFailed = "DialFailed"
	// ReasonNotLinked: with connection: Reverse, the agent has no connection to this master. Check that
	// the agent runs with --hub and the address of this hub, and that its key is in
	// spec.tls.pinnedSHA256; the agent's log has the cause. Also a reason of Linked.
	ReasonNotLinked = "NotLinked"
	// ReasonCertificateRefused: spec.tls does not accept the certificate at spec.endpoint. Compare
	// spec.tls.pinnedSHA256 with the agent's key.
	ReasonCertificateRefused = "CertificateRefused"
	// ReasonUnauthorized: the agent refuses the master's token or signature. Give the agent the
	// public key of the master's --signing-key-file. If a proxy ends TLS between the two, the
	// message says so: configure TLS passthrough, or start the agent with --channel-binding=off.
	ReasonUnauthorized = "Unauthorized"
	// ReasonClockSkew (True): the clocks of master and agent differ by more than tokens allow. The
	// message says by how much. Connections succeed with a nonce of the agent, but each takes a
	// second attempt. Synchronize both clocks.
	ReasonClockSkew = "ClockSkew"
	// ReasonProtocolUnsupported: master and agent have no common protocol version. Update the
	// older of the two. An agent before protocol 3 already refuses the token; the message says so.
	ReasonProtocolUnsupported = "ProtocolUnsupported"
	// ReasonProtocolError: the cluster exceeds the master's memory limits (--cluster-max-memory,
	// --state-max-memory), or its agent's messages were inconsistent three times within ten
	// minutes. The message has the cause. Please report inconsistent messages as a bug.
	ReasonProtocolError = "ProtocolError"
	// ReasonBusy: the agent reports to as many masters as it allows.
	ReasonBusy = "Busy"
	// ReasonAgentNotReady: the agent cannot read its cluster.
	ReasonAgentNotReady = "AgentNotReady"
)

// Reasons of Reporting, in addition to ReasonSuspended.
const (
	// ReasonSessionOpen (True): the agent reports every period.
	ReasonSessionOpen = "SessionOpen"
	// ReasonSectionsStale (True): the agent reports every period, but some sections are outdated
	// because it cannot read them from its API server. The message says which, since when, and
	// why.
	ReasonSectionsStale = "SectionsStale"
	// ReasonConnecting (False): the master is connecting or waiting for the first report.
	ReasonConnecting = "Connecting"
	// ReasonNoDemand (False): no client reads the cluster, so there is no session.
	ReasonNoDemand = "NoDemand"
	// ReasonBackoff (False): the last attempt failed; the condition Ready has the cause.
	ReasonBackoff = "Backoff"
)

// Reasons of Linked, in addition to ReasonNotLinked.
const (
	// ReasonLinkOpen (True): the agent is connected, so sessions can begin.
	ReasonLinkOpen = "LinkOpen"
)

// Reasons of ChannelBound.
const (
	// ReasonTLSBound (True): signatures cover the TLS 1.3 connection.
	ReasonTLSBound = "TLSBound"
	// ReasonBindingOff (False): the agent runs with --channel-binding=off: anyone who ends TLS
	// before it, or is on the network path of plain ws, can read and use the connection.
	ReasonBindingOff = "BindingOff"
	// ReasonNotSigned (False): the agent runs with --auth none and checks no signatures.
	ReasonNotSigned = "NotSigned"
	// ReasonNotAnswered (Unknown): no agent has answered since the ClusterAgent was created or
	// changed.
	ReasonNotAnswered = "NotAnswered"
)

// Reasons of Healthy.
const (
	// ReasonNoProblems (True): the last summary is healthy.
	ReasonNoProblems = "NoProblems"
	// ReasonProblems (False): the last summary is not healthy; its problems have the causes.
	ReasonProblems = "Problems"
	// ReasonStale (Unknown): the last attempt failed, or the agent cannot read nodes or pods from
	// its API server, so the summary is outdated. observedAt is its time.
	ReasonStale = "Stale"
)
