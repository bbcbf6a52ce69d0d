package v1alpha1

// Reasons of the Events about a ClusterAgent. A Warning has the reason of the condition Ready that it is about, such
// as DialFailed, CertificateRefused or ClusterUIDMismatch.
const (
	// EventFirstContact (Normal): the agent answered for the first time.
	EventFirstContact = "FirstContact"
	// EventReachable (Normal): the agent answers again, or answers for the first time since the spec changed.
	EventReachable = "Reachable"
	// EventLinkRefused (Warning): an agent with the name of the cluster dialed the master and was refused. The text has
	// the cause. It says nothing about the cluster's own agent, which may be connected.
	EventLinkRefused = "LinkRefused"
	// EventKeyEnrolled (Normal): the keys of an agent that dials the master were changed: one was enrolled by a join token
	// or a service account token, or the agent rotates its key. The text has the SHA-256 of the key.
	EventKeyEnrolled = "KeyEnrolled"
	// EventClusterUIDChanged (Normal): another cluster than before is accepted, because spec.clusterUID names it.
	EventClusterUIDChanged = "ClusterUIDChanged"
)

// EventAction is the action of the Events about a ClusterAgent. Those of EventLinkRefused and
// EventKeyEnrolled have a suffix, which differs between causes.
const EventAction = "Connect"
