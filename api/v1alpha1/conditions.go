package v1alpha1

// Types of conditions.
const (
	// ConditionReady of a ClusterAgent: the cluster can be asked. False says what has
	// to be done before it can, Unknown that nobody has tried yet.
	ConditionReady = "Ready"
	// ConditionReporting of a ClusterAgent: a session is open and reports arrive.
	ConditionReporting = "Reporting"
	// ConditionChannelBound of a ClusterAgent: what the master signs for its agent holds for
	// their TLS connection alone, so that nobody in between can use it. False: it does not,
	// by the agent's own flags, which the master cannot change. Unknown: no agent has
	// answered yet.
	ConditionChannelBound = "ChannelBound"
	// ConditionHealthy of a ClusterStatus: the cluster has no problem that a person
	// has to look at, as its last summary says. Unknown: there is no summary to go by.
	ConditionHealthy = "Healthy"
)

// Reasons of Ready that need nobody to do anything.
const (
	// ReasonSucceeded (True): the agent answered the last time it was called.
	ReasonSucceeded = "Succeeded"
	// ReasonAwaitingFirstContact (Unknown): the agent has not been called since the
	// ClusterAgent was made or changed. With idleRefresh 0s that lasts until somebody
	// asks for the cluster.
	ReasonAwaitingFirstContact = "AwaitingFirstContact"
	// ReasonSuspended (False): spec.suspend is set. Also of Reporting.
	ReasonSuspended = "Suspended"
)

// Reasons of Ready=False that a change of the ClusterAgent, or of another one, ends.
const (
	// ReasonEndpointInvalid: spec.endpoint passed the schema, but cannot be dialed:
	// a malformed address, or ws:// and a master that runs without --insecure.
	ReasonEndpointInvalid = "EndpointInvalid"
	// ReasonTLSInvalid: spec.tls cannot be used: caBundle holds no PEM certificate.
	ReasonTLSInvalid = "TLSInvalid"
	// ReasonClusterIPConflict: an older ClusterAgent has one of spec.clusterIPs. The
	// cluster is reached by its name, and by the address once the older one is gone.
	ReasonClusterIPConflict = "ClusterIPConflict"
	// ReasonClusterUIDMismatch: another cluster than before, or than spec.clusterUID
	// says, answers; its data is refused. Set spec.clusterUID to accept it.
	ReasonClusterUIDMismatch = "ClusterUIDMismatch"
	// ReasonWrongCluster: the agent answers for another name; its --cluster-name and
	// the ClusterAgent's name have to be the same.
	ReasonWrongCluster = "WrongCluster"
	// ReasonPeriodNotGranted: the agent granted a longer period than requestPeriod,
	// and one that is not below cacheTTL or the granted duration. Raise cacheTTL, or
	// lower the agent's --min-request-period.
	ReasonPeriodNotGranted = "PeriodNotGranted"
)

// Reasons of Ready=False that have to be looked for at the agent, or on the way to
// it. The master tries again by itself.
const (
	// ReasonDialFailed: nobody answers at spec.endpoint, or somebody who is no agent.
	ReasonDialFailed = "DialFailed"
	// ReasonCertificateRefused: who answers shows a certificate that spec.tls does not
	// accept. Compare spec.tls.pinnedSHA256 with the agent's key.
	ReasonCertificateRefused = "CertificateRefused"
	// ReasonUnauthorized: the agent refuses the master's token, or its signature. Give it
	// the public key that belongs to the master's --signing-key-file. Where something
	// between the two ends TLS the message says so: let it pass TLS through, or start the
	// agent with --channel-binding=off.
	ReasonUnauthorized = "Unauthorized"
	// ReasonClockSkew (True): the clocks of master and agent differ by more than a token
	// allows; the message says by how much. All works, by a nonce of the agent's in place of
	// a time, and each dial takes a second connection. Set both clocks right.
	ReasonClockSkew = "ClockSkew"
	// ReasonProtocolUnsupported: master and agent have no protocol version in common.
	// Update the older of the two. An agent of a version before protocol 3 refuses the token
	// already; the message says so.
	ReasonProtocolUnsupported = "ProtocolUnsupported"
	// ReasonProtocolError: the cluster takes more of the master's memory than it may
	// (--cluster-max-memory, --state-max-memory), or its agent's messages could not be followed, three times
	// within ten minutes. The message says why; it is worth a bug report.
	ReasonProtocolError = "ProtocolError"
	// ReasonBusy: the agent reports to as many masters as it can.
	ReasonBusy = "Busy"
	// ReasonAgentNotReady: the agent cannot read its cluster yet, or no longer.
	ReasonAgentNotReady = "AgentNotReady"
)

// Reasons of Reporting. ReasonSuspended is one too.
const (
	// ReasonSessionOpen (True): the agent reports every period.
	ReasonSessionOpen = "SessionOpen"
	// ReasonSectionsStale (True): the agent reports every period, and parts of what it
	// reports are old, as it cannot read them from its API server. The message says which,
	// since when, and why.
	ReasonSectionsStale = "SectionsStale"
	// ReasonConnecting (False): the master dials, or waits for the first report.
	ReasonConnecting = "Connecting"
	// ReasonNoDemand (False): nobody asks for the cluster, so nothing is open.
	ReasonNoDemand = "NoDemand"
	// ReasonBackoff (False): the last attempt failed; Ready says why.
	ReasonBackoff = "Backoff"
)

// Reasons of ChannelBound.
const (
	// ReasonTLSBound (True): signatures are over the TLS 1.3 connection.
	ReasonTLSBound = "TLSBound"
	// ReasonBindingOff (False): the agent runs with --channel-binding=off: anyone who ends TLS
	// before it, or is on the network path of plain ws, can read and use the connection.
	ReasonBindingOff = "BindingOff"
	// ReasonNotSigned (False): the agent runs with --auth none, and checks no signatures.
	ReasonNotSigned = "NotSigned"
	// ReasonNotAnswered (Unknown): no agent has answered since the ClusterAgent was made or
	// changed.
	ReasonNotAnswered = "NotAnswered"
)

// Reasons of Healthy.
const (
	// ReasonNoProblems (True): the last summary is healthy.
	ReasonNoProblems = "NoProblems"
	// ReasonProblems (False): the last summary is not healthy; its problems say why.
	ReasonProblems = "Problems"
	// ReasonStale (Unknown): the last fetch failed, or the agent cannot read nodes or pods
	// from its API server, so that the summary is older than it should be; how old,
	// observedAt says.
	ReasonStale = "Stale"
)
