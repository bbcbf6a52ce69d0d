package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Reasons of a Problem, in addition to those of package session.
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
	// ReasonMethodNotAllowed: the path does not support the method.
	ReasonMethodNotAllowed = "MethodNotAllowed"
	// ReasonTooManyRequests: the caller's address has too many open unauthenticated requests or
	// sends too many invalid tokens, or the caller has too many pending access reviews.
	ReasonTooManyRequests = "TooManyRequests"
	// ReasonSuspended: spec.suspend of the ClusterAgent is true.
	ReasonSuspended = "Suspended"
	// ReasonNoReport: no report arrived before the timeout.
	ReasonNoReport = "NoReport"
	// ReasonNotReady: this master is not ready; /readyz lists the failing checks.
	ReasonNotReady = "NotReady"
	// ReasonShuttingDown: this master is shutting down; another one takes over.
	ReasonShuttingDown = "ShuttingDown"
	// ReasonInternal: an internal error, which is in the master's log.
	ReasonInternal = "Internal"
)

// Problem is an error response: application/problem+json of RFC 9457.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Reason is machine-readable.
	Reason string `json:"reason"`
	// Detail is for people and says what to do.
	Detail string `json:"detail"`
	// Parameter is the invalid query parameter.
	Parameter string `json:"parameter,omitempty"`
	Cluster   string `json:"cluster,omitempty"`
	// LastError is why the agent could not be reached.
	LastError string `json:"lastError,omitempty"`
	// LastKnown is the last summary of the agent, as of LastObservedAt.
	LastObservedAt time.Time      `json:"lastObservedAt,omitzero"`
	LastKnown      *state.Summary `json:"lastKnown,omitempty"`

	// retryAfter is the value of Retry-After; zero for none.
	retryAfter time.Duration
}

func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Reason, p.Detail) }

func (p *Problem) write(w http.ResponseWriter) {
	p.Title = http.StatusText(p.Status)
	p.LastObservedAt = p.LastObservedAt.UTC().Truncate(time.Millisecond)
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		body.Reset()
		fmt.Fprintf(&body, `{"status":%d,"reason":%q}`, p.Status, p.Reason)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	p.setRetryAfter(h)
	w.WriteHeader(p.Status)
	// A failed write means that the client has disconnected.
	_, _ = body.WriteTo(w)
}

func (p *Problem) setRetryAfter(h http.Header) {
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatFloat(max(1, math.Ceil(p.retryAfter.Seconds())), 'f', 0, 64))
	}
}

// quoteShort quotes a string from outside for use in a message, shortened to 80 bytes.
func quoteShort(s string) string {
	const shown = 80
	if len(s) > shown {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:shown], "\ufffd"))
	}
	return strconv.Quote(s)
}
