package controllers

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// answered is the session.Status of a cluster whose agent answered.
var answered = session.Status{
	Generation: 1, Ready: state.True, Reason: session.Succeeded, UID: "8a1f", AgentVersion: "v0.1.0", KubernetesVersion: "v1.36.3",
	Session: session.Info{Phase: session.Idle},
}

// open is the session.Status while the agent reports.
var open = func() session.Status {
	o := answered
	o.Session = session.Info{ID: "s-1", Phase: session.Reporting, Holder: "m-1", StartedAt: noon, ExpiresAt: noon.Add(30 * time.Minute)}
	return o
}()

// outdated is the session.Status if the agent cannot read its API server.
var outdated = func() session.Status {
	o := open
	away := state.SectionError{Reason: "Disconnected", Message: "the API server does not answer: connection refused"}
	o.Stale[state.SectionNodes] = session.StaleSection{Since: noon.Add(time.Second), Error: away}
	o.Stale[state.SectionPods] = session.StaleSection{Since: noon, Error: away}
	o.Stale[state.SectionUsage] = session.StaleSection{Since: noon.Add(-time.Minute), Error: state.SectionError{Reason: "Forbidden", Message: "grant it"}}
	return o
}()

// failing returns the session.Status of an unreachable cluster.
func failing(reason session.Reason, text string) session.Status {
	return session.Status{Generation: 1, Ready: state.False, Reason: reason, Message: text, Session: session.Info{Phase: session.Backoff}}
}

// stored returns a status that another master wrote.
func stored(reason string, status metav1.ConditionStatus) v1alpha1.ClusterAgentStatus {
	return v1alpha1.ClusterAgentStatus{
		ObservedGeneration: 1, ClusterUID: "8a1f", AgentVersion: "v0.0.9", KubernetesVersion: "v1.35.0",
		Session: v1alpha1.SessionStatus{Phase: v1alpha1.PhaseReporting, ID: "s-0", Holder: "m-0", StartedAt: timeOf(noon), ExpiresAt: timeOf(noon)},
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: "as it was", ObservedGeneration: 1, LastTransitionTime: *timeOf(noon)},
			{Type: v1alpha1.ConditionReporting, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSessionOpen, ObservedGeneration: 1, LastTransitionTime: *timeOf(noon)},
		},
	}
}

// formatStatus formats a status as one line: conditions, phase, and the last session's end reason.
func formatStatus(s v1alpha1.ClusterAgentStatus) string {
	var text []string
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionReporting} {
		if c := meta.FindStatusCondition(s.Conditions, kind); c != nil {
			text = append(text, fmt.Sprintf("%s=%s/%s", kind, c.Status, c.Reason))
		}
	}
	text = append(text, string(s.Session.Phase))
	if s.Session.LastEndReason != "" {
		text = append(text, s.Session.LastEndReason)
	}
	return strings.Join(text, " ")
}

