package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// listedCluster is a cluster of the list as a client decodes it.
type listedCluster struct {
	Name       string
	ClusterIPs []string
	Suspended  bool
	Session    struct{ Phase, Reason, Message string }
	ObservedAt time.Time
	ReceivedAt time.Time
	Stale      bool

	KubernetesVersion string

	Summary *struct{ Nodes struct{ Total int } }
	Display *state.Display
}

func list(t *testing.T, api http.Handler) map[string]listedCluster {
	t.Helper()
	w := get(api, "/api/v1/clusters")
	if w.Code != http.StatusOK {
		t.Fatalf("list: %d %s", w.Code, w.Body)
	}
	var body struct{ Clusters []listedCluster }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	clusters := map[string]listedCluster{}
	for _, c := range body.Clusters {
		clusters[c.Name] = c
	}
	return clusters
}

func TestListShowsLastKnownStatusWithoutDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := shop(t)
		f.Registered = append(f.Registered, session.Registered{Name: "idle"}, session.Registered{Name: "new"})
		f.Reports["v1.24.lab"] = newReport(t, "v1.24.lab", start.Add(-time.Minute))
		f.Reports["idle"] = newReport(t, "idle", start.Add(-time.Hour))
		f.Reports["idle"].LazyState = nil // let go by now
		f.Registered = append(f.Registered, session.Registered{Name: "left"})
		f.Reports["left"] = newReport(t, "left", start.Add(-time.Hour))
		f.Reports["left"].LazyState = nil
		f.Statuses["v1.24.lab"] = session.Status{Session: session.Info{Phase: session.Backoff}, Ready: state.False, Reason: dial.DialFailed, Message: "connection refused", LastKnown: session.LastKnown{ObservedAt: start.Add(-2 * time.Minute), Summary: &state.Summary{}}}
		f.Statuses["idle"] = session.Status{Session: session.Info{Phase: session.Idle}, LastKnown: session.LastKnown{ObservedAt: start.Add(-5 * time.Minute), Summary: &state.Summary{Nodes: state.NodeCounts{Total: 9}}}}
		f.Registered = append(f.Registered, session.Registered{Name: "another master's", Suspended: true})
		f.Stored = map[string]session.StoredStatus{"another master's": {LastKnown: session.LastKnown{Summary: &state.Summary{Nodes: state.NodeCounts{Total: 5}}, ObservedAt: start.Add(-time.Hour)}, KubernetesVersion: "v1.35.0"}}
		f.Statuses["new"] = session.Status{Session: session.Info{Phase: session.Connecting}, Reason: session.AwaitingFirstContact}

		clusters := list(t, f.api(nil))
		for _, tc := range []struct {
			name     string
			stale    bool
			nodes    int
			received time.Time
		}{
			{"prod-eu", false, 1, start},
			{"v1.24.lab", true, 1, start.Add(-time.Minute)},
			{"idle", true, 9, time.Time{}},
			{"another master's", true, 5, time.Time{}},
			{"left", true, 1, start.Add(-time.Hour)},
		} {
			got := clusters[tc.name]
			if got.Stale != tc.stale || got.Summary == nil || got.Summary.Nodes.Total != tc.nodes || !got.ReceivedAt.Equal(tc.received) || got.Display == nil {
				t.Errorf("%s: got %+v, want stale %t, %d nodes, received at %s, and a display", tc.name, got, tc.stale, tc.nodes, tc.received)
			}
		}
		if got := clusters["new"]; got.Summary != nil || !got.Stale || got.Session.Phase != "Connecting" {
			t.Errorf("new: got %+v, want it stale, connecting, without a summary", got)
		}
		if got := clusters["another master's"]; !got.Suspended || got.KubernetesVersion != "v1.35.0" {
			t.Errorf("another master's: got %+v, want it suspended, of v1.35.0", got)
		}
		if got := clusters["v1.24.lab"].Session; got.Phase != "Backoff" || got.Reason != "DialFailed" || got.Message != "connection refused" {
			t.Errorf("v1.24.lab: got session %+v, want Backoff with reason DialFailed, connection refused", got)
		}
		if got := clusters["new"].Session; got.Reason != "" {
			t.Errorf("new: got session %+v, want no reason", got)
		}
		if got := strings.Join(clusters["prod-eu"].ClusterIPs, " "); got != "203.0.113.7 2001:db8::7" {
			t.Errorf("prod-eu: got clusterIPs %s, want both addresses", got)
		}
		if len(f.Demanded) > 0 {
			t.Errorf("got demand for %v by the list, want none", f.Demanded)
		}
	})
}

func TestEmptyRegistryReturnsEmptyList(t *testing.T) {
	f := shop(t)
	f.Registered = nil
	if w := get(f.api(nil), "/api/v1/clusters"); w.Code != http.StatusOK || !strings.HasSuffix(w.Body.String(), ",\"clusters\":[]}\n") {
		t.Errorf("got %d %s, want 200 and an empty list", w.Code, w.Body)
	}
}

// TestCertificateDetailsAreNotExposed checks that details of an agent's certificate do not reach
// callers.
func TestCertificateDetailsAreNotExposed(t *testing.T) {
	for reason, words := range map[session.Reason]string{
		dial.CertificateRefused: "the agent shows a key that is not pinned: its SHA-256 is 5ec2e7",
		dial.TLSInvalid:         "the pin 5ec2e7 is not 64 hex digits",
	} {
		f := shop(t)
		f.Statuses["prod-eu"] = session.Status{Session: session.Info{Phase: session.Backoff}, Ready: state.False, Reason: reason, Message: words}
		f.Failures["prod-eu"] = &session.UnreachableError{Reason: reason, Err: errors.New(words)}
		delete(f.Reports, "prod-eu")
		api := f.api(nil)
		for _, path := range []string{"/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters/prod-eu?watch=true"} {
			if body := get(api, path).Body.String(); strings.Contains(body, "5ec2e7") || !strings.Contains(body, string(reason)) {
				t.Errorf("%s: got %s, want only the reason %s", path, body, reason)
			}
		}
	}
}
