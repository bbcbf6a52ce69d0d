package v1

import (
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Media types of responses. That of a watch has a parameter that tells it apart from a list, as in the OpenAPI document
// of Kubernetes.
const (
	JSONMediaType    = "application/json"
	WatchMediaType   = "application/json;stream=watch"
	ProblemMediaType = "application/problem+json"
)

// Problem is an error response (RFC 9457).
type Problem struct {
	Title string `json:"title"`
	// Status is the HTTP status code.
	Status int `json:"status"`
	// Reason is machine-readable: BadRequest, Unauthorized, Forbidden, NotFound, Suspended, Expired,
	// NoReport, and others.
	Reason string `json:"reason"`
	// Detail is human-readable and says what to do.
	Detail string `json:"detail"`
	// Parameter is the invalid query parameter.
	Parameter string `json:"parameter,omitempty"`
	Cluster   string `json:"cluster,omitempty"`
	// LastError is the error of the last connection to the cluster's agent.
	LastError string `json:"lastError,omitempty"`
	// LastKnown is the last summary of the cluster, as of LastObservedAt.
	LastObservedAt time.Time      `json:"lastObservedAt,omitzero"`
	LastKnown      *state.Summary `json:"lastKnown,omitempty"`
	// RetryAfter is the value of the header Retry-After, zero if it is absent. It is not part of the
	// body.
	RetryAfter time.Duration `json:"-"`
}

// Error implements error.
func (p *Problem) Error() string { return fmt.Sprintf("%s (%s)", p.Detail, p.Reason) }