func TestDecideAgent(t *testing.T) {
	refused := &session.UnreachableError{Reason: dial.EndpointInvalid, Err: errors.New("no address")}
	older := []ipConflict{{"203.0.113.7", "prod-us"}}
	for _, c := range []struct {
		name string
		with func(*agentInputs)
		want string
	}{
		{"new", func(*agentInputs) {}, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle"},
		{"answered", func(in *agentInputs) { in.observed = answered }, "Ready=True/Succeeded Reporting=False/NoDemand Idle"},
		{"reporting", func(in *agentInputs) { in.observed = open }, "Ready=True/Succeeded Reporting=True/SessionOpen Reporting"},
		{"reporting outdated sections", func(in *agentInputs) { in.observed = outdated }, "Ready=True/Succeeded Reporting=True/SectionsStale Reporting"},
		{"dialing", func(in *agentInputs) { in.observed.Session.Phase = session.Connecting }, "Ready=Unknown/AwaitingFirstContact Reporting=False/Connecting Connecting"},
		{"failing", func(in *agentInputs) { in.observed = failing(dial.DialFailed, "refused") }, "Ready=False/DialFailed Reporting=False/Backoff Backoff"},
		{"ended", func(in *agentInputs) { in.observed, in.observed.LastEndReason = answered, "expired" }, "Ready=True/Succeeded Reporting=False/NoDemand Idle expired"},
		{"clock skew", func(in *agentInputs) {
			in.observed, in.observed.Reason, in.observed.Message = answered, session.ClockSkew, "an hour ahead"
		}, "Ready=True/ClockSkew Reporting=False/NoDemand Idle"},
		{"another cluster", func(in *agentInputs) { in.observed = failing(dial.ClusterUIDMismatch, "77c0, not 8a1f") }, "Ready=False/ClusterUIDMismatch Reporting=False/Backoff Backoff"},
		{"suspended", func(in *agentInputs) { in.agent.Spec.Suspend, in.fault, in.ipConflicts = true, refused, older }, "Ready=False/Suspended Reporting=False/Suspended Idle"},
		{"cannot be dialed", func(in *agentInputs) { in.fault, in.ipConflicts = refused, older }, "Ready=False/EndpointInvalid Reporting=False/NoDemand Idle"},
		{"cluster IP of another", func(in *agentInputs) { in.observed, in.ipConflicts = open, older }, "Ready=False/ClusterIPConflict Reporting=True/SessionOpen Reporting"},
		{"observed before a change of the spec", func(in *agentInputs) { in.observed, in.agent.Generation = open, 2 }, "Ready=Unknown/AwaitingFirstContact Reporting=True/SessionOpen Reporting"},

		{"after a restart", func(in *agentInputs) { in.agent.Status = stored("Succeeded", "True") }, "Ready=True/Succeeded Reporting=False/NoDemand Idle master gone"},
		{"after a restart, failing", func(in *agentInputs) { in.agent.Status = stored("DialFailed", "False") }, "Ready=False/DialFailed Reporting=False/NoDemand Idle master gone"},
		{"after a restart and a change", func(in *agentInputs) { in.agent.Status, in.agent.Generation = stored("Succeeded", "True"), 2 }, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle master gone"},
		{"after a restart, open again", func(in *agentInputs) { in.agent.Status, in.observed = stored("Succeeded", "True"), open }, "Ready=True/Succeeded Reporting=True/SessionOpen Reporting master gone"},
		{"resumed", func(in *agentInputs) { in.agent.Status = stored("Suspended", "False") }, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle master gone"},
		{"conflict resolved", func(in *agentInputs) { in.agent.Status = stored("ClusterIPConflict", "False") }, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle master gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := agentInputs{now: noon.Add(time.Hour), agent: agentOf("prod-eu", 0)}
			c.with(&in)
			next := decideAgent(in)
			if got := formatStatus(next); got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
			for _, condition := range next.Conditions {
				if condition.ObservedGeneration != in.agent.Generation {
					t.Errorf("%s has generation %d, want %d", condition.Type, condition.ObservedGeneration, in.agent.Generation)
				}
			}
			if next.ObservedGeneration != in.agent.Generation {
				t.Errorf("observedGeneration is %d, want %d", next.ObservedGeneration, in.agent.Generation)
			}
		})
	}
}

func TestStaleSectionsAreDescribed(t *testing.T) {
	const old = "outdated: nodes and pods since 2025-11-22T12:00:00Z (Disconnected: the API server does not answer: connection refused); usage since 2025-11-22T11:59:00Z (Forbidden: grant it)"
	conditions := decideAgent(agentInputs{now: noon.Add(time.Hour), agent: agentOf("prod-eu", 0), observed: outdated}).Conditions
	for i, want := range []string{
		"the agent answered the last connection. Its data is " + old,
		"the agent reports every period, but its data is " + old,
	} {
		if got := conditions[i].Message; got != want {
			t.Errorf("%s says\n     %s\nwant %s", conditions[i].Type, got, want)
		}
	}
	for _, message := range []string{
		decideAgent(agentInputs{now: noon, agent: agentOf("prod-eu", 0), observed: open}).Conditions[0].Message,
		decideAgent(agentInputs{now: noon, agent: agentOf("prod-eu", 0), observed: func() session.Status {
			o := failing(dial.DialFailed, "refused")
			o.Stale = outdated.Stale
			return o
		}()}).Conditions[0].Message,
	} {
		if strings.Contains(message, "old") {
			t.Errorf("it says %s", message)
		}
	}
}

func TestSessionIsSetWhileReporting(t *testing.T) {
	in := agentInputs{now: noon, agent: agentOf("prod-eu", 0), observed: open}
	want := v1alpha1.SessionStatus{ID: "s-1", Phase: v1alpha1.PhaseReporting, Holder: "m-1", StartedAt: timeOf(noon), ExpiresAt: timeOf(noon.Add(30 * time.Minute))}
	in.agent.Status = decideAgent(in)
	if !sameStatus(in.agent.Status.Session, want) {
		t.Errorf("got  %+v\nwant %+v", in.agent.Status.Session, want)
	}
	in.observed.LastEndReason = "expired"
	for _, phase := range []session.Phase{session.Idle, session.Connecting, session.Backoff} {
		in.observed.Session.Phase = phase
		want = v1alpha1.SessionStatus{Phase: v1alpha1.SessionPhase(phase), LastEndReason: "expired"}
		if got := decideAgent(in).Session; !sameStatus(got, want) {
			t.Errorf("when it is over: got  %+v\nwant %+v", got, want)
		}
	}
}

func TestConditionTransitionTime(t *testing.T) {
	in := agentInputs{now: noon, agent: agentOf("prod-eu", 0), observed: answered}
	in.agent.Status = decideAgent(in)
	in.now, in.observed = noon.Add(time.Minute), open
	next := decideAgent(in)
	for kind, want := range map[string]time.Time{v1alpha1.ConditionReady: noon, v1alpha1.ConditionReporting: noon.Add(time.Minute)} {
		if got := meta.FindStatusCondition(next.Conditions, kind).LastTransitionTime; !got.Equal(timeOf(want)) {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
	}
}

func TestFirstClusterUIDIsStored(t *testing.T) {
	for _, c := range []struct{ name, spec, status, observed, want string }{
		{"no answer yet", "", "", "", ""},
		{"first", "", "", "8a1f", "8a1f"},
		{"the same again", "", "8a1f", "8a1f", "8a1f"},
		{"another", "", "8a1f", "77c0", "8a1f"},
		{"no answer in this process", "", "8a1f", "", "8a1f"},
		{"the one in spec", "77c0", "8a1f", "77c0", "77c0"},
		{"not the one in spec", "77c0", "", "8a1f", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := agentInputs{now: noon, agent: agentOf("prod-eu", 0)}
			in.agent.Spec.ClusterUID, in.agent.Status.ClusterUID, in.observed.UID = c.spec, c.status, c.observed
			if got := decideAgent(in).ClusterUID; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStatusOfOtherMasterIsKept(t *testing.T) {
	in := agentInputs{now: noon, agent: agentOf("prod-eu", 0)}
	in.agent.Status = stored("Succeeded", "True")
	next := decideAgent(in)
	if next.AgentVersion != "v0.0.9" || next.KubernetesVersion != "v1.35.0" || next.ClusterUID != "8a1f" {
		t.Errorf("got %q, %q and %q", next.AgentVersion, next.KubernetesVersion, next.ClusterUID)
	}
	if ready := meta.FindStatusCondition(next.Conditions, v1alpha1.ConditionReady); ready.Message != "as it was" {
		t.Errorf("Ready says %q", ready.Message)
	}
	in.observed = answered
	if next := decideAgent(in); next.AgentVersion != "v0.1.0" || next.KubernetesVersion != "v1.36.3" {
		t.Errorf("after an answer: got %q and %q", next.AgentVersion, next.KubernetesVersion)
	}
}

func TestConflictMessageNamesOwnerAndOtherErrors(t *testing.T) {
	in := agentInputs{now: noon, agent: agentOf("prod-eu", 0), ipConflicts: []ipConflict{{"203.0.113.7", "prod-us"}, {"203.0.113.8", "lab"}}}
	in.observed = failing(dial.DialFailed, "connection refused")
	message := meta.FindStatusCondition(decideAgent(in).Conditions, v1alpha1.ConditionReady).Message
	for _, text := range []string{"203.0.113.7 is owned by the older ClusterAgent prod-us", "203.0.113.8 is owned by the older ClusterAgent lab", "the cluster is still available as prod-eu", "DialFailed: connection refused"} {
		if !strings.Contains(message, text) {
			t.Errorf("want %q in %q", text, message)
		}
	}
}

func TestStatusTextsAreTruncated(t *testing.T) {
	long := strings.Repeat("ü", 2000) + "\xff"
	in := agentInputs{now: noon, agent: agentOf("prod-eu", 0), observed: open}
	in.observed.UID, in.observed.AgentVersion, in.observed.KubernetesVersion, in.observed.LastEndReason, in.observed.Message = long, long, long, long, long
	in.observed.Session.ID, in.observed.Session.Holder = long, long
	in.observed.Session.StartedAt, in.observed.Session.ExpiresAt = time.Unix(-1, 0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	next := decideAgent(in)
	word, message := strings.Repeat("ü", v1alpha1.MaxShortText), strings.Repeat("ü", v1alpha1.MaxMessage)
	for got, want := range map[*string]string{
		&next.AgentVersion: word, &next.KubernetesVersion: word, &next.Session.ID: word, &next.Session.Holder: word,
		&next.Session.LastEndReason: word, &next.Session.Message: message,
		&meta.FindStatusCondition(next.Conditions, v1alpha1.ConditionReady).Message: message,
	} {
		if *got != want {
			t.Errorf("got %d characters of %.12q, want %d", len([]rune(*got)), *got, len([]rune(want)))
		}
	}
	if next.Session.StartedAt != nil || next.Session.ExpiresAt != nil {
		t.Errorf("got a session from %v to %v, times that the schema refuses", next.Session.StartedAt, next.Session.ExpiresAt)
	}
}

func TestUnchangedStatusIsNotWritten(t *testing.T) {
	in := agentInputs{now: noon, agent: agentOf("prod-eu", 0), observed: open}
	if got := agentChange(in.agent.Status, decideAgent(in)); got != reasonSpec {
		t.Errorf("a first status: got %q, want %q", got, reasonSpec)
	}
	in.agent.Status = decideAgent(in)
	in.now = noon.Add(time.Hour)
	if got := agentChange(in.agent.Status, decideAgent(in)); got != "" {
		t.Errorf("the same an hour later: got %q, want no write", got)
	}
	in.observed.Session.ExpiresAt = noon.Add(40 * time.Minute)
	if got := agentChange(in.agent.Status, decideAgent(in)); got != reasonSession {
		t.Errorf("a renewal: got %q, want %q", got, reasonSession)
	}
	in.observed = failing(dial.DialFailed, "refused")
	if got := agentChange(in.agent.Status, decideAgent(in)); got != reasonCondition {
		t.Errorf("a failure: got %q, want %q", got, reasonCondition)
	}
}

func TestDecideAgentDoesNotModifyInput(t *testing.T) {
	in := agentInputs{now: noon, agent: agentOf("prod-eu", 0), observed: open}
	in.agent.Status = stored("DialFailed", "False")
	before := in.agent.DeepCopy()
	decideAgent(in)
	if !reflect.DeepEqual(in.agent, before) {
		t.Errorf("got  %+v\nwant %+v", in.agent, before)
	}
}

func TestChannelBoundCondition(t *testing.T) {
	before := func(reason string) v1alpha1.ClusterAgentStatus {
		s := stored("Succeeded", metav1.ConditionTrue)
		s.Conditions = append(s.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionChannelBound, Status: metav1.ConditionFalse, Reason: reason, ObservedGeneration: 1, LastTransitionTime: *timeOf(noon),
		})
		return s
	}
	observed := func(b dial.Binding) session.Status {
		o := answered
		o.Binding = b
		return o
	}
	for name, c := range map[string]struct {
		with func(*agentInputs)
		want string
	}{
		"new":                                  {func(*agentInputs) {}, "Unknown/NotAnswered"},
		"bound":                                {func(in *agentInputs) { in.observed = observed(dial.BindingTLS) }, "True/TLSBound"},
		"off at the agent":                     {func(in *agentInputs) { in.observed = observed(dial.BindingOff) }, "False/BindingOff"},
		"an agent without keys":                {func(in *agentInputs) { in.observed = observed(dial.BindingUnsigned) }, "False/NotSigned"},
		"observed by another process":          {func(in *agentInputs) { in.agent.Status = before("BindingOff") }, "False/BindingOff"},
		"stored before a change of the spec":   {func(in *agentInputs) { in.agent.Status, in.agent.Generation = before("BindingOff"), 2 }, "Unknown/NotAnswered"},
		"observed before a change of the spec": {func(in *agentInputs) { in.observed, in.agent.Generation = observed(dial.BindingTLS), 2 }, "Unknown/NotAnswered"},
		"another than stored": {func(in *agentInputs) {
			in.agent.Status, in.observed = before("BindingOff"), observed(dial.BindingTLS)
		}, "True/TLSBound"},
		"suspended, stored before": {func(in *agentInputs) { in.agent.Status, in.agent.Spec.Suspend = before("BindingOff"), true }, "False/BindingOff"},
	} {
		t.Run(name, func(t *testing.T) {
			in := agentInputs{now: noon.Add(time.Hour), agent: agentOf("prod-eu", 0)}
			c.with(&in)
			got := meta.FindStatusCondition(decideAgent(in).Conditions, v1alpha1.ConditionChannelBound)
			if got == nil || string(got.Status)+"/"+got.Reason != c.want {
				t.Errorf("got %+v, want %s", got, c.want)
			}
		})
	}
}
