package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// named returns a new ClusterAgent.
func named(name string, ips ...string) *v1alpha1.ClusterAgent {
	return &v1alpha1.ClusterAgent{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.ClusterAgentSpec{Endpoint: "wss://10.20.0.7:7443", ClusterIPs: ips},
	}
}

// of returns a session.Status for a ClusterAgent's current generation.
func of(agent *v1alpha1.ClusterAgent, o session.Status) session.Status {
	o.Generation = agent.Generation
	return o
}

func TestClusterAgentStatusIsWritten(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("answered"))
	h.awaitAgent(t, "answered", "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle")

	m.setStatus("answered", of(agent, open))
	status := h.awaitAgent(t, "answered", "Ready=True/Succeeded Reporting=True/SessionOpen Reporting").Status
	if status.ClusterUID != "8a1f" || status.AgentVersion != "v0.1.0" || status.KubernetesVersion != "v1.36.3" {
		t.Errorf("status does not have the agent's identity: %+v", status)
	}
	if s := status.Session; s.ID != "s-1" || s.Holder != "m-1" || !s.StartedAt.Equal(timeOf(open.Session.StartedAt)) || !s.ExpiresAt.Equal(timeOf(open.Session.ExpiresAt)) {
		t.Errorf("status does not have the session: %+v", s)
	}
	m.waitIdle(t, h)
	if cluster, err := m.registry.Cluster("answered"); err != nil || cluster.ExpectedUID != "8a1f" {
		t.Errorf("the cluster that answered first is not expected from then on: %+v", cluster)
	}
}

func TestSpecChangeIsSyncedAndObserved(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("changed"))
	m.setStatus("changed", of(agent, open))
	h.awaitAgent(t, "changed", "Ready=True/Succeeded")

	h.change(t, "changed", func(s *v1alpha1.ClusterAgentSpec) { s.Endpoint = "wss://10.20.0.8:7443" })
	got := h.awaitAgent(t, "changed", "Ready=Unknown/AwaitingFirstContact").Status
	if got.ObservedGeneration != 2 {
		t.Errorf("observedGeneration is %d, want 2", got.ObservedGeneration)
	}
	h.change(t, "changed", func(s *v1alpha1.ClusterAgentSpec) { s.Suspend = true })
	h.awaitAgent(t, "changed", "Ready=False/Suspended Reporting=False/Suspended")
	h.delete(t, agent)
	h.awaitGone(t, &v1alpha1.ClusterStatus{ObjectMeta: metav1.ObjectMeta{Name: "changed"}}, &v1alpha1.ClusterStatusList{})
	m.waitIdle(t, h)
	if got, want := m.syncedGenerations(t, "changed"), []int64{1, 2, 3, 0}; !slices.Equal(got, want) {
		t.Errorf("Sync got the generations %v, want %v", got, want)
	}
}

func TestOlderClusterAgentKeepsClusterIP(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	// Creation times have seconds; the name decides between equal ones.
	older := h.apply(t, named("claims-a", "203.0.113.7", "203.0.113.8"))
	h.apply(t, named("claims-b", "203.0.113.7"))
	conflict := h.awaitAgent(t, "claims-b", "Ready=False/ClusterIPConflict").Status
	if message := meta.FindStatusCondition(conflict.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, "203.0.113.7 is owned by the older ClusterAgent claims-a") {
		t.Errorf("got %q", message)
	}
	h.awaitAgent(t, "claims-a", "Ready=Unknown/AwaitingFirstContact")
	m.mustResolve(t, map[string]string{
		"203.0.113.7": "claims-a", "::ffff:203.0.113.7": "claims-a", "203.0.113.8": "claims-a",
		"claims-b": "claims-b", "203.0.113.9": "", "unregistered": "",
	})
	list, err := m.registry.List()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(r session.Registered) bool { return r.Name == "claims-b" })
	if i < 1 || list[i-1].Name != "claims-a" || len(list[i-1].ClusterIPs) != 2 || len(list[i].ClusterIPs) != 0 {
		t.Errorf("the list says %+v", list)
	}

	h.change(t, "claims-a", func(s *v1alpha1.ClusterAgentSpec) { s.ClusterIPs = []string{"203.0.113.8"} })
	h.awaitAgent(t, "claims-b", "Ready=Unknown/AwaitingFirstContact")
	m.mustResolve(t, map[string]string{"203.0.113.7": "claims-b", "203.0.113.8": "claims-a"})

	h.change(t, "claims-b", func(s *v1alpha1.ClusterAgentSpec) { s.ClusterIPs = []string{"203.0.113.7", "203.0.113.8"} })
	h.awaitAgent(t, "claims-b", "Ready=False/ClusterIPConflict")
	h.delete(t, older)
	h.awaitAgent(t, "claims-b", "Ready=Unknown/AwaitingFirstContact")
	m.mustResolve(t, map[string]string{"203.0.113.7": "claims-b", "203.0.113.8": "claims-b", "claims-a": ""})
}

