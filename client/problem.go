package client

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Problem is why a master does not answer: application/problem+json, or what came
// instead of it from something in front of the master.
type Problem struct {
	Title string `json:"title"`
	// Status is HTTP's.
	Status int `json:"status"`
	// Reason is a word for programs: BadRequest, Unauthorized, Forbidden, NotFound,
	// Suspended, Expired, NoReport, and others.
	Reason string `json:"reason"`
	// Detail is for people, and tells what to do.
	Detail string `json:"detail"`
	// Parameter is the one of the query that is to blame.
	Parameter string `json:"parameter"`
	Cluster   string `json:"cluster"`
	// LastError is why the cluster's agent could not be reached.
	LastError string `json:"lastError"`
	// LastKnown is the last summary of the cluster, as of LastObservedAt.
	LastKnown      *state.Summary `json:"lastKnown"`
	LastObservedAt time.Time      `json:"lastObservedAt"`
	// RetryAfter is when it makes sense to come again; zero: not said.
	RetryAfter time.Duration `json:"-"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%s (%s)", p.Detail, p.Reason) }

// final says that to come again with the same question would get the same answer.
func (p *Problem) final() bool {
	switch p.Status {
	case http.StatusRequestTimeout, http.StatusGone, http.StatusTooManyRequests:
		return false
	}
	return p.Status < 500
}

func problemOf(r *http.Response) *Problem {
	// What cannot be read of an answer tells nothing that its status does not.
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxProblem))
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/problem+json" || json.Unmarshal(body, p) != nil || p.Detail == "" {
		*p = Problem{Detail: foreign(r, body)}
	}
	p.Status = r.StatusCode
	p.Title = or(p.Title, http.StatusText(p.Status))
	p.Reason = or(p.Reason, strings.ReplaceAll(http.StatusText(p.Status), " ", ""))
	p.RetryAfter = retryAfter(r.Header.Get("Retry-After"), time.Now())
	return p
}

// foreign tells of an answer that is no master's.
func foreign(r *http.Response, body []byte) string {
	const shown = 200
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), shown)]), "")), " ")
	if to := r.Header.Get("Location"); to != "" {
		text = "a redirect to " + to + ", which is not followed"
	}
	return strings.TrimSuffix(fmt.Sprintf("%s answered %s, and not as a Rollcall master does: %s", r.Request.URL.Host, r.Status, text), ": ")
}

// retryAfter reads seconds or a date.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
