package v1alpha1

// Types of conditions.
const (
	// ConditionReady of a ClusterAgent: the cluster can be asked. False says what has
	// to be done before it can, Unknown that nobody has tried yet.
	ConditionReady = "Ready"
	// ConditionReporting of a ClusterAgent: a session is open and reports arrive.
	ConditionReporting = "Reporting"
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
	// ReasonUnauthorized: the agent refuses the master's token. Give it the public key
	// that belongs to the master's --signing-key-file.
	ReasonUnauthorized = "Unauthorized"
	// ReasonClockSkew: the clocks of master and agent differ by more than a token
	// allows; the message says by how much. With status True the master signs by the
	// agent's clock and all works; by more than 4 min it does not, since who answers could
	// say any time.
	ReasonClockSkew = "ClockSkew"
	// ReasonProtocolUnsupported: master and agent have no protocol version in common.
	// Update the older of the two.
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
