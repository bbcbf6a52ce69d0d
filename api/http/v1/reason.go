package v1

// Reasons of a Problem, in addition to ReasonSuspended and, if an agent cannot be reached, the reasons of the condition
// Ready of its ClusterAgent.
const (
	// ReasonBadRequest: the request is invalid; `parameter` names the invalid parameter.
	ReasonBadRequest = "BadRequest"
	// ReasonUnauthorized: the caller is not authenticated.
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden: the caller is not authorized.
	ReasonForbidden = "Forbidden"
	// ReasonAuthorizerUnavailable: the hub cannot be reached to authenticate or authorize the caller.
	ReasonAuthorizerUnavailable = "Undecided"
	// ReasonNoSuchPath: no route has this path.
	ReasonNoSuchPath = "NoSuchPath"
	// ReasonNotFound: no ClusterAgent has this name or cluster IP.
	ReasonNotFound = "NotFound"
	// ReasonRegistryUnavailable: this master cannot read which clusters are registered.
	ReasonRegistryUnavailable = "RegistryUnavailable"
	// ReasonMethodNotAllowed: the path does not support the method.
	ReasonMethodNotAllowed = "MethodNotAllowed"
	// ReasonTooManyRequests: the caller's address has too many open unauthenticated requests or
	// sends too many invalid tokens, or the caller has too many pending access reviews.
	ReasonTooManyRequests = "TooManyRequests"
	// ReasonNoReport: no report arrived before the timeout.
	ReasonNoReport = "NoReport"
	// ReasonNotReady: this master is not ready; /readyz lists the failing checks.
	ReasonNotReady = "NotReady"
	// ReasonShuttingDown: this master is shutting down; another one takes over.
	ReasonShuttingDown = "ShuttingDown"
	// ReasonUnreadable: the master cannot decode the cluster's last report. It requests all of it from the agent again.
	ReasonUnreadable = "Unreadable"
	// ReasonInternal: an internal error, which is in the master's log.
	ReasonInternal = "Internal"
	// ReasonExpired: the resourceVersion is too old or unknown.
	ReasonExpired = "Expired"
	// ReasonCrossOrigin: a page of another site opens a websocket, or signs in or out.
	ReasonCrossOrigin = "CrossOrigin"
	// ReasonMisdirected: the Host header is not accepted.
	ReasonMisdirected = "Misdirected"
)