func (m *master) mustResolve(t *testing.T, wanted map[string]string) {
	t.Helper()
	for asked, want := range wanted {
		got, err := m.registry.Resolve(asked)
		if err != nil && !errors.Is(err, session.ErrNotFound) || (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%s: got %q (%v), want %q", asked, got, err, want)
		}
	}
}

func TestClusterUIDMismatchIsReported(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("another"))
	m.setStatus("another", of(agent, answered))
	h.awaitAgent(t, "another", "Ready=True/Succeeded")
	m.setStatus("another", of(agent, failing(dial.ClusterUIDMismatch, "the agent is in the cluster 77c0, expected is 8a1f")))
	status := h.awaitAgent(t, "another", "Ready=False/ClusterUIDMismatch Reporting=False/Backoff Backoff").Status
	if message := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady).Message; !strings.Contains(message, "77c0") || !strings.Contains(message, "8a1f") {
		t.Errorf("not both are named: %q", message)
	}
	if status.ClusterUID != "8a1f" {
		t.Errorf("status.clusterUID is %q", status.ClusterUID)
	}
	h.change(t, "another", func(s *v1alpha1.ClusterAgentSpec) { s.ClusterUID = "77c0" })
	h.awaitAgent(t, "another", "Ready=Unknown/AwaitingFirstContact")
	if cluster, _ := m.registry.Cluster("another"); cluster.ExpectedUID != "77c0" {
		t.Errorf("expected is %q, want what the spec says", cluster.ExpectedUID)
	}
}

func TestInvalidEndpointIsReported(t *testing.T) {
	h := newHub(t)
	h.startMaster(t)
	plain := named("plain")
	plain.Spec.Endpoint = "ws://10.20.0.7:7443"
	h.apply(t, plain)
	h.awaitAgent(t, "plain", "Ready=False/EndpointInvalid")
	bundle := named("bundle")
	bundle.Spec.TLS.CABundle = []byte("no certificate")
	h.apply(t, bundle)
	h.awaitAgent(t, "bundle", "Ready=False/TLSInvalid")
}

func TestStartingMasterCorrectsStatus(t *testing.T) {
	h := newHub(t)
	first := h.startMaster(t)
	agent := h.apply(t, named("left"))
	first.setStatus("left", of(agent, summaryAt(0)))
	h.awaitAgent(t, "left", "Ready=True/Succeeded Reporting=True/SessionOpen Reporting")
	h.awaitStatus(t, "left", "True/NoProblems")
	orphan := h.apply(t, named("orphan"))
	h.awaitStatus(t, "orphan", "Unknown/AwaitingFirstContact")
	first.stop()
	h.delete(t, orphan)

	second := h.startMaster(t)
	status := h.awaitAgent(t, "left", "Ready=True/Succeeded Reporting=False/NoDemand Idle master gone").Status
	if s := status.Session; s.ID != "" || s.Holder != "" || s.ExpiresAt != nil {
		t.Errorf("status still has the session: %+v", s)
	}
	h.awaitGone(t, &v1alpha1.ClusterStatus{ObjectMeta: metav1.ObjectMeta{Name: "orphan"}}, &v1alpha1.ClusterStatusList{})
	known, err := second.registry.StoredStatus("left")
	if err != nil || known.Summary.Nodes.Total != 3 || !known.ObservedAt.Equal(noon) || known.KubernetesVersion != "v1.36.3" {
		t.Errorf("the last summary is lost: %+v", known)
	}
	if _, err := second.registry.StoredStatus("unregistered"); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("got error %v for the summary of an unknown cluster, want %v", err, session.ErrNotFound)
	}
}

func TestOwnWritesTriggerNoReconcile(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("own-writes"))
	h.awaitAgent(t, "own-writes", "Ready=Unknown")
	h.awaitStatus(t, "own-writes", "Unknown/AwaitingFirstContact")
	m.waitIdle(t, h)
	if got := m.reconciles("own-writes"); got != 2 {
		t.Errorf("after the creation: got %d reconciles, want one by each reconciler", got)
	}
	m.setStatus("own-writes", of(agent, summaryAt(0)))
	h.awaitAgent(t, "own-writes", "Ready=True")
	h.awaitStatus(t, "own-writes", "True/NoProblems")
	m.waitIdle(t, h)
	// Both reconcilers may conflict with each other once.
	if got := m.reconciles("own-writes"); got < 4 || got > 6 {
		t.Errorf("after a change of the session: got %d reconciles in total, want one or two more by each reconciler", got)
	}
}

func TestEventBurstIsRateLimited(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("burst"))
	before := h.awaitAgent(t, "burst", "Ready=Unknown")
	versions := h.versions(t, before)
	for i := range 500 {
		o := of(agent, answered)
		o.Session.Phase = []session.Phase{session.Connecting, session.Backoff}[i%2]
		m.setStatus("burst", o)
	}
	m.waitIdle(t, h)
	if got := versions(); got < 1 || got > 3 {
		t.Errorf("got %d writes of 500 events, want at most 3", got)
	}
}
