package controllers

import (
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/test/kube"
)

// hubWithoutRules returns a hub whose custom resources have no validation rules, like those of an older
// version.
func hubWithoutRules(t *testing.T) *hub {
	t.Helper()
	h := hubOn(t, kube.Fresh(t, kube.Options{Name: "without-rules"}))
	for _, resource := range []string{"clusteragents", "clusterstatuses"} {
		text, err := os.ReadFile("../config/crd/bases/rollcall.dev_" + resource + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var crd unstructured.Unstructured
		if err := yaml.Unmarshal(text, &crd.Object); err != nil {
			t.Fatal(err)
		}
		withoutRules(crd.Object)
		if err := h.client.Create(t.Context(), &crd); err != nil {
			t.Fatal(err)
		}
		h.kubectl(t, "wait", "--for=condition=Established", "--timeout=30s", "crd/"+resource+".rollcall.dev")
	}
	return h
}

func withoutRules(node any) {
	switch node := node.(type) {
	case map[string]any:
		delete(node, "x-kubernetes-validations")
		for _, child := range node {
			withoutRules(child)
		}
	case []any:
		for _, child := range node {
			withoutRules(child)
		}
	}
}

func TestInvalidClusterAgentDoesNotAffectOthers(t *testing.T) {
	h := hubWithoutRules(t)
	duration := func(d time.Duration) metav1.Duration { return metav1.Duration{Duration: d} }
	for name, spec := range map[string]v1alpha1.ClusterAgentSpec{
		"a-endpoint": {Endpoint: "wss://[::::]:7443"},
		"b-nothing":  {},
		"c-tls":      {Endpoint: "wss://10.20.0.7:7443", TLS: v1alpha1.TLSSpec{PinnedSHA256: []string{"beef"}, CABundle: []byte("?")}},
		"d-ips":      {Endpoint: "wss://10.20.0.7:7443", ClusterIPs: []string{"", "prod-eu", "203.0.113.007", "::ffff:203.0.113.7"}},
		"e-periods": {Endpoint: "wss://10.20.0.7:7443", Reporting: v1alpha1.ReportingSpec{
			RequestPeriod: duration(time.Hour), CacheTTL: duration(time.Second), SessionDuration: duration(time.Millisecond),
		}},
		"203.0.113.8": {Endpoint: "wss://10.20.0.7:7443"},
		"z-good":      {Endpoint: "wss://10.20.0.7:7443", ClusterIPs: []string{"203.0.113.9"}},
	} {
		h.apply(t, &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec})
	}
	m := startMaster(t, h.Config())
	for name, want := range map[string]string{
		"a-endpoint": "Ready=False/EndpointInvalid", "b-nothing": "Ready=False/EndpointInvalid", "c-tls": "Ready=False/TLSInvalid",
		"d-ips": "Ready=Unknown/AwaitingFirstContact", "e-periods": "Ready=Unknown/AwaitingFirstContact", "z-good": "Ready=Unknown/AwaitingFirstContact",
	} {
		h.awaitAgent(t, name, want)
		h.awaitStatus(t, name, "Unknown/AwaitingFirstContact")
	}
	m.mustResolve(t, map[string]string{"203.0.113.7": "d-ips", "203.0.113.9": "z-good", "203.0.113.8": ""})
}
