package v1alpha1_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	sampleUID = "3f1e6a52-5a0e-4b5c-9d63-0c5d9f0b7a11"
	samplePin = "132b8e5864a97a36cc40e416c0eba9c9ad9ce57edfb30aaf8771c7ce6a5ae530"
)

func minimalAgent(t *testing.T, name string) *unstructured.Unstructured {
	return object(t, `
apiVersion: rollcall.dev/v1alpha1
kind: ClusterAgent
metadata: {name: `+name+`}
spec: {endpoint: "wss://10.20.0.7:7443"}
`)
}

func TestBadValueIsRejectedAndListDecodes(t *testing.T) {
	h := newHub(t)
	good := minimalAgent(t, "good")
	h.create(t, good.DeepCopy())
	seen := startInformer(t, h)

	for _, bad := range badAgentValues() {
		t.Run(bad.name(), func(t *testing.T) {
			created := with(minimalAgent(t, "bad"), bad.field, bad.value)
			h.deleteLater(t, created)
			bad.mustReject(t, h.client.Create(t.Context(), created))
			h.mustDecode(t)
			if bad.field == "metadata.name" {
				return // of a stored object it cannot be changed
			}
			stored := good.DeepCopy()
			if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(good), stored); err != nil {
				t.Fatal(err)
			}
			bad.mustReject(t, h.client.Update(t.Context(), with(stored, bad.field, bad.value)))
			h.mustDecode(t)
		})
	}

	h.create(t, minimalAgent(t, "afterwards"))
	for {
		select {
		case name := <-seen:
			if name == "afterwards" {
				return
			}
		case <-time.After(time.Minute):
			t.Fatal("the informer does not see the last object")
		}
	}
}

