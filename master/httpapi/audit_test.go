package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/audit"
	"rollcall.dev/rollcall/master/httpapi/signin"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
)

// auditLog collects the events of a test.
type auditLog struct {
	mu     sync.Mutex
	events []audit.Event
}

func (l *auditLog) write(e audit.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// briefs returns the events since the last call: stage, user, address, method, path, code, reason, clusters
// and started sessions.
func (l *auditLog) briefs() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, e := range l.events {
		text := fmt.Sprintf("%s %s@%s %s %s %d", e.Stage, e.User, e.SourceIP, e.Method, e.Path, e.Code)
		for name, value := range map[string]string{"reason": e.Reason, "clusters": strings.Join(e.Clusters, ","), "started": strings.Join(e.StartedSessions, ",")} {
			if value != "" {
				text += " " + name + "=" + value
			}
		}
		fields := strings.Fields(text)
		slices.Sort(fields[5:])
		all = append(all, strings.Join(fields, " "))
	}
	l.events = nil
	return all
}

// want compares the events since the last call.
func (l *auditLog) want(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := l.briefs(); !slices.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// audited returns the API of a shop with an audit log. Callers send their name as token; "guest" may see
// nothing. The first request for a cluster starts its session.
func audited(t *testing.T, change func(*Config)) (*API, *auditLog) {
	l, f := &auditLog{}, shop(t)
	return f.api(func(c *Config) {
		c.Audit = l.write
		c.Authenticate = func(r *http.Request) (Authorizer, error) {
			user := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			if user == "" {
				return nil, fmt.Errorf("%w: send a token", ErrUnauthenticated)
			}
			AuditUser(r.Context(), user)
			return func(context.Context, Access) error {
				if user == "guest" {
					return ErrForbidden
				}
				return nil
			}, nil
		}
		c.Limits.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
		if change != nil {
			change(c)
		}
	}), l
}

// requestOf returns a request of a user.
func requestOf(user, method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if user != "" {
		r.Header.Set("Authorization", "Bearer "+user)
	}
	return r
}

func TestEachRequestIsAudited(t *testing.T) {
	api, log := audited(t, nil)
	for _, tc := range []struct{ user, method, target, want string }{
		{"jane", "GET", "/api/v1/clusters", "ResponseComplete jane@192.0.2.1 GET /api/v1/clusters 200"},
		{"jane", "GET", "/api/v1/clusters/prod-eu", "ResponseComplete jane@192.0.2.1 GET /api/v1/clusters/prod-eu 200 clusters=prod-eu"},
		{"jane", "GET", "/api/v1/clusters/203.0.113.7/pods?namespace=shop", "ResponseComplete jane@192.0.2.1 GET /api/v1/clusters/203.0.113.7/pods 200 clusters=prod-eu"},
		{"guest", "GET", "/api/v1/clusters/prod-eu", "ResponseComplete guest@192.0.2.1 GET /api/v1/clusters/prod-eu 403 reason=Forbidden"},
		{"", "GET", "/api/v1/clusters/prod-eu", "ResponseComplete @192.0.2.1 GET /api/v1/clusters/prod-eu 401 reason=Unauthorized"},
		{"jane", "GET", "/api/v1/clusters/unknown", "ResponseComplete jane@192.0.2.1 GET /api/v1/clusters/unknown 404 reason=NotFound"},
		{"jane", "PUT", "/api/v1/clusters/prod-eu", "ResponseComplete @192.0.2.1 PUT /api/v1/clusters/prod-eu 405 reason=MethodNotAllowed"},
		{"jane", "GET", "/metrics", "ResponseComplete jane@192.0.2.1 GET /metrics 200"},
		{"jane", "GET", "/unknown", "ResponseComplete @192.0.2.1 GET /unknown 404 reason=NoSuchPath"},
		{"jane", "GET", "/healthz", ""},
		{"jane", "GET", "/readyz", ""},
		{"jane", "GET", "/api/openapi.json", ""},
	} {
		do(api, requestOf(tc.user, tc.method, tc.target, ""))
		var want []string
		if tc.want != "" {
			want = []string{tc.want}
		}
		log.want(t, tc.user+" "+tc.method+" "+tc.target, want...)
	}
}

func TestAuditNamesTheForwardedAddress(t *testing.T) {
	api, log := audited(t, nil)
	r := requestOf("jane", "GET", "/api/v1/clusters", "")
	r.Header.Set("X-Forwarded-For", "203.0.113.9, 198.51.100.7")
	do(api, r)
	log.want(t, "a trusted proxy", "ResponseComplete jane@198.51.100.7 GET /api/v1/clusters 200")
	r.RemoteAddr = "203.0.113.1:1"
	do(api, r)
	log.want(t, "another client", "ResponseComplete jane@203.0.113.1 GET /api/v1/clusters 200")
}

func TestAuditNamesTheRequestThatStartsASession(t *testing.T) {
	f := shop(t)
	waked := false
	f.AwaitFunc = func(ctx context.Context, cluster string) (*session.Report, error) {
		if !waked {
			auditOf(ctx).startedSession(cluster)
			waked = true
		}
		return f.Reports[cluster], nil
	}
	log := &auditLog{}
	api := f.api(func(c *Config) { c.Audit = log.write })
	for range 2 {
		do(api, requestOf("", "GET", "/api/v1/clusters/prod-eu", ""))
	}
	log.want(t, "two requests",
		"ResponseComplete @192.0.2.1 GET /api/v1/clusters/prod-eu 200 clusters=prod-eu started=prod-eu",
		"ResponseComplete @192.0.2.1 GET /api/v1/clusters/prod-eu 200 clusters=prod-eu")
}

func TestAuditHasOnlyParametersOfTheRoute(t *testing.T) {
	api, log := audited(t, nil)
	const secret = "sup3rs3cret"
	for _, target := range []string{
		"/api/v1/clusters?q=prod&token=" + secret, "/api/v1/clusters/prod-eu?access_token=" + secret, "/api/v1/session?token=" + secret,
		"/prometheus/api/v1/query?query=up&apikey=" + secret, "/metrics?token=" + secret, "/heapster/prod-eu/api/v1/model/?x=" + secret, "/nothing?y=" + secret,
	} {
		do(api, requestOf("jane", "GET", target, ""))
	}
	r := httptest.NewRequest(http.MethodPost, sessionPath, strings.NewReader(`{"token":"`+secret+`"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Cookie", signin.PlainCookie+"="+secret)
	do(api, r)
	log.mu.Lock()
	defer log.mu.Unlock()
	if len(log.events) != 8 {
		t.Errorf("got %d events, want 8", len(log.events))
	}
	text, err := json.Marshal(log.events)
	if err != nil || strings.Contains(string(text), secret) {
		t.Errorf("%v: the secret is in %s", err, text)
	}
	if got := log.events[0].Parameters["q"]; !slices.Equal(got, []string{"prod"}) {
		t.Errorf("got q %q", got)
	}
}

func TestAuditOfAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, log := audited(t, nil)
		w := watching(t, api, "/api/v1/clusters/prod-eu/pods?watch=true&timeoutSeconds=60", func(r *http.Request) { r.Header.Set("Authorization", "Bearer jane") })
		log.mu.Lock()
		first := log.events[0]
		log.mu.Unlock()
		log.want(t, "start", "ResponseStarted jane@192.0.2.1 GET /api/v1/clusters/prod-eu/pods 200 clusters=prod-eu")
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if !w.ended() {
			t.Fatal("the watch is still open")
		}
		log.mu.Lock()
		last := log.events[0]
		log.mu.Unlock()
		log.want(t, "end", "ResponseComplete jane@192.0.2.1 GET /api/v1/clusters/prod-eu/pods 200 clusters=prod-eu reason=timeout")
		if first.AuditID == "" || first.AuditID != last.AuditID || last.Duration < 60 {
			t.Errorf("got %+v and %+v, want one ID and the duration", first, last)
		}
	})
}

func TestAuditOfAWatchOfTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, log := audited(t, func(c *Config) {
			c.Sessions.(*sessiontest.Sessions).WatchFunc = func(ctx context.Context, cluster string) { auditOf(ctx).startedSession(cluster) }
		})
		watching(t, api, "/api/v1/clusters?watch=true&demand=prod-eu", func(r *http.Request) { r.Header.Set("Authorization", "Bearer jane") })
		log.want(t, "start",
			"ResponseStarted jane@192.0.2.1 GET /api/v1/clusters 200",
			"SessionsStarted jane@192.0.2.1 GET /api/v1/clusters 0 started=prod-eu")
		api.Drain()
		synctest.Wait()
		log.want(t, "end", "ResponseComplete jane@192.0.2.1 GET /api/v1/clusters 503 reason=ShuttingDown")
	})
}

func TestAuditRecordsAnAbortedResponse(t *testing.T) {
	log := &auditLog{}
	api := shop(t).api(func(c *Config) { c.Audit = log.write })
	handler := api.handler("/api/v1/clusters", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was not passed on")
			}
		}()
		handler.ServeHTTP(httptest.NewRecorder(), requestOf("", "GET", "/api/v1/clusters", ""))
	}()
	log.want(t, "aborted", "ResponseComplete @192.0.2.1 GET /api/v1/clusters 499 reason=Aborted")
}
