package controllers

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/v1alpha1"
)

// Fingerprints in tests of enrolment.
var (
	keyA, keyB, keyC = strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	joinKey          = strings.Repeat("1", 64)
	otherJoinKey     = strings.Repeat("2", 64)
)

var enrolTime = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// joinable returns a ClusterAgent with a join token that is valid for a minute.
func joinable(change ...func(*v1alpha1.ClusterAgent)) *v1alpha1.ClusterAgent {
	agent := &v1alpha1.ClusterAgent{
		ObjectMeta: metav1.ObjectMeta{Name: "edge-1"},
		Spec: v1alpha1.ClusterAgentSpec{
			Connection: v1alpha1.Reverse,
			Join:       &v1alpha1.JoinSpec{KeySHA256: joinKey, ExpiresAt: metav1.NewTime(enrolTime.Add(time.Minute))},
		},
	}
	for _, f := range change {
		f(agent)
	}
	return agent
}

func withKeys(keys ...string) func(*v1alpha1.ClusterAgent) {
	return func(agent *v1alpha1.ClusterAgent) {
		for _, k := range keys {
			agent.Status.Identity.Keys = append(agent.Status.Identity.Keys, v1alpha1.EnrolledKey{SHA256: k, EnrolledAt: metav1.NewTime(enrolTime), By: v1alpha1.ByJoinToken})
		}
	}
}

func usedBy(key string) func(*v1alpha1.ClusterAgent) {
	return func(agent *v1alpha1.ClusterAgent) {
		agent.Status.Identity.Join = &v1alpha1.JoinStatus{KeySHA256: joinKey, UsedBy: key, At: metav1.NewTime(enrolTime.Add(-time.Minute))}
	}
}

func withPins(keys ...string) func(*v1alpha1.ClusterAgent) {
	return func(agent *v1alpha1.ClusterAgent) { agent.Spec.TLS.PinnedSHA256 = keys }
}

func withAccount(unbound bool) func(*v1alpha1.ClusterAgent) {
	return func(agent *v1alpha1.ClusterAgent) {
		agent.Spec.Identity.ServiceAccount = &v1alpha1.ServiceAccountIdentity{Issuer: "https://issuer", AllowUnbound: unbound}
	}
}

