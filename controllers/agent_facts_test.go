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
)

// answered is the observation of a cluster whose agent answered.
var answered = session.Status{
	Generation: 1, Ready: state.True, Reason: session.Succeeded, UID: "8a1f", AgentVersion: "v0.1.0", KubernetesVersion: "v1.36.3",
	Session: session.Info{Phase: session.Idle},
}

// open is the observation while the agent reports.
var open = func() session.Status {
	o := answered
	o.Session = session.Info{ID: "s-1", Phase: session.Reporting, Holder: "m-1", StartedAt: noon, ExpiresAt: noon.Add(30 * time.Minute)}
	return o
}()

// outdated is the observation if the agent cannot read its API server.
var outdated = func() session.Status {
	o := open
	away := state.SectionError{Reason: "Disconnected", Message: "the API server does not answer: connection refused"}
	o.Stale[state.SectionNodes] = session.StaleSection{Since: noon.Add(time.Second), Error: away}
	o.Stale[state.SectionPods] = session.StaleSection{Since: noon, Error: away}
	o.Stale[state.SectionUsage] = session.StaleSection{Since: noon.Add(-time.Minute), Error: state.SectionError{Reason: "Forbidden", Message: "grant it"}}
	return o
}()

// failing returns the observation of an unreachable cluster.
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

