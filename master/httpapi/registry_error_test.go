package httpapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
)

// errUnread is why a registry cannot be read.
var errUnread = errors.New("the ClusterAgents have not been read yet")

// unreadRegistry returns a fake whose registry cannot be read, and whose reports have expired.
func unreadRegistry(t *testing.T) *fake {
	t.Helper()
	f := shop(t)
	f.RegistryCause = errUnread
	for name := range f.Reports {
		f.Reports[name] = newReport(t, name, time.Now().Add(-time.Hour))
	}
	return f
}

// TestUnreadableRegistryIsNotAMissingCluster requests all routes that read the registry.
func TestUnreadableRegistryIsNotAMissingCluster(t *testing.T) {
	paths := []string{"/api/v1/clusters", "/api/v1/clusters?limit=1&q=prod", listPath, listPath + "&resourceVersion=0", listPath + "&demand=prod-eu", listPath + "&detail=prod-eu"}
	for _, cluster := range []string{"prod-eu", "203.0.113.7", "unknown", "192.0.2.99"} {
		for _, rest := range []string{"", "/summary", "/pods", "/ports", "?watch=true", "/pods?watch=true&resourceVersion=0"} {
			paths = append(paths, "/api/v1/clusters/"+cluster+rest)
		}
		paths = append(paths, "/heapster/"+cluster+"/api/v1/model/nodes/")
	}
	for _, query := range []string{"/query?query=up", "/query?query=up{cluster=%22prod-eu%22}", "/query_range?query=up&start=0&end=1&step=1", "/series?match[]=up", "/labels", "/label/cluster/values"} {
		paths = append(paths, prometheusPrefix+query)
	}
	paths = append(paths, "/federate?match[]=up", "/federate?cluster=prod-eu")
	for _, path := range paths {
		for _, accept := range []string{"", "text/event-stream"} {
			f := unreadRegistry(t)
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Accept", accept)
			w := do(f.prometheusAPI(nil), r)
			body := w.Body.String()
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" {
				t.Errorf("%s: got %d %s, Retry-After %q, want 503 and 2 seconds", path, w.Code, body, w.Header().Get("Retry-After"))
			}
			for _, want := range []string{errUnread.Error(), "retry", "API server"} {
				if !strings.Contains(body, want) {
					t.Errorf("%s: got %s, want %q in it", path, body, want)
				}
			}
			if strings.HasPrefix(path, "/api/") && !strings.Contains(body, `"reason":"RegistryUnavailable"`) {
				t.Errorf("%s: got %s, want the reason RegistryUnavailable", path, body)
			}
		}
	}
}

func TestFreshReportIsReturnedWhileTheRegistryCannotBeRead(t *testing.T) {
	f := shop(t)
	f.RegistryCause = errUnread
	if w := get(f.api(nil), eu1+"/pods"); w.Code != http.StatusOK {
		t.Errorf("got %d %s, want 200", w.Code, w.Body)
	}
}

// TestUnreadableRegistryOfTheSessions covers what the sessions return for a cluster that the API could still resolve.
func TestUnreadableRegistryOfTheSessions(t *testing.T) {
	f := shop(t)
	f.Reports, f.Failures = nil, map[string]error{"prod-eu": session.ErrRegistryUnavailable}
	w := get(f.api(nil), eu1)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), httpv1.ReasonRegistryUnavailable) {
		t.Errorf("got %d %s, want 503 %s", w.Code, w.Body, httpv1.ReasonRegistryUnavailable)
	}
}

func TestStoredStatusThatCannotBeReadIsNotOmittedFromTheList(t *testing.T) {
	f := shop(t)
	f.Reports = nil
	api := f.api(func(c *Config) { c.Registry = unreadableStatuses{&f.Sessions} })
	if w := get(api, "/api/v1/clusters"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d %s, want 503", w.Code, w.Body)
	}
}

// unreadableStatuses is a registry whose stored statuses cannot be read.
type unreadableStatuses struct{ *sessiontest.Sessions }

func (unreadableStatuses) StoredStatus(string) (session.StoredStatus, error) {
	return session.StoredStatus{}, session.ErrRegistryUnavailable
}

func TestListWatchEndsWith503IfTheRegistryCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), listPath+"&demand=*", nil)
		w.text()
		f.Change(func() { f.RegistryCause = errUnread })
		<-time.After(2 * time.Second)
		w.expect("ERROR 503 RegistryUnavailable")
		if !w.ended() {
			t.Error("the stream continues, want it ended")
		}
	})
}

func TestWatchOfAClusterEndsWith503IfTheRegistryCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		w := watching(t, f.api(nil), eu1+"/nodes?watch=true", nil)
		w.text()
		f.Change(func() { f.RegistryCause = errUnread })
		w.expect("ERROR 503 RegistryUnavailable")
	})
}

// unresolvable is a registry that cannot resolve names while broken is set.
type unresolvable struct {
	*sessiontest.Sessions
	broken atomic.Bool
}

func (u *unresolvable) Resolve(nameOrIP string) (string, error) {
	if u.broken.Load() {
		return "", session.ErrRegistryUnavailable
	}
	return u.Sessions.Resolve(nameOrIP)
}

func TestWatchSurvivesAShortOutageOfTheRegistry(t *testing.T) {
	for _, path := range []string{eu1 + "/nodes?watch=true", listPath + "&detail=prod-eu"} {
		bubble(t, func(t *testing.T, f *fake) {
			registry := &unresolvable{Sessions: &f.Sessions}
			w := watching(t, f.api(func(c *Config) { c.Registry = registry }), path, nil)
			registry.broken.Store(true)
			<-time.After(authorizerOutageTimeout)
			if w.ended() {
				t.Errorf("%s: the stream ended immediately: %v", path, w.received())
			}
			<-time.After(authorizerOutageTimeout)
			if got := w.received(); got[len(got)-1] != "ERROR 503 RegistryUnavailable" || !w.ended() {
				t.Errorf("%s: got %v, want ERROR 503 and the end of the stream", path, got)
			}
		})
	}
}
