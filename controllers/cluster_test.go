package controllers

import (
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

func TestClusterOf(t *testing.T) {
	agent := &v1alpha1.ClusterAgent{
		ObjectMeta: metav1.ObjectMeta{Name: "prod-eu", Generation: 7},
		Spec: v1alpha1.ClusterAgentSpec{
			Endpoint:   "wss://10.20.0.7:7443",
			ClusterIPs: []string{"203.0.113.7"},
			ClusterUID: "8a1f",
			TLS:        v1alpha1.TLSSpec{CABundle: []byte("PEM"), ServerName: "agent.prod-eu", PinnedSHA256: []string{"ab", "cd"}},
			Reporting: v1alpha1.ReportingSpec{
				Mode:            v1alpha1.Continuous,
				RequestPeriod:   metav1.Duration{Duration: 1 * time.Second},
				SessionDuration: metav1.Duration{Duration: 2 * time.Minute},
				CacheTTL:        metav1.Duration{Duration: 3 * time.Second},
				IdleRefresh:     &metav1.Duration{Duration: 4 * time.Minute},
			},
			Suspend: true,
		},
		Status: v1alpha1.ClusterAgentStatus{ClusterUID: "another"},
	}
	want := session.Cluster{
		Name: "prod-eu", Generation: 7, Endpoint: "wss://10.20.0.7:7443", ExpectedUID: "8a1f",
		TLS:        dial.TLS{CABundle: []byte("PEM"), ServerName: "agent.prod-eu", PinnedSHA256: []string{"ab", "cd"}},
		Continuous: true, RequestPeriod: time.Second, SessionDuration: 2 * time.Minute, CacheTTL: 3 * time.Second, IdleRefresh: 4 * time.Minute,
		Suspended: true,
	}
	if got := clusterOf(agent); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestClusterOfSetsEveryField(t *testing.T) {
	agent := agentOf("prod-eu", 0)
	agent.Spec.Endpoint = "wss://[prod-eu]:7443"
	agent.Spec.ClusterUID, agent.Spec.Suspend = "8a1f", true
	agent.Spec.TLS = v1alpha1.TLSSpec{CABundle: []byte("PEM")}
	one := metav1.Duration{Duration: 1}
	agent.Spec.Reporting = v1alpha1.ReportingSpec{Mode: v1alpha1.Continuous, RequestPeriod: one, SessionDuration: one, CacheTTL: one, IdleRefresh: &one}
	agent.Spec.Connection, agent.Spec.Link.ChannelBinding = v1alpha1.Reverse, v1alpha1.BindingNone
	agent.Spec.Health.Ignore = []v1alpha1.IgnoreRule{{What: "Evicted"}}
	cluster := reflect.ValueOf(clusterOf(agent))
	for i := range cluster.NumField() {
		if cluster.Field(i).IsZero() {
			t.Errorf("%s is not filled in", cluster.Type().Field(i).Name)
		}
	}
}

func TestExpectedUID(t *testing.T) {
	for _, c := range []struct{ spec, status, want string }{
		{"", "", ""}, {"", "8a1f", "8a1f"}, {"77c0", "8a1f", "77c0"}, {"77c0", "", "77c0"},
	} {
		agent := agentOf("prod-eu", 0)
		agent.Spec.ClusterUID, agent.Status.ClusterUID = c.spec, c.status
		if got := clusterOf(agent).ExpectedUID; got != c.want {
			t.Errorf("spec %q, status %q: got %q, want %q", c.spec, c.status, got, c.want)
		}
	}
}

func TestIdleRefreshZero(t *testing.T) {
	for _, c := range []struct {
		refresh *metav1.Duration
		want    time.Duration
	}{{nil, 5 * time.Minute}, {&metav1.Duration{}, 0}, {&metav1.Duration{Duration: time.Minute}, time.Minute}} {
		agent := agentOf("prod-eu", 0)
		agent.Spec.Reporting.IdleRefresh = c.refresh
		if got := clusterOf(agent).IdleRefresh; got != c.want {
			t.Errorf("%v: got %s, want %s", c.refresh, got, c.want)
		}
	}
}

// The schema accepts some of these, as it cannot parse addresses.
func TestEndpointFault(t *testing.T) {
	for endpoint, want := range map[string]string{
		"wss://10.20.0.7:7443":     "",
		"wss://agent.prod-eu":      "",
		"wss://[2001:db8::7]":      "",
		"wss://[2001:db8::7]:7443": "",
		"wss://[::ffff:10.0.0.1]":  "",
		"wss://[1:2]:7443":         "1:2",
		"wss://[::::]:7443":        "::::",
		"wss://[10.20.0.7]:7443":   "10.20.0.7",
		"wss://[...]":              "...",
		"wss://prod eu:7443":       "invalid character",
		"wss://prod-eu:0":          "port 0",
		"wss://prod-eu:70000":      "port 70000",
		"ws://10.20.0.7:7443":      "--insecure",
		"https://10.20.0.7:7443":   "must begin with wss://",
		"wss://10.20.0.7/v1":       "of the form wss://host:port",
		"":                         "of the form wss://host:port",
	} {
		agent := agentOf("prod-eu", 0)
		agent.Spec.Endpoint = endpoint
		err := clusterOf(agent).Check(false)
		if want == "" && err != nil {
			t.Errorf("%s: got %v, want no fault", endpoint, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want words with %q", endpoint, err, want)
		}
	}
}
