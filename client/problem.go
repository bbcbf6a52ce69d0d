package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

// permanent reports whether a request with this error response would fail again.
func permanent(p *Problem) bool {
	switch p.Status {
	case http.StatusRequestTimeout, http.StatusGone, http.StatusTooManyRequests:
		return false
	}
	return p.Status < 500
}

// problemOf returns the Problem in an error response, or one that describes a response of another
// server.
func problemOf(r *http.Response) *Problem {
	// An error is ignored, since the status is known.
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxProblem))
	p := &Problem{}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if mediaType != httpv1.ProblemMediaType || json.Unmarshal(body, p) != nil || p.Detail == "" {
		*p = Problem{Detail: foreignDetail(r, body)}
	}
	p.Status = r.StatusCode
	p.Title = cmp.Or(p.Title, http.StatusText(p.Status))
	p.Reason = cmp.Or(p.Reason, strings.ReplaceAll(http.StatusText(p.Status), " ", ""))
	p.RetryAfter = retryAfter(r.Header.Get("Retry-After"), time.Now())
	return p
}

// foreignDetail returns the detail of a Problem for a response that is not from a master.
func foreignDetail(r *http.Response, body []byte) string {
	const maxShown = 200
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(body[:min(len(body), maxShown)]), "")), " ")
	if location := r.Header.Get("Location"); location != "" {
		text = "redirects are not followed: " + location
	}
	return strings.TrimSuffix(fmt.Sprintf("%s responded %s, which is not a response of a Rollcall master: %s", r.Request.URL.Host, r.Status, text), ": ")
}

// retryAfter parses a Retry-After header, in seconds or as a date.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