// inShort formats a status as one line: conditions, phase, and the last session's end reason.
func inShort(s v1alpha1.ClusterAgentStatus) string {
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
	refused := &session.UnreachableError{Reason: session.EndpointInvalid, Err: errors.New("no address")}
	older := []ipConflict{{"203.0.113.7", "prod-us"}}
	for _, c := range []struct {
		name string
		with func(*agentFacts)
		want string
	}{
		{"new", func(*agentFacts) {}, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle"},
		{"answered", func(f *agentFacts) { f.seen = answered }, "Ready=True/Succeeded Reporting=False/NoDemand Idle"},
		{"reporting", func(f *agentFacts) { f.seen = open }, "Ready=True/Succeeded Reporting=True/SessionOpen Reporting"},
		{"reporting what is old", func(f *agentFacts) { f.seen = outdated }, "Ready=True/Succeeded Reporting=True/SectionsStale Reporting"},
		{"dialing", func(f *agentFacts) { f.seen.Session.Phase = session.Connecting }, "Ready=Unknown/AwaitingFirstContact Reporting=False/Connecting Connecting"},
		{"failing", func(f *agentFacts) { f.seen = failing(session.DialFailed, "refused") }, "Ready=False/DialFailed Reporting=False/Backoff Backoff"},
		{"ended", func(f *agentFacts) { f.seen, f.seen.LastEndReason = answered, "expired" }, "Ready=True/Succeeded Reporting=False/NoDemand Idle expired"},
		{"by another clock", func(f *agentFacts) {
			f.seen, f.seen.Reason, f.seen.Message = answered, session.ClockSkew, "an hour ahead"
		}, "Ready=True/ClockSkew Reporting=False/NoDemand Idle"},
		{"another cluster", func(f *agentFacts) { f.seen = failing(session.ClusterUIDMismatch, "77c0, not 8a1f") }, "Ready=False/ClusterUIDMismatch Reporting=False/Backoff Backoff"},
		{"suspended", func(f *agentFacts) { f.agent.Spec.Suspend, f.fault, f.ipConflicts = true, refused, older }, "Ready=False/Suspended Reporting=False/Suspended Idle"},
		{"cannot be dialed", func(f *agentFacts) { f.fault, f.ipConflicts = refused, older }, "Ready=False/EndpointInvalid Reporting=False/NoDemand Idle"},
		{"an address is another's", func(f *agentFacts) { f.seen, f.ipConflicts = open, older }, "Ready=False/ClusterIPConflict Reporting=True/SessionOpen Reporting"},
		{"seen before the change", func(f *agentFacts) { f.seen, f.agent.Generation = open, 2 }, "Ready=Unknown/AwaitingFirstContact Reporting=True/SessionOpen Reporting"},

		{"after a restart", func(f *agentFacts) { f.agent.Status = stored("Succeeded", "True") }, "Ready=True/Succeeded Reporting=False/NoDemand Idle master gone"},
		{"after a restart, failing", func(f *agentFacts) { f.agent.Status = stored("DialFailed", "False") }, "Ready=False/DialFailed Reporting=False/NoDemand Idle master gone"},
		{"after a restart and a change", func(f *agentFacts) { f.agent.Status, f.agent.Generation = stored("Succeeded", "True"), 2 }, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle master gone"},
		{"after a restart, open again", func(f *agentFacts) { f.agent.Status, f.seen = stored("Succeeded", "True"), open }, "Ready=True/Succeeded Reporting=True/SessionOpen Reporting master gone"},
		{"resumed", func(f *agentFacts) { f.agent.Status = stored("Suspended", "False") }, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle master gone"},
		{"conflict over", func(f *agentFacts) { f.agent.Status = stored("ClusterIPConflict", "False") }, "Ready=Unknown/AwaitingFirstContact Reporting=False/NoDemand Idle master gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := agentFacts{now: noon.Add(time.Hour), agent: agentOf("prod-eu", 0)}
			c.with(&f)
			next := decideAgent(f)
			if got := inShort(next); got != c.want {
				t.Errorf("\ngot  %s\nwant %s", got, c.want)
			}
			for _, condition := range next.Conditions {
				if condition.ObservedGeneration != f.agent.Generation {
					t.Errorf("%s speaks of generation %d, want %d", condition.Type, condition.ObservedGeneration, f.agent.Generation)
				}
			}
			if next.ObservedGeneration != f.agent.Generation {
				t.Errorf("observedGeneration is %d, want %d", next.ObservedGeneration, f.agent.Generation)
			}
		})
	}
}

func TestStaleSectionsAreDescribed(t *testing.T) {
	const old = "outdated: nodes and pods since 2025-11-22T12:00:00Z (Disconnected: the API server does not answer: connection refused); usage since 2025-11-22T11:59:00Z (Forbidden: grant it)"
	conditions := decideAgent(agentFacts{now: noon.Add(time.Hour), agent: agentOf("prod-eu", 0), seen: outdated}).Conditions
	for i, want := range []string{
		"the agent answered the last connection. Its data is " + old,
		"the agent reports every period, but its data is " + old,
	} {
		if got := conditions[i].Message; got != want {
			t.Errorf("%s says\n     %s\nwant %s", conditions[i].Type, got, want)
		}
	}
	for _, message := range []string{
		decideAgent(agentFacts{now: noon, agent: agentOf("prod-eu", 0), seen: open}).Conditions[0].Message,
		decideAgent(agentFacts{now: noon, agent: agentOf("prod-eu", 0), seen: func() session.Status {
			o := failing(session.DialFailed, "refused")
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
	f := agentFacts{now: noon, agent: agentOf("prod-eu", 0), seen: open}
	want := v1alpha1.SessionStatus{ID: "s-1", Phase: v1alpha1.PhaseReporting, Holder: "m-1", StartedAt: timeOf(noon), ExpiresAt: timeOf(noon.Add(30 * time.Minute))}
	f.agent.Status = decideAgent(f)
	if !sameStatus(f.agent.Status.Session, want) {
		t.Errorf("got  %+v\nwant %+v", f.agent.Status.Session, want)
	}
	f.seen.LastEndReason = "expired"
	for _, phase := range []session.Phase{session.Idle, session.Connecting, session.Backoff} {
		f.seen.Session.Phase = phase
		want = v1alpha1.SessionStatus{Phase: v1alpha1.SessionPhase(phase), LastEndReason: "expired"}
		if got := decideAgent(f).Session; !sameStatus(got, want) {
			t.Errorf("when it is over: got  %+v\nwant %+v", got, want)
		}
	}
}

func TestConditionTransitionTime(t *testing.T) {
	f := agentFacts{now: noon, agent: agentOf("prod-eu", 0), seen: answered}
	f.agent.Status = decideAgent(f)
	f.now, f.seen = noon.Add(time.Minute), open
	next := decideAgent(f)
	for kind, want := range map[string]time.Time{v1alpha1.ConditionReady: noon, v1alpha1.ConditionReporting: noon.Add(time.Minute)} {
		if got := meta.FindStatusCondition(next.Conditions, kind).LastTransitionTime; !got.Equal(timeOf(want)) {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
	}
}

func TestFirstClusterUIDIsStored(t *testing.T) {
	for _, c := range []struct{ name, spec, status, seen, want string }{
		{"nobody yet", "", "", "", ""},
		{"first", "", "", "8a1f", "8a1f"},
		{"the same again", "", "8a1f", "8a1f", "8a1f"},
		{"another", "", "8a1f", "77c0", "8a1f"},
		{"nobody in this process", "", "8a1f", "", "8a1f"},
		{"the one that a person wants", "77c0", "8a1f", "77c0", "77c0"},
		{"not the one that a person wants", "77c0", "", "8a1f", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := agentFacts{now: noon, agent: agentOf("prod-eu", 0)}
			f.agent.Spec.ClusterUID, f.agent.Status.ClusterUID, f.seen.UID = c.spec, c.status, c.seen
			if got := decideAgent(f).ClusterUID; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStatusOfOtherMasterIsKept(t *testing.T) {
	f := agentFacts{now: noon, agent: agentOf("prod-eu", 0)}
	f.agent.Status = stored("Succeeded", "True")
	next := decideAgent(f)
	if next.AgentVersion != "v0.0.9" || next.KubernetesVersion != "v1.35.0" || next.ClusterUID != "8a1f" {
		t.Errorf("got %q, %q and %q", next.AgentVersion, next.KubernetesVersion, next.ClusterUID)
	}
	if ready := meta.FindStatusCondition(next.Conditions, v1alpha1.ConditionReady); ready.Message != "as it was" {
		t.Errorf("Ready says %q", ready.Message)
	}
	f.seen = answered
	if next := decideAgent(f); next.AgentVersion != "v0.1.0" || next.KubernetesVersion != "v1.36.3" {
		t.Errorf("after an answer: got %q and %q", next.AgentVersion, next.KubernetesVersion)
	}
}

func TestConflictMessageNamesOwnerAndOtherErrors(t *testing.T) {
	f := agentFacts{now: noon, agent: agentOf("prod-eu", 0), ipConflicts: []ipConflict{{"203.0.113.7", "prod-us"}, {"203.0.113.8", "lab"}}}
	f.seen = failing(session.DialFailed, "connection refused")
	message := meta.FindStatusCondition(decideAgent(f).Conditions, v1alpha1.ConditionReady).Message
	for _, text := range []string{"203.0.113.7 is owned by the older ClusterAgent prod-us", "203.0.113.8 is owned by the older ClusterAgent lab", "the cluster is still available as prod-eu", "DialFailed: connection refused"} {
		if !strings.Contains(message, text) {
			t.Errorf("want %q in %q", text, message)
		}
	}
}

func TestStatusTextsAreTruncated(t *testing.T) {
	long := strings.Repeat("ü", 2000) + "\xff"
	f := agentFacts{now: noon, agent: agentOf("prod-eu", 0), seen: open}
	f.seen.UID, f.seen.AgentVersion, f.seen.KubernetesVersion, f.seen.LastEndReason, f.seen.Message = long, long, long, long, long
	f.seen.Session.ID, f.seen.Session.Holder = long, long
	f.seen.Session.StartedAt, f.seen.Session.ExpiresAt = time.Unix(-1, 0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	next := decideAgent(f)
	word, message := strings.Repeat("ü", v1alpha1.MaxWord), strings.Repeat("ü", v1alpha1.MaxMessage)
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
	f := agentFacts{now: noon, agent: agentOf("prod-eu", 0), seen: open}
	if got := agentChange(f.agent.Status, decideAgent(f)); got != reasonSpec {
		t.Errorf("a first status: got %q, want %q", got, reasonSpec)
	}
	f.agent.Status = decideAgent(f)
	f.now = noon.Add(time.Hour)
	if got := agentChange(f.agent.Status, decideAgent(f)); got != "" {
		t.Errorf("the same an hour later: got %q, want no write", got)
	}
	f.seen.Session.ExpiresAt = noon.Add(40 * time.Minute)
	if got := agentChange(f.agent.Status, decideAgent(f)); got != reasonSession {
		t.Errorf("a renewal: got %q, want %q", got, reasonSession)
	}
	f.seen = failing(session.DialFailed, "refused")
	if got := agentChange(f.agent.Status, decideAgent(f)); got != reasonCondition {
		t.Errorf("a failure: got %q, want %q", got, reasonCondition)
	}
}

func TestDecideAgentDoesNotModifyInput(t *testing.T) {
	f := agentFacts{now: noon, agent: agentOf("prod-eu", 0), seen: open}
	f.agent.Status = stored("DialFailed", "False")
	before := f.agent.DeepCopy()
	decideAgent(f)
	if !reflect.DeepEqual(f.agent, before) {
		t.Errorf("got  %+v\nwant %+v", f.agent, before)
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
	seen := func(b session.Binding) session.Status {
		o := answered
		o.Binding = b
		return o
	}
	for name, c := range map[string]struct {
		with func(*agentFacts)
		want string
	}{
		"new":                         {func(*agentFacts) {}, "Unknown/NotAnswered"},
		"bound":                       {func(f *agentFacts) { f.seen = seen(session.BindingTLS) }, "True/TLSBound"},
		"off at the agent":            {func(f *agentFacts) { f.seen = seen(session.BindingOff) }, "False/BindingOff"},
		"an agent without keys":       {func(f *agentFacts) { f.seen = seen(session.BindingUnsigned) }, "False/NotSigned"},
		"heard by another process":    {func(f *agentFacts) { f.agent.Status = before("BindingOff") }, "False/BindingOff"},
		"heard before the change":     {func(f *agentFacts) { f.agent.Status, f.agent.Generation = before("BindingOff"), 2 }, "Unknown/NotAnswered"},
		"answered before the change":  {func(f *agentFacts) { f.seen, f.agent.Generation = seen(session.BindingTLS), 2 }, "Unknown/NotAnswered"},
		"another than before":         {func(f *agentFacts) { f.agent.Status, f.seen = before("BindingOff"), seen(session.BindingTLS) }, "True/TLSBound"},
		"suspended, and heard before": {func(f *agentFacts) { f.agent.Status, f.agent.Spec.Suspend = before("BindingOff"), true }, "False/BindingOff"},
	} {
		t.Run(name, func(t *testing.T) {
			f := agentFacts{now: noon.Add(time.Hour), agent: agentOf("prod-eu", 0)}
			c.with(&f)
			got := meta.FindStatusCondition(decideAgent(f).Conditions, v1alpha1.ConditionChannelBound)
			if got == nil || string(got.Status)+"/"+got.Reason != c.want {
				t.Errorf("got %+v, want %s", got, c.want)
			}
		})
	}
}
