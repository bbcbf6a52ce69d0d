package audit

import (
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Stage is the stage of a request at which an Event is written.
type Stage string

// These are the stages. The first two are those of Kubernetes' own audit log.
const (
	// StageResponseComplete is the only stage of a request that is not a watch, and the last one of a
	// watch.
	StageResponseComplete Stage = "ResponseComplete"
	// StageResponseStarted is the start of a watch.
	StageResponseStarted Stage = "ResponseStarted"
	// StageSessionsStarted is the start of sessions by an open watch of the list of clusters.
	StageSessionsStarted Stage = "SessionsStarted"
	// StageMessage is a message of the client of a websocket, which changes what it watches.
	StageMessage Stage = "Message"
)

// Event is a line of the audit log. It never contains a token, a cookie, or a value of a parameter that the
// route does not have.
type Event struct {
	Time  time.Time `json:"time"`
	Stage Stage     `json:"stage"`
	// AuditID is the same in all events of a request.
	AuditID string `json:"auditID"`
	// User is the authenticated user as the hub names it, or "" if the request was not authenticated.
	User string `json:"user,omitempty"`
	// SourceIP is the address of the client, from X-Forwarded-For if a trusted proxy sent the request.
	SourceIP  string `json:"sourceIP,omitempty"`
	UserAgent string `json:"userAgent,omitempty"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	// Parameters are the values of the parameters that the route has.
	Parameters map[string][]string `json:"parameters,omitempty"`
	// Clusters are the clusters that the request named and was allowed to read, at most MaxClusters.
	// ClusterCount is their number, if there are more.
	Clusters     []string `json:"clusters,omitempty"`
	ClusterCount int      `json:"clusterCount,omitempty"`
	// StartedSessions are the clusters that had neither a session nor demand before this request, so
	// that it caused the master to connect to their agents, at most MaxClusters. StartedSessionCount is
	// their number, if there are more.
	StartedSessions     []string `json:"startedSessions,omitempty"`
	StartedSessionCount int      `json:"startedSessionCount,omitempty"`
	// Code is the status of the response, or 499 if the client disconnected before it; 0 in a Message.
	Code int `json:"code,omitempty"`
	// Reason is the reason of an error, or why a watch ended.
	Reason string `json:"reason,omitempty"`
	// Duration is the time since the header of the request, in seconds.
	Duration float64 `json:"durationSeconds,omitempty"`
}

// Limits of an Event.
const (
	// MaxClusters is the maximum number of clusters that an Event names.
	MaxClusters = 32
	// maxText and maxPath are the maximum lengths of a text and of a path in bytes.
	maxText, maxPath = 256, 1024
	// maxParameters is the maximum length of all parameters in bytes.
	maxParameters = 2048
)

// tokens matches what looks like a JSON web token, which somebody may have pasted where it does not belong.
var tokens = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*){1,4}`)

// Redacted replaces what looks like a token.
const Redacted = "[REDACTED]"

// Text returns a text as an Event may contain it: without tokens and control characters, and of limited
// length.
func Text(s string) string { return limit(s, maxText) }

func limit(s string, most int) string {
	// A token may begin within the limit and end behind it.
	s = tokens.ReplaceAllString(s[:min(len(s), 4*most)], Redacted)
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// bounded returns the event with texts of limited length and without tokens.
func (e Event) bounded() Event {
	e.User, e.UserAgent, e.Path = Text(e.User), Text(e.UserAgent), limit(e.Path, maxPath)
	e.Method = Text(e.Method)
	e.Clusters, e.ClusterCount = boundedNames(e.Clusters)
	e.StartedSessions, e.StartedSessionCount = boundedNames(e.StartedSessions)
	e.Parameters = boundedParameters(e.Parameters)
	return e
}

// boundedNames returns at most MaxClusters names, and the number of all if there are more.
func boundedNames(names []string) (some []string, count int) {
	if len(names) <= MaxClusters {
		return names, 0
	}
	return names[:MaxClusters], len(names)
}

// boundedParameters returns parameters up to a total length. Values over it are replaced by "…".
func boundedParameters(all map[string][]string) map[string][]string {
	left, bounded := maxParameters, make(map[string][]string, len(all))
	for name, values := range all {
		for _, value := range values {
			value = limit(value, max(left, 0))
			left -= len(name) + len(value)
			bounded[name] = append(bounded[name], value)
			if left <= 0 {
				break
			}
		}
	}
	return bounded
}