// startInformer watches ClusterAgents like the master and returns the names it receives.
func startInformer(t *testing.T, h *hub) <-chan string {
	t.Helper()
	agents, err := cache.New(h.Config(), cache.Options{Scheme: newScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	informer, err := agents.GetInformer(t.Context(), &v1alpha1.ClusterAgent{}, cache.BlockUntilSynced(false))
	if err != nil {
		t.Fatal(err)
	}
	names := make(chan string)
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: func(added any) {
		select {
		case names <- added.(*v1alpha1.ClusterAgent).Name:
		case <-t.Context().Done():
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- agents.Start(t.Context()) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Errorf("informer: %v", err)
		}
	})
	if !agents.WaitForCacheSync(t.Context()) {
		t.Fatal("the informer did not sync")
	}
	return names
}

func TestEveryFieldHasABadValue(t *testing.T) {
	tried := map[string]bool{}
	for _, bad := range badAgentValues() {
		tried[bad.field] = true
	}
	for _, field := range fieldsOf(t, "ClusterAgent", "spec") {
		if !tried[field.path] {
			t.Errorf("no test tries a bad %s", field.path)
		}
	}
}

func TestLimitValuesAreAccepted(t *testing.T) {
	h := newHub(t)
	ips := []any{"203.0.113.7", "2001:db8::7", "::1", "2001:db8:1111:2222:3333:4444:5555:6666"}
	for i := range 12 {
		ips = append(ips, fmt.Sprintf("10.0.0.%d", i))
	}
	pin := func(digit string) any { return strings.Repeat(digit, 64) }
	period := func(request, session, ttl string) any {
		return map[string]any{"requestPeriod": request, "sessionDuration": session, "cacheTTL": ttl}
	}
	for _, good := range []setting{
		{field: "metadata.name", value: strings.Repeat("a", 63)},
		{field: "metadata.name", value: "10.20.0"},
		{field: "spec.endpoint", value: "wss://prod-eu"},
		{field: "spec.endpoint", value: "wss://agent.prod_eu.example.com:65535"},
		{field: "spec.endpoint", value: "wss://[2001:db8::7]:1"},
		{field: "spec.endpoint", value: "ws://127.0.0.1:7443"},
		{field: "spec.endpoint", value: "wss://" + strings.Repeat("a", 294)},
		{field: "spec.clusterIPs", value: ips},
		{field: "spec.clusterIPs", value: []any{}},
		{field: "spec.clusterUID", value: ""},
		{field: "spec.clusterUID", value: sampleUID},
		{field: "spec.clusterUID", value: strings.Repeat("a", 64)},
		{field: "spec.tls", value: map[string]any{}},
		// The value has all characters of the standard base64 alphabet.
		{field: "spec.tls.caBundle", value: base64.StdEncoding.EncodeToString([]byte("?>~???>>>???~~~\xff\xfe\xfb"))},
		{field: "spec.tls.caBundle", value: strings.Repeat("LS0t", 87384/4)},
		{field: "spec.tls.serverName", value: "agent.prod-eu.example.com"},
		{field: "spec.tls.serverName", value: "2001:db8::7"},
		{field: "spec.tls.serverName", value: ""},
		{field: "spec.tls.pinnedSHA256", value: []any{pin("0"), pin("9"), pin("a"), pin("f")}},
		{field: "spec.reporting.mode", value: "Continuous"},
		{field: "spec.reporting", value: period("100ms", "101ms", "101ms")},
		{field: "spec.reporting", value: period("23h59m59.9s", "24h", "1440m")},
		{field: "spec.reporting", value: period("0.5s", "0.25h", "1m30s")},
		{field: "spec.reporting.idleRefresh", value: "0s"},
		{field: "spec.reporting.idleRefresh", value: "0h0m0s"},
		{field: "spec.reporting.idleRefresh", value: "100ms"},
		{field: "spec.suspend", value: true},
	} {
		t.Run(good.name(), func(t *testing.T) {
			h.create(t, with(minimalAgent(t, "good-value"), good.field, good.value))
			h.mustDecode(t)
		})
	}
}

func TestTLSIsRejectedForPlainEndpoints(t *testing.T) {
	h := newHub(t)
	agent := with(minimalAgent(t, "plain"), "spec.endpoint", "ws://10.20.0.7:7443")
	err := h.client.Create(t.Context(), with(agent, "spec.tls.pinnedSHA256[0]", samplePin))
	setting{"spec.tls", nil, []string{"use wss://, or remove tls"}}.mustReject(t, err)
}

// TestReverseConnections tries settings of clusters whose agent dials the master.
func TestReverseConnections(t *testing.T) {
	h := newHub(t)
	const issuer = "https://kubernetes.default.svc.cluster.local"
	account := func(unbound bool) any {
		return map[string]any{"serviceAccount": map[string]any{"issuer": issuer, "jwks": strings.Repeat("a", 65536), "audience": "rollcall", "allowUnbound": unbound}}
	}
	join := map[string]any{"keySHA256": samplePin, "expiresAt": "2026-11-22T10:00:00Z"}
	for name, test := range map[string]struct {
		spec map[string]any
		want string
	}{
		"nothing else":        {spec: map[string]any{}},
		"a join token":        {spec: map[string]any{"join": join}},
		"a service account":   {spec: map[string]any{"identity": account(false)}},
		"both and pins":       {spec: map[string]any{"join": join, "identity": account(false), "tls": map[string]any{"pinnedSHA256": []any{samplePin}}}},
		"unbound":             {spec: map[string]any{"identity": account(false), "link": map[string]any{"channelBinding": "None"}}, want: "set identity.serviceAccount.allowUnbound: true"},
		"unbound and allowed": {spec: map[string]any{"identity": account(true), "link": map[string]any{"channelBinding": "None"}}},
	} {
		t.Run(name, func(t *testing.T) {
			test.spec["connection"] = "Reverse"
			agent := minimalAgent(t, "reverse")
			agent.Object["spec"] = test.spec
			if test.want != "" {
				setting{"spec.identity", nil, []string{test.want}}.mustReject(t, h.client.Create(t.Context(), agent))
				return
			}
			h.create(t, agent)
			h.mustDecode(t)
		})
	}
}

func TestPeriodRules(t *testing.T) {
	h := newHub(t)
	for _, c := range []struct {
		field, value string
		words        string
	}{
		{"requestPeriod", "10s", "must be shorter than cacheTTL, or answers expire between two reports: lower requestPeriod (10s) or raise cacheTTL (10s)"},
		{"requestPeriod", "30m", "must be shorter than sessionDuration, or a session ends before its second report: lower requestPeriod (30m) or raise sessionDuration (30m)"},
		{"requestPeriod", "10000ms", "lower requestPeriod (10000ms) or raise cacheTTL (10s)"},
		{"cacheTTL", "5s", "lower requestPeriod (5s) or raise cacheTTL (5s)"},
		{"sessionDuration", "5s", "lower requestPeriod (5s) or raise sessionDuration (5s)"},
	} {
		t.Run(c.field+"="+c.value, func(t *testing.T) {
			agent := with(minimalAgent(t, "misfit"), "spec.reporting."+c.field, c.value)
			setting{"spec.reporting.requestPeriod", c.value, []string{c.words}}.mustReject(t, h.client.Create(t.Context(), agent))
		})
	}
}

func TestBadDurationIsReportedOnce(t *testing.T) {
	h := newHub(t)
	err := h.client.Create(t.Context(), with(minimalAgent(t, "bad"), "spec.reporting.requestPeriod", "1d"))
	if err == nil || strings.Contains(err.Error(), "cacheTTL") {
		t.Errorf("want an error about requestPeriod only, got %v", err)
	}
}

func TestDefaults(t *testing.T) {
	h := newHub(t)
	want := v1alpha1.ReportingSpec{
		Mode:            v1alpha1.OnDemand,
		RequestPeriod:   metav1.Duration{Duration: 5 * time.Second},
		SessionDuration: metav1.Duration{Duration: 30 * time.Minute},
		CacheTTL:        metav1.Duration{Duration: 10 * time.Second},
		IdleRefresh:     &metav1.Duration{Duration: 5 * time.Minute},
	}
	for name, value := range map[string]any{
		"none":    missing{},
		"null":    nil,
		"empty":   map[string]any{},
		"nulls":   map[string]any{"mode": nil, "requestPeriod": nil, "sessionDuration": nil, "cacheTTL": nil, "idleRefresh": nil},
		"partial": map[string]any{"cacheTTL": "10s"},
	} {
		t.Run(name, func(t *testing.T) {
			h.create(t, with(minimalAgent(t, "defaults"), "spec.reporting", value))
			h.mustHaveReporting(t, "defaults", want)
		})
	}
}

func TestDefaultsApplyToTypedClients(t *testing.T) {
	h := newHub(t)
	agent := &v1alpha1.ClusterAgent{
		ObjectMeta: metav1.ObjectMeta{Name: "typed"},
		Spec: v1alpha1.ClusterAgentSpec{
			Endpoint:  "wss://10.20.0.7:7443",
			Reporting: v1alpha1.ReportingSpec{IdleRefresh: &metav1.Duration{}},
		},
	}
	h.create(t, agent)
	h.mustHaveReporting(t, "typed", v1alpha1.ReportingSpec{
		Mode:            v1alpha1.OnDemand,
		RequestPeriod:   metav1.Duration{Duration: 5 * time.Second},
		SessionDuration: metav1.Duration{Duration: 30 * time.Minute},
		CacheTTL:        metav1.Duration{Duration: 10 * time.Second},
		IdleRefresh:     &metav1.Duration{},
	})
}

func (h *hub) mustHaveReporting(t *testing.T, name string, want v1alpha1.ReportingSpec) {
	t.Helper()
	var agent v1alpha1.ClusterAgent
	if err := h.client.Get(t.Context(), client.ObjectKey{Name: name}, &agent); err != nil {
		t.Fatal(err)
	}
	got := agent.Spec.Reporting
	if got.IdleRefresh == nil || *got.IdleRefresh != *want.IdleRefresh {
		t.Errorf("idleRefresh: got %v, want %v", got.IdleRefresh, want.IdleRefresh)
	}
	got.IdleRefresh = want.IdleRefresh
	if got != want {
		t.Errorf("reporting: got %+v, want %+v", got, want)
	}
}
