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

	httpv1 "rollcall.dev/rollcall/api/http/v1"
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
	// ReasonRegistryUnavailable: this master cannot read which clusters are registered.
	ReasonRegistryUnavailable = "RegistryUnavailable"
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
	// ReasonUnreadable: the master cannot decode the cluster's last report. It requests all of it from the agent again.
	ReasonUnreadable = "Unreadable"
	// ReasonInternal: an internal error, which is in the master's log.
	ReasonInternal = "Internal"
)

// writeProblem writes p as the response.
func writeProblem(w http.ResponseWriter, p *httpv1.Problem) {
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
	h.Set("Content-Type", httpv1.ProblemMediaType)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	setRetryAfter(h, p)
	w.WriteHeader(p.Status)
	// A failed write means that the client has disconnected.
	_, _ = body.WriteTo(w)
}

func setRetryAfter(h http.Header, p *httpv1.Problem) {
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatFloat(max(1, math.Ceil(p.RetryAfter.Seconds())), 'f', 0, 64))
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
