package v1alpha1_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// In these statuses every list has an item, so that every field of the schema is present.
const agentStatus = `
observedGeneration: 1
session: {phase: Idle}
identity:
  keys: [{sha256: "` + samplePin + `", enrolledAt: "2026-11-22T10:00:00Z", by: JoinToken}]
  join: {keySHA256: "` + samplePin + `", usedBy: "` + samplePin + `", at: "2026-11-22T10:00:00Z"}
conditions:
- {type: Ready, status: "True", reason: Succeeded, message: "", lastTransitionTime: "2026-11-22T10:00:00Z"}
`

const clusterStatus = `
observedAt: "2026-11-22T10:00:00Z"
summary:
  problems: [{kind: Node, what: NotReady, where: node-1}]
conditions:
- {type: Healthy, status: "False", reason: Problems, message: "", lastTransitionTime: "2026-11-22T10:00:00Z"}
`

func minimalStatus(t *testing.T, name string) *unstructured.Unstructured {
	return object(t, `
apiVersion: rollcall.dev/v1alpha1
kind: ClusterStatus
metadata: {name: `+name+`}
`)
}

func TestBadStatusIsRejectedAndListDecodes(t *testing.T) {
	h := newHub(t)
	for kind, stored := range map[string]*unstructured.Unstructured{
		"ClusterAgent":  with(minimalAgent(t, "bad-status"), "status", object(t, agentStatus).Object),
		"ClusterStatus": with(minimalStatus(t, "bad-status"), "status", object(t, clusterStatus).Object),
	} {
		stored = h.createWithStatus(t, stored)
		for _, f := range fieldsOf(t, kind, "status") {
			t.Run(kind+"/"+f.path, func(t *testing.T) {
				for _, value := range f.tooMuch() {
					h.mustRefuseStatus(t, stored, f.path, value)
				}
			})
		}
	}
}

// createWithStatus creates an object, writes its status, and returns the stored object.
func (h *hub) createWithStatus(t *testing.T, wanted *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	stored := wanted.DeepCopy()
	h.create(t, stored)
	stored.Object["status"] = wanted.Object["status"]
	if err := h.client.Status().Update(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	return stored
}

func (h *hub) mustRefuseStatus(t *testing.T, stored *unstructured.Unstructured, path string, value any) {
	t.Helper()
	err := h.client.Status().Update(t.Context(), with(stored, path, value))
	if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatalf("%s = %.40v: got %v, want a refusal", path, value, err)
	}
	// A rule for the list of conditions names the field in its message.
	if name := path[strings.LastIndex(path, ".")+1:]; !strings.Contains(err.Error(), name) {
		t.Errorf("%s = %.40v: want %q in: %v", path, value, name, err)
	}
	h.mustDecode(t)
}

func TestConditionTypesAreUnique(t *testing.T) {
	h := newHub(t)
	stored := h.createWithStatus(t, with(minimalAgent(t, "twice"), "status", object(t, agentStatus).Object))
	conditions := stored.Object["status"].(map[string]any)["conditions"].([]any)
	twice := append(conditions[:1:1], conditions[0])
	h.mustRefuseStatus(t, stored, "status.conditions", twice)
}

func TestLargestClusterStatusRoundTrip(t *testing.T) {
	h := newHub(t)
	full := fullStatus()
	stored := &v1alpha1.ClusterStatus{ObjectMeta: metav1.ObjectMeta{Name: "full"}}
	h.create(t, stored)
	stored.Status = full
	if err := h.client.Status().Update(t.Context(), stored); err != nil {
		t.Fatal(err)
	}
	var read v1alpha1.ClusterStatus
	if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(stored), &read); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(utc(read.Status), full) {
		t.Errorf("got  %+v\nwant %+v", read.Status, full)
	}
}