// TestEnrolment has the decisions about keys. Each case has the keys afterwards, with how the last one was enrolled, or a
// part of the refusal. A case with neither changes nothing.
func TestEnrolment(t *testing.T) {
	joins := link.Candidate{Key: keyA, JoinKey: joinKey}
	account := link.Candidate{Key: keyA, ServiceAccountToken: "token"}
	for name, test := range map[string]struct {
		agent     *v1alpha1.ClusterAgent
		candidate link.Candidate
		now       time.Time
		tokenErr  error
		keys      []string
		by        v1alpha1.EnrolledBy
		refusal   string
	}{
		"a join token enrolls a key":                       {agent: joinable(), candidate: joins, keys: []string{keyA}, by: v1alpha1.ByJoinToken},
		"the same agent uses its token again":              {agent: joinable(withKeys(keyA), usedBy(keyA)), candidate: joins},
		"the same agent after its token has expired":       {agent: joinable(withKeys(keyA), usedBy(keyA)), candidate: joins, now: enrolTime.Add(time.Hour)},
		"another agent uses the token":                     {agent: joinable(withKeys(keyB), usedBy(keyB)), candidate: joins, refusal: "was used at 2026-11-29T11:59:00Z by another agent: the SHA-256 of its key is " + keyB + ", this one's is " + keyA},
		"another agent uses the token when it has expired": {agent: joinable(withKeys(keyB), usedBy(keyB)), candidate: joins, now: enrolTime.Add(time.Hour), refusal: "was used at"},
		"a key was removed, and its agent joins again":     {agent: joinable(usedBy(keyA)), candidate: joins, refusal: "was removed since: create another token with kubectl rollcall token create edge-1"},
		"the token has expired":                            {agent: joinable(), candidate: joins, now: enrolTime.Add(time.Minute), refusal: "expired at 2026-11-29T12:01:00Z: create another one with kubectl rollcall token create edge-1"},
		"a token that was replaced":                        {agent: joinable(), candidate: link.Candidate{Key: keyA, JoinKey: otherJoinKey}, refusal: "is not that of spec.join of edge-1: its SHA-256 is " + otherJoinKey},
		"a new token replaces the enrolled keys":           {agent: joinable(withKeys(keyB, keyC)), candidate: joins, keys: []string{keyA}, by: v1alpha1.ByJoinToken},
		"pins exclude join tokens":                         {agent: joinable(withPins(keyB)), candidate: joins, refusal: "spec.tls.pinnedSHA256 of edge-1 is set, so no key is enrolled"},
		"a pinned agent with a token":                      {agent: joinable(withPins(keyA)), candidate: joins},
		"pins exclude enrolled keys":                       {agent: joinable(withPins(keyB), withKeys(keyA), usedBy(keyA)), candidate: joins, refusal: "spec.tls.pinnedSHA256 of edge-1 is set"},

		"a service account enrolls a key":              {agent: joinable(withAccount(false)), candidate: account, keys: []string{keyA}, by: v1alpha1.ByServiceAccount},
		"a service account enrolls one key only":       {agent: joinable(withAccount(false), withKeys(keyB)), candidate: account, refusal: "a service account enrolls the first key only"},
		"a token of another service account":           {agent: joinable(withAccount(false)), candidate: account, tokenErr: errors.New("it is a token of x"), refusal: "is not accepted: it is a token of x"},
		"a token that a proxy may have":                {agent: joinable(withAccount(false)), candidate: link.Candidate{Key: keyA, ServiceAccountToken: "token", Unbound: true}, refusal: "set spec.identity.serviceAccount.allowUnbound"},
		"a token that a proxy may have, if allowed":    {agent: joinable(withAccount(true)), candidate: link.Candidate{Key: keyA, ServiceAccountToken: "token", Unbound: true}, keys: []string{keyA}, by: v1alpha1.ByServiceAccount},
		"a token without a service account":            {agent: joinable(), candidate: account, refusal: "edge-1 has no spec.identity.serviceAccount"},
		"a join token goes before the service account": {agent: joinable(withAccount(false), withKeys(keyB)), candidate: link.Candidate{Key: keyA, JoinKey: joinKey, ServiceAccountToken: "token"}, keys: []string{keyA}, by: v1alpha1.ByJoinToken},
		"a stale join token and a service account":     {agent: joinable(withAccount(false)), candidate: link.Candidate{Key: keyA, JoinKey: otherJoinKey, ServiceAccountToken: "token"}, keys: []string{keyA}, by: v1alpha1.ByServiceAccount},

		"an agent rotates its key":               {agent: joinable(withKeys(keyA)), candidate: link.Candidate{Key: keyA, NextKey: keyB}, keys: []string{keyA, keyB}, by: v1alpha1.ByRotation},
		"it says so again":                       {agent: joinable(withKeys(keyA, keyB)), candidate: link.Candidate{Key: keyA, NextKey: keyB}},
		"it has made another next key":           {agent: joinable(withKeys(keyA, keyB)), candidate: link.Candidate{Key: keyA, NextKey: keyC}, keys: []string{keyA, keyC}, by: v1alpha1.ByRotation},
		"the next key has connected":             {agent: joinable(withKeys(keyA, keyB)), candidate: link.Candidate{Key: keyB}, keys: []string{keyB}, by: v1alpha1.ByJoinToken},
		"the previous key connects meanwhile":    {agent: joinable(withKeys(keyA, keyB)), candidate: link.Candidate{Key: keyA}},
		"a pinned agent rotates its key":         {agent: joinable(withPins(keyA)), candidate: link.Candidate{Key: keyA, NextKey: keyB}, refusal: "add " + keyB + " to spec.tls.pinnedSHA256 of edge-1, and remove " + keyA},
		"a pinned agent whose next key is there": {agent: joinable(withPins(keyA, keyB)), candidate: link.Candidate{Key: keyA, NextKey: keyB}},
		"a pinned agent with two pins":           {agent: joinable(withPins(keyA, keyB)), candidate: link.Candidate{Key: keyB}},
	} {
		if test.now.IsZero() {
			test.now = enrolTime
		}
		before := test.agent.DeepCopy()
		d := decideEnrolment(test.agent, test.candidate, test.now, func() error { return test.tokenErr })
		switch {
		case test.refusal != "":
			if d.refused == nil || d.refused.Code != link.NotAdmitted || !strings.Contains(d.refused.Message, test.refusal) {
				t.Errorf("%s: got %v, want %q", name, d.refused, test.refusal)
			}
		case d.refused != nil:
			t.Errorf("%s: got refusal %v", name, d.refused)
		case test.keys == nil:
			if d.text != "" {
				t.Errorf("%s: got %q, want no change", name, d.text)
			}
		default:
			var keys []string
			for _, k := range d.next.Keys {
				keys = append(keys, k.SHA256)
			}
			if !slices.Equal(keys, test.keys) || d.next.Keys[len(keys)-1].By != test.by || !strings.Contains(d.text, keys[len(keys)-1]) {
				t.Errorf("%s: got %+v (%s), want %v by %s", name, d.next, d.text, test.keys, test.by)
			}
		}
		if !sameStatus(before.Status, test.agent.Status) {
			t.Errorf("%s: the decision changed its input", name)
		}
	}
}
