package controllers

import (
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// noon is a time in the past.
var noon = time.Date(2025, 11, 22, 12, 0, 0, 0, time.UTC)

// agentOf returns a ClusterAgent that was created the given time after noon.
func agentOf(name string, age time.Duration, ips ...string) *v1alpha1.ClusterAgent {
	return &v1alpha1.ClusterAgent{
		ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1, CreationTimestamp: metav1.NewTime(noon.Add(age))},
		Spec: v1alpha1.ClusterAgentSpec{
			Endpoint:   "wss://10.20.0.7:7443",
			ClusterIPs: ips,
			Reporting:  v1alpha1.ReportingSpec{CacheTTL: metav1.Duration{Duration: 10 * time.Second}},
		},
	}
}

func TestCanonicalIP(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7":          "203.0.113.7",
		"::ffff:203.0.113.7":   "203.0.113.7",
		"::FFFF:cb00:7107":     "203.0.113.7",
		"2001:DB8:0:0:0:0:0:7": "2001:db8::7",
		"2001:db8::7":          "2001:db8::7",
		"prod-eu":              "",
		"":                     "",
		"203.0.113":            "",
		"203.0.113.007":        "",
		"203.0.113.7:7443":     "",
		"[2001:db8::7]":        "",
	} {
		if got, ok := canonical(text); got != want || ok != (want != "") {
			t.Errorf("%q: got %q (%t), want %q", text, got, ok, want)
		}
	}
}

func TestOwners(t *testing.T) {
	leaving := agentOf("leaving", -time.Hour, "203.0.113.7")
	leaving.DeletionTimestamp = new(metav1.Now())
	for _, c := range []struct {
		name   string
		agents []*v1alpha1.ClusterAgent
		want   map[string]string
	}{
		{"alone", []*v1alpha1.ClusterAgent{agentOf("a", 0, "203.0.113.7", "2001:db8::7")}, map[string]string{"203.0.113.7": "a", "2001:db8::7": "a"}},
		{"older first", []*v1alpha1.ClusterAgent{agentOf("b", 0, "203.0.113.7"), agentOf("a", time.Second, "203.0.113.7")}, map[string]string{"203.0.113.7": "b"}},
		{"older last", []*v1alpha1.ClusterAgent{agentOf("a", time.Second, "203.0.113.7"), agentOf("b", 0, "203.0.113.7")}, map[string]string{"203.0.113.7": "b"}},
		{"same age", []*v1alpha1.ClusterAgent{agentOf("b", 0, "203.0.113.7"), agentOf("a", 0, "203.0.113.7")}, map[string]string{"203.0.113.7": "a"}},
		{"each some", []*v1alpha1.ClusterAgent{agentOf("a", 0, "203.0.113.7"), agentOf("b", 1, "203.0.113.7", "203.0.113.8")}, map[string]string{"203.0.113.7": "a", "203.0.113.8": "b"}},
		{"in two forms", []*v1alpha1.ClusterAgent{agentOf("b", 0, "::ffff:203.0.113.7"), agentOf("a", 1, "203.0.113.7")}, map[string]string{"203.0.113.7": "b"}},
		{"about to go", []*v1alpha1.ClusterAgent{leaving, agentOf("a", 0, "203.0.113.7")}, map[string]string{"203.0.113.7": "a"}},
		{"no address", []*v1alpha1.ClusterAgent{agentOf("a", 0, "prod-eu", "")}, map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := owners(c.agents); !maps.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestClaimedIPsAreUnique(t *testing.T) {
	got := claimedIPs(agentOf("a", 0, "203.0.113.7", "::ffff:203.0.113.7", "203.0.113.8"))
	if want := []string{"203.0.113.7", "203.0.113.8"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
