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

// Reasons of a Problem that are not the session's own.
const (
	// ReasonBadRequest: the request cannot be read; `parameter` names what is to blame.
	ReasonBadRequest = "BadRequest"
	// ReasonUnauthorized: the caller has to say who they are.
	ReasonUnauthorized = "Unauthorized"
	// ReasonForbidden: the caller may not see this.
	ReasonForbidden = "Forbidden"
	// ReasonUndecided: the hub cannot be asked who may see what.
	ReasonUndecided = "Undecided"
	// ReasonNoSuchPath: no route has this path.
	ReasonNoSuchPath = "NoSuchPath"
	// ReasonNotFound: no ClusterAgent has this name or cluster IP.
	ReasonNotFound = "NotFound"
	// ReasonMethodNotAllowed: everything here is read only.
	ReasonMethodNotAllowed = "MethodNotAllowed"
	// ReasonTooManyRequests: the caller's address has too many requests open whose senders
	// are not known, or sends too many tokens that are not; or too many questions about what
	// the caller may see are waiting.
	ReasonTooManyRequests = "TooManyRequests"
	// ReasonSuspended: the ClusterAgent says spec.suspend.
	ReasonSuspended = "Suspended"
	// ReasonNoReport: no report came before the timeout.
	ReasonNoReport = "NoReport"
	// ReasonNotReady: this master cannot answer yet; /readyz says what is missing.
	ReasonNotReady = "NotReady"
	// ReasonShuttingDown: this master is ending; another will answer.
	ReasonShuttingDown = "ShuttingDown"
	// ReasonInternal: a fault of the master's own, which its log tells of.
	ReasonInternal = "Internal"
)

// Problem is an error as clients see it: application/problem+json of RFC 9457.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Reason is a word for programs.
	Reason string `json:"reason"`
	// Detail is for people, and tells what to do.
	Detail string `json:"detail"`
	// Parameter is the one of the query that is to blame.
	Parameter string `json:"parameter,omitempty"`
	Cluster   string `json:"cluster,omitempty"`
	// LastError is why the agent could not be reached.
	LastError string `json:"lastError,omitempty"`
	// LastKnown is the last summary that the agent gave, as of LastObservedAt.
	LastObservedAt time.Time      `json:"lastObservedAt,omitzero"`
	LastKnown      *state.Summary `json:"lastKnown,omitempty"`

	// retryAfter is when it makes sense to come again; zero: not said.
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
	// Nobody is left to tell of an error to write one.
	_, _ = body.WriteTo(w)
}

func (p *Problem) setRetryAfter(h http.Header) {
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.FormatFloat(max(1, math.Ceil(p.retryAfter.Seconds())), 'f', 0, 64))
	}
}

// shorten quotes what came from outside, so that it fits into a sentence.
func shorten(s string) string {
	const shown = 80
	if len(s) > shown {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(s[:shown], "\ufffd"))
	}
	return strconv.Quote(s)
}
