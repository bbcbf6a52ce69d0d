package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

func TestProblemContainsLastKnownFromAnotherMaster(t *testing.T) {
	seen := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for _, failure := range []error{&session.UnreachableError{Err: errors.New("refused")}, &session.NoReportError{}} {
		f := shop(t)
		f.Failures["prod-eu"] = failure
		f.Stored = map[string]session.StoredStatus{"prod-eu": {LastKnown: session.LastKnown{Summary: &state.Summary{}, ObservedAt: seen}}}
		got := fields(t, get(f.api(nil), "/api/v1/clusters/prod-eu").Body)
		if string(got["lastObservedAt"]) != `"2026-11-22T09:00:00Z"` || got["lastKnown"] == nil {
			t.Errorf("%T: got lastObservedAt %s, lastKnown %s; want the stored values", failure, got["lastObservedAt"], got["lastKnown"])
		}
	}
}

var (
	seen    = time.Date(2026, 11, 22, 9, 0, 0, 123456789, time.FixedZone("CET", 3600))
	known   = session.LastKnown{Summary: &state.Summary{}, ObservedAt: seen}
	refused = errors.New("dial prod-eu: connection refused")
)

const (
	eu    = "/api/v1/clusters/prod-eu"
	empty = `"nodes":{"total":0`
)

