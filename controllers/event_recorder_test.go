package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	kubeevents "k8s.io/client-go/tools/events"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// statusWith returns a status with a condition Ready.
func statusWith(uid string, ready metav1.ConditionStatus, reason string) v1alpha1.ClusterAgentStatus {
	return v1alpha1.ClusterAgentStatus{ClusterUID: uid, KubernetesVersion: "v1.36.0", AgentVersion: "0.1.0", Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: ready, Reason: reason, ObservedGeneration: 1, Message: "details",
	}}}
}

func TestNoticeOf(t *testing.T) {
	const (
		yes, no, unknown = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
		awaiting         = v1alpha1.ReasonAwaitingFirstContact
		succeeded        = v1alpha1.ReasonSucceeded
		failed           = v1alpha1.ReasonDialFailed
		suspended        = v1alpha1.ReasonSuspended
	)
	for _, tc := range []struct {
		name          string
		before, after v1alpha1.ClusterAgentStatus
		want          string
	}{
		{"created", v1alpha1.ClusterAgentStatus{}, statusWith("", unknown, awaiting), ""},
		{"first contact", statusWith("", unknown, awaiting), statusWith("8a1f", yes, succeeded), "Normal FirstContact"},
		{"first contact after failures", statusWith("", no, failed), statusWith("8a1f", yes, succeeded), "Normal FirstContact"},
		{"never reached", statusWith("", unknown, awaiting), statusWith("", no, failed), "Warning DialFailed"},
		{"unreachable", statusWith("8a1f", yes, succeeded), statusWith("8a1f", no, failed), "Warning DialFailed"},
		{"still unreachable", statusWith("8a1f", no, failed), statusWith("8a1f", no, failed), ""},
		{"another failure", statusWith("8a1f", no, failed), statusWith("8a1f", no, v1alpha1.ReasonCertificateRefused), "Warning CertificateRefused"},
		{"refused", statusWith("8a1f", yes, succeeded), statusWith("8a1f", no, v1alpha1.ReasonUnauthorized), "Warning Unauthorized"},
		{"another cluster", statusWith("8a1f", yes, succeeded), statusWith("8a1f", no, v1alpha1.ReasonClusterUIDMismatch), "Warning ClusterUIDMismatch"},
		{"another cluster is accepted", statusWith("8a1f", no, v1alpha1.ReasonClusterUIDMismatch), statusWith("9b2c", yes, succeeded), "Normal ClusterUIDChanged"},
		{"back", statusWith("8a1f", no, failed), statusWith("8a1f", yes, succeeded), "Normal Reachable"},
		{"another endpoint", statusWith("8a1f", unknown, awaiting), statusWith("8a1f", yes, succeeded), "Normal Reachable"},
		{"reachable", statusWith("8a1f", yes, succeeded), statusWith("8a1f", yes, succeeded), ""},
		{"clocks differ", statusWith("8a1f", yes, succeeded), statusWith("8a1f", yes, v1alpha1.ReasonClockSkew), "Warning ClockSkew"},
		{"suspended", statusWith("8a1f", yes, succeeded), statusWith("8a1f", no, suspended), ""},
		{"resumed", statusWith("8a1f", no, suspended), statusWith("8a1f", yes, succeeded), ""},
		{"invalid", statusWith("", unknown, awaiting), statusWith("", no, v1alpha1.ReasonTLSInvalid), "Warning TLSInvalid"},
	} {
		n, ok := noticeOf("prod-eu", tc.before, tc.after)
		got := ""
		if ok {
			got = n.kind + " " + n.reason
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
		if strings.Contains(n.note, "details") || len(n.note) > 1024 {
			t.Errorf("%s: the note has details of the condition, or is too long: %s", tc.name, n.note)
		}
	}
}

// recorded returns the Events that a recorder has received since the last call.
func recorded(r *kubeevents.FakeRecorder) []string {
	var all []string
	for {
		select {
		case e := <-r.Events:
			kind, reason, _ := strings.Cut(e, " ")
			reason, _, _ = strings.Cut(reason, " ")
			all = append(all, kind+" "+reason)
		default:
			return all
		}
	}
}

func TestEventsFollowStoredChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := kubeevents.NewFakeRecorder(100)
		h := newRecordingHarness(t, recorder)
		step := func(s session.Status, want ...string) {
			t.Helper()
			h.sessions.setStatus("prod-eu", s)
			h.reconcile()
			h.advance(time.Minute)
			h.reconcile()
			if got := recorded(recorder); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		step(session.Status{})
		step(answered, "Normal FirstContact")
		step(failing(dial.DialFailed, "connection refused"), "Warning DialFailed")
		step(answered, "Normal Reachable")

		// The next master starts without any knowledge but the stored status.
		r := h.reconciler.(*agentReconciler)
		h.reconciler = &agentReconciler{
			client: r.client, registry: r.registry, sessions: r.sessions, writer: r.writer, events: newEventRecorder(recorder, r.writer.metrics),
			limiter: newWriteLimiter("ClusterAgent", agentBurst, newWriteQueue(minWriteInterval)),
		}
		for _, s := range []session.Status{{}, answered} {
			h.sessions.setStatus("prod-eu", s)
			h.reconcile()
		}
		if got := recorded(recorder); len(got) > 0 {
			t.Errorf("the next master repeats %q", got)
		}
	})
}

func TestEventsOfAFlappingClusterAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		recorder := kubeevents.NewFakeRecorder(10_000)
		h := newRecordingHarness(t, recorder)
		h.sessions.setStatus("prod-eu", answered)
		h.reconcile()
		for i := range 3600 {
			h.sessions.setStatus("prod-eu", []session.Status{failing(dial.DialFailed, "connection refused"), answered}[i%2])
			h.reconcile()
			h.advance(time.Second)
		}
		if got := len(recorded(recorder)); got < clusterEventBurst || got > clusterEventBurst+13 {
			t.Errorf("got %d Events in an hour, want a burst of %d and one per %s", got, clusterEventBurst, clusterEventInterval)
		}
		var limited float64
		families, err := h.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "rollcall_cluster_events_total" {
				for _, m := range f.GetMetric() {
					if m.GetLabel()[0].GetValue() == outcomeLimited {
						limited = m.GetCounter().GetValue()
					}
				}
			}
		}
		if limited == 0 {
			t.Error("no Event is counted as limited")
		}
	})
}

func TestEventsOfManyClustersAreLimited(t *testing.T) {
	recorder := kubeevents.NewFakeRecorder(10_000)
	m := newMetrics(prometheus.NewRegistry())
	r := newEventRecorder(recorder, m)
	r.now = func() time.Time { return noon }
	for i := range 1000 {
		agent := agentOf(fmt.Sprintf("c-%d", i), 0)
		agent.Status = statusWith("8a1f", metav1.ConditionFalse, v1alpha1.ReasonDialFailed)
		r.statusChanged(agent, statusWith("8a1f", metav1.ConditionTrue, v1alpha1.ReasonSucceeded))
	}
	if got := len(recorded(recorder)); got != eventBurst {
		t.Errorf("got %d Events at once, want %d", got, eventBurst)
	}
	if got := testutil.ToFloat64(m.events.WithLabelValues(outcomeLimited)); got != 1000-eventBurst {
		t.Errorf("%g are counted as limited, want %d", got, 1000-eventBurst)
	}
}

// The master has the rights of config/rbac/master.
func TestEventsOnARealHub(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("eventful"))
	h.awaitAgent(t, "eventful", "Ready=Unknown/AwaitingFirstContact")
	refused := of(agent, failing(dial.CertificateRefused, "the certificate has the pin 132b8e58"))
	for _, s := range []session.Status{of(agent, summaryAt(0)), refused, of(agent, summaryAt(1)), refused} {
		m.setStatus("eventful", s)
		h.awaitAgent(t, "eventful", "Ready="+s.Ready.String())
	}
	clients := kubernetes.NewForConfigOrDie(h.Config())
	var got []string
	deadline := time.Now().Add(20 * time.Second)
	for {
		list, err := clients.EventsV1().Events(metav1.NamespaceDefault).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got = describeEvents(t, list.Items, agent)
		want := []string{"Normal FirstContact", "Normal Reachable", "Warning CertificateRefused 2"}
		if slices.Equal(got, want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got the Events %q, want %q", got, want)
		}
		<-time.After(100 * time.Millisecond)
	}
	if text := h.kubectl(t, "describe", "clusteragent", "eventful"); !strings.Contains(text, "FirstContact") {
		t.Errorf("kubectl describe shows no Event:\n%s", text)
	}
}

// describeEvents returns the type, reason and count of the Events about a ClusterAgent, sorted.
func describeEvents(t *testing.T, all []eventsv1.Event, agent *v1alpha1.ClusterAgent) []string {
	t.Helper()
	var got []string
	for _, e := range all {
		if e.Regarding.Kind != "ClusterAgent" || e.Regarding.UID != agent.UID {
			continue
		}
		text := e.Type + " " + e.Reason
		if e.Series != nil {
			text += fmt.Sprintf(" %d", e.Series.Count)
		}
		if strings.Contains(e.Note, "132b8e58") {
			t.Errorf("the Event has details of the certificate: %s", e.Note)
		}
		got = append(got, text)
	}
	slices.Sort(got)
	return got
}