func TestLargestClusterAgentStatusIsAccepted(t *testing.T) {
	h := newHub(t)
	word := strings.Repeat("ü", v1alpha1.MaxShortText)
	agent := &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: "full"}, Spec: v1alpha1.ClusterAgentSpec{Endpoint: "wss://10.20.0.7:7443"}}
	h.create(t, agent)
	agent.Status = v1alpha1.ClusterAgentStatus{
		ClusterUID: word, AgentVersion: word, KubernetesVersion: word,
		Session: v1alpha1.SessionStatus{ID: word, Holder: word, LastEndReason: word, Message: strings.Repeat("ü", v1alpha1.MaxMessage)},
		Identity: v1alpha1.IdentityStatus{
			Keys: []v1alpha1.EnrolledKey{
				{SHA256: strings.Repeat("1", 64), EnrolledAt: metav1.Now(), By: v1alpha1.ByJoinToken},
				{SHA256: strings.Repeat("2", 64), EnrolledAt: metav1.Now(), By: v1alpha1.ByRotation},
				{SHA256: strings.Repeat("3", 64), EnrolledAt: metav1.Now(), By: v1alpha1.ByServiceAccount},
				{SHA256: strings.Repeat("4", 64), EnrolledAt: metav1.Now(), By: v1alpha1.ByRotation},
			},
			Join: &v1alpha1.JoinStatus{KeySHA256: samplePin, UsedBy: samplePin, At: metav1.Now()},
		},
	}
	if err := h.client.Status().Update(t.Context(), agent); err != nil {
		t.Error(err)
	}
}

// fullStatus returns the largest possible status.
func fullStatus() v1alpha1.ClusterStatusStatus {
	at := metav1.NewTime(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	extended := map[string]int64{}
	for i := range v1alpha1.MaxExtendedResources {
		extended[fmt.Sprintf("example.com/device-%d", i)] = 1<<63 - 1
	}
	resources := v1alpha1.Resources{CPUMillis: 1<<63 - 1, MemoryBytes: 1<<63 - 1, EphemeralStorageBytes: 1, Pods: 110, Extended: extended}
	summary := &v1alpha1.Summary{
		Nodes: v1alpha1.NodeCounts{Total: 3, Ready: 2, Schedulable: 1}, Capacity: resources, Limits: resources,
		Used: &v1alpha1.UsedSum{CPUMillis: 1, MemoryBytes: 2, SampledAt: &at, Nodes: 3}, ProblemCount: 1000,
	}
	for range v1alpha1.MaxProblems {
		summary.Problems = append(summary.Problems, v1alpha1.Problem{
			Kind:    strings.Repeat("ü", v1alpha1.MaxProblemKind),
			What:    strings.Repeat("ü", v1alpha1.MaxProblemWhat),
			Where:   strings.Repeat("ü", v1alpha1.MaxProblemWhere),
			Message: strings.Repeat("ü", v1alpha1.MaxMessage),
			Since:   &at,
		})
	}
	return v1alpha1.ClusterStatusStatus{
		ObservedAt: &at, Summary: summary, Display: v1alpha1.Display{Nodes: "2/3"},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionHealthy, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonProblems, LastTransitionTime: at}},
	}
}

// utc converts times, which are decoded as local ones, to UTC.
func utc(s v1alpha1.ClusterStatusStatus) v1alpha1.ClusterStatusStatus {
	s = *s.DeepCopy()
	times := []*metav1.Time{s.ObservedAt, s.Summary.Used.SampledAt, &s.Conditions[0].LastTransitionTime}
	for i := range s.Summary.Problems {
		times = append(times, s.Summary.Problems[i].Since)
	}
	for _, at := range times {
		*at = metav1.NewTime(at.UTC())
	}
	return s
}

func TestStatusIsASubresource(t *testing.T) {
	h := newHub(t)
	agent := &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: "by-hand"}, Spec: v1alpha1.ClusterAgentSpec{Endpoint: "wss://10.20.0.7:7443"}}
	agent.Status.ClusterUID = sampleUID
	h.create(t, agent)
	if agent.Status.ClusterUID != "" {
		t.Errorf("who may write ClusterAgents wrote status.clusterUID = %s", agent.Status.ClusterUID)
	}
}