// problems lists requests, or errors of Await, and their responses.
var problems = []struct {
	name, method, path string
	body               string
	failure            error
	status             int
	headers            map[string]string
	want               string // the whole body, or its beginning if it ends in …
}{
	{
		name: "unknown parameter", path: eu + "/pods?colour=red", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"colour\": unknown parameter; supported: continue, limit, namespace, node, owner, pod, q, resourceVersion, resourceVersionMatch, state, timeout, wait, watch","parameter":"colour"}`,
	},
	{
		name: "unsupported filter", path: eu + "/summary?namespace=shop", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"namespace\": not supported for summary; supported: resourceVersion, resourceVersionMatch, timeout, wait, watch","parameter":"namespace"}`,
	},
	{
		name: "bad timeout", path: eu + "?timeout=10", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"timeout\": must be a duration from 100ms to 1m0s such as 10s or 1m, got \"10\"","parameter":"timeout"}`,
	},
	{
		name: "timeout too long", path: eu + "?timeout=61s", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"timeout\": must be a duration from 100ms to 1m0s such as 10s or 1m, got \"61s\"","parameter":"timeout"}`,
	},
	{
		name: "two timeouts", path: eu + "?timeout=1s&timeout=2s", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"timeout\": must be specified once, got 2","parameter":"timeout"}`,
	},
	{
		name: "bad wait", path: eu + "?wait=forever", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"wait\": must be usage, got \"forever\"","parameter":"wait"}`,
	},
	{
		name: "bad token", path: eu + "/pods?continue=abc", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"continue\": invalid continue token; start again without it","parameter":"continue"}`,
	},
	{
		name: "parameters of the list", path: "/api/v1/clusters?namespace=shop", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"parameter \"namespace\": unknown parameter; supported: continue, limit, q, watch","parameter":"namespace"}`,
	},
	{
		name: "bad escape", path: eu + "?q=%zz", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"invalid query string: it must be name=value pairs separated by &, percent-encoded"}`,
	},
	{
		name: "semicolon", path: eu + "/pods?q=a;b", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"invalid query string: it must be name=value pairs separated by &, percent-encoded"}`,
	},
	{
		name: "name that is not UTF-8", path: eu + "?%FF=1", status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"invalid query string: the name of a parameter is not UTF-8"}`,
	},
	{
		name: "huge query", path: eu + "/pods?q=" + strings.Repeat("a", maxQueryBytes), status: 400,
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"the query string is too long: 8194 bytes, at most 8192 are allowed"}`,
	},
	{
		name: "body", path: eu, body: "{}", status: 400, headers: map[string]string{"Connection": "close"},
		want: `{"title":"Bad Request","status":400,"reason":"BadRequest","detail":"this path does not accept a request body"}`,
	},
	{
		name: "unknown path", path: "/api/v2/clusters", status: 404,
		want: `{"title":"Not Found","status":404,"reason":"NoSuchPath","detail":"no such path \"/api/v2/clusters\"; see /api/openapi.json"}`,
	},
	{
		name: "no such part", path: eu + "/secrets", status: 404,
		want: `{"title":"Not Found","status":404,"reason":"NoSuchPath","detail":"no such path \"/api/v1/clusters/prod-eu/secrets\"; see /api/openapi.json"}`,
	},
	{
		name: "unknown cluster", path: "/api/v1/clusters/prod-asia", status: 404,
		want: `{"title":"Not Found","status":404,"reason":"NotFound","detail":"cluster \"prod-asia\" not found by name or cluster IP, or you are not allowed to see it; GET /api/v1/clusters lists those that you may see"}`,
	},
	{
		name: "unknown cluster IP", path: "/api/v1/clusters/198.51.100.1/nodes", status: 404,
		want: `{"title":"Not Found","status":404,"reason":"NotFound","detail":"cluster \"198.51.100.1\" not found by name or cluster IP, or you are not allowed to see it; GET /api/v1/clusters lists those that you may see"}`,
	},
	{
		name: "cluster deleted while waiting", path: eu, failure: fmt.Errorf("await: %w", session.ErrNotFound), status: 404,
		want: `{"title":"Not Found","status":404,"reason":"NotFound","detail":"cluster \"prod-eu\" not found by name or cluster IP, or you are not allowed to see it; GET /api/v1/clusters lists those that you may see"}`,
	},
	{
		name: "wrong method", method: http.MethodDelete, path: eu, status: 405, headers: map[string]string{"Allow": "GET, HEAD"},
		want: `{"title":"Method Not Allowed","status":405,"reason":"MethodNotAllowed","detail":"method \"DELETE\" is not allowed; use GET or HEAD"}`,
	},
	{
		name: "suspended", path: eu, failure: session.ErrSuspended, status: 409,
		want: `{"title":"Conflict","status":409,"reason":"Suspended","detail":"cluster prod-eu is suspended; set spec.suspend of its ClusterAgent to false to resume","cluster":"prod-eu"}`,
	},
	{
		name: "unreachable for the first time", path: eu, failure: &session.UnreachableError{Reason: dial.DialFailed, Err: refused, RetryAfter: 200 * time.Millisecond},
		status: 503, headers: map[string]string{"Retry-After": "1"},
		want: `{"title":"Service Unavailable","status":503,"reason":"DialFailed","detail":"cannot reach the agent of cluster prod-eu: dial prod-eu: connection refused; for details run ` + "`kubectl describe clusteragent prod-eu`" + `","cluster":"prod-eu","lastError":"dial prod-eu: connection refused"}`,
	},
	{
		name: "unreachable", path: eu, failure: fmt.Errorf("await: %w", &session.UnreachableError{Reason: dial.DialFailed, Err: refused, RetryAfter: 4200 * time.Millisecond, LastKnown: known}),
		status: 503, headers: map[string]string{"Retry-After": "5", "Cache-Control": "no-store"},
		want: `{"title":"Service Unavailable","status":503,"reason":"DialFailed","detail":"cannot reach the agent of cluster prod-eu: dial prod-eu: connection refused; for details run ` + "`kubectl describe clusteragent prod-eu`" + `","cluster":"prod-eu","lastError":"dial prod-eu: connection refused","lastObservedAt":"2026-11-22T08:00:00.123Z","lastKnown":{` + empty + "…",
	},
	{
		name: "invalid spec", path: eu, failure: &session.UnreachableError{Reason: dial.TLSInvalid, Err: errors.New("caBundle holds no certificate: secret")},
		status: 503, headers: map[string]string{"Retry-After": "60"},
		want: `{"title":"Service Unavailable","status":503,"reason":"TLSInvalid","detail":"cluster prod-eu is not retried until its ClusterAgent is changed: spec.tls is invalid, so its certificate cannot be verified; for details run ` + "`kubectl describe clusteragent prod-eu`" + `","cluster":"prod-eu","lastError":"spec.tls is invalid, so its certificate cannot be verified"}`,
	},
	{
		name: "untrusted certificate", path: eu, failure: &session.UnreachableError{Reason: dial.CertificateRefused, Err: errors.New("dial wss://10.0.0.1: the agent shows a key that is not pinned: its SHA-256 is abcd"), RetryAfter: time.Second},
		status: 503, headers: map[string]string{"Retry-After": "1"},
		want: `{"title":"Service Unavailable","status":503,"reason":"CertificateRefused","detail":"cannot reach the agent of cluster prod-eu: its endpoint presents a certificate that is not trusted; for details run ` + "`kubectl describe clusteragent prod-eu`" + `","cluster":"prod-eu","lastError":"its endpoint presents a certificate that is not trusted"}`,
	},
	{
		name: "stopping", path: eu, failure: session.ErrStopping, status: 503, headers: map[string]string{"Retry-After": "1"},
		want: `{"title":"Service Unavailable","status":503,"reason":"ShuttingDown","detail":"this master is shutting down; retry"}`,
	},
	{
		name: "late", path: eu + "?timeout=100ms", failure: &session.NoReportError{Phase: session.Connecting, Err: context.DeadlineExceeded, LastKnown: known}, status: 504, headers: map[string]string{"Retry-After": "1"},
		want: `{"title":"Gateway Timeout","status":504,"reason":"NoReport","detail":"no report from cluster prod-eu within 100ms (phase Connecting); retry, or use a longer timeout (at most 1m0s)","cluster":"prod-eu","lastObservedAt":"2026-11-22T08:00:00.123Z","lastKnown":{` + empty + "…",
	},
	{
		name: "late and never seen", path: eu, failure: &session.NoReportError{Phase: session.Reporting, Err: context.DeadlineExceeded}, status: 504,
		want: `{"title":"Gateway Timeout","status":504,"reason":"NoReport","detail":"no report from cluster prod-eu within 10s (phase Reporting); retry, or use a longer timeout (at most 1m0s)","cluster":"prod-eu"}`,
	},
	{
		name: "internal error", path: eu, failure: errors.New("secret internals"), status: 500,
		want: `{"title":"Internal Server Error","status":500,"reason":"Internal","detail":"internal error; see the master's log"}`,
	},
}

func TestErrorsAreProblems(t *testing.T) {
	for _, tc := range problems {
		t.Run(tc.name, func(t *testing.T) {
			f := shop(t)
			f.Failures["prod-eu"] = tc.failure
			method := tc.method
			if method == "" {
				method = http.MethodGet
			}
			w := do(f.api(nil), httptest.NewRequest(method, tc.path, strings.NewReader(tc.body)))
			if w.Code != tc.status || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %d %s, want %d application/problem+json", w.Code, w.Header().Get("Content-Type"), tc.status)
			}
			got := strings.TrimSuffix(w.Body.String(), "\n")
			if begin, open := strings.CutSuffix(tc.want, "…"); got != tc.want && !(open && strings.HasPrefix(got, begin)) {
				t.Errorf("body:\n got %s\nwant %s", got, tc.want)
			}
			for name, want := range tc.headers {
				if got := w.Header().Get(name); got != want {
					t.Errorf("got %s %q, want %q", name, got, want)
				}
			}
			if tc.failure == nil && len(f.Demanded) > 0 {
				t.Errorf("got demand for %v by a rejected request, want none", f.Demanded)
			}
		})
	}
}
