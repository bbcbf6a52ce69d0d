package controllers

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/v1alpha1"
)

// acceptedKeys returns the fingerprints of the keys that an agent may have: those of the spec, or else the enrolled ones.
func acceptedKeys(agent *v1alpha1.ClusterAgent) []string {
	if pins := agent.Spec.TLS.PinnedSHA256; len(pins) > 0 || agent.Spec.Connection != v1alpha1.Reverse {
		return pins
	}
	var keys []string
	for _, k := range agent.Status.Identity.Keys {
		keys = append(keys, k.SHA256)
	}
	return keys
}

// indexedKeys returns the values of the index keyField: the accepted keys, and the key of the join token.
func indexedKeys(agent *v1alpha1.ClusterAgent) []string {
	keys := acceptedKeys(agent)
	if agent.Spec.Join != nil {
		keys = append(slices.Clone(keys), agent.Spec.Join.KeySHA256)
	}
	return keys
}

// enrolment is the decision about the keys of an agent that has proved them.
type enrolment struct {
	// refused is why nothing can be enrolled, or nil.
	refused *link.Refused
	// next is the new status, and text says what has changed. text is "" if nothing has to change.
	next v1alpha1.IdentityStatus
	text string
}

func refusedEnrolment(format string, args ...any) enrolment {
	return enrolment{refused: &link.Refused{Code: link.NotAdmitted, Message: fmt.Sprintf(format, args...)}}
}

// decideEnrolment decides about an agent. verify verifies its service account token, and is called only if that decides.
func decideEnrolment(agent *v1alpha1.ClusterAgent, c link.Candidate, now time.Time, verify func() error) enrolment {
	account := agent.Spec.Identity.ServiceAccount
	switch {
	case slices.Contains(acceptedKeys(agent), c.Key):
		return decideRotation(agent, c, now)
	case len(agent.Spec.TLS.PinnedSHA256) > 0:
		return refusedEnrolment("the agent's key is not accepted: its SHA-256 is %s: spec.tls.pinnedSHA256 of %s is set, so no key is enrolled: add the key there, or remove the list", c.Key, agent.Name)
	case agent.Spec.Join != nil && agent.Spec.Join.KeySHA256 == c.JoinKey:
		return decideJoin(agent, c, now)
	case account != nil && c.ServiceAccountToken != "":
		return decideServiceAccount(agent, c, now, verify)
	case c.JoinKey != "":
		return refusedEnrolment("the agent's join token is not that of spec.join of %s: its SHA-256 is %s: another token replaced it, or it was removed; create one with kubectl rollcall token create %s", agent.Name, c.JoinKey, agent.Name)
	}
	return refusedEnrolment("the agent has a service account token, but %s has no spec.identity.serviceAccount: set it, or create a join token with kubectl rollcall token create %s", agent.Name, agent.Name)
}

// decideJoin decides about an agent that has the join token in the spec. A token that was used is never used again for
// another key, nor for its own after that was removed.
func decideJoin(agent *v1alpha1.ClusterAgent, c link.Candidate, now time.Time) enrolment {
	join, used := agent.Spec.Join, agent.Status.Identity.Join
	switch {
	case used != nil && used.KeySHA256 == c.JoinKey && used.UsedBy != c.Key:
		return refusedEnrolment("the join token of %s was used at %s by another agent: the SHA-256 of its key is %s, this one's is %s: if the first one is not yours, remove its key from status.identity; create another token with kubectl rollcall token create %s",
			agent.Name, used.At.UTC().Format(time.RFC3339), used.UsedBy, c.Key, agent.Name)
	case used != nil && used.KeySHA256 == c.JoinKey:
		return refusedEnrolment("the key that the join token of %s has enrolled was removed since: create another token with kubectl rollcall token create %s", agent.Name, agent.Name)
	case !now.Before(join.ExpiresAt.Time):
		return refusedEnrolment("the join token of %s expired at %s: create another one with kubectl rollcall token create %s", agent.Name, join.ExpiresAt.UTC().Format(time.RFC3339), agent.Name)
	}
	at := metav1.NewTime(now.Truncate(time.Second))
	return enrolment{
		next: v1alpha1.IdentityStatus{
			Keys: []v1alpha1.EnrolledKey{{SHA256: c.Key, EnrolledAt: at, By: v1alpha1.ByJoinToken}},
			Join: &v1alpha1.JoinStatus{KeySHA256: c.JoinKey, UsedBy: c.Key, At: at},
		},
		text: fmt.Sprintf("enrolled the agent's key by its join token: the SHA-256 is %s", c.Key),
	}
}

// decideServiceAccount decides about an agent with a service account token, which enrolls the first key only.
func decideServiceAccount(agent *v1alpha1.ClusterAgent, c link.Candidate, now time.Time, verify func() error) enrolment {
	identity := agent.Status.Identity
	if len(identity.Keys) > 0 {
		k := identity.Keys[0]
		return refusedEnrolment("%s has an enrolled key since %s, which is not this agent's: %s, this one's is %s: a service account enrolls the first key only; if the agent was installed anew, remove the old key from status.identity",
			agent.Name, k.EnrolledAt.UTC().Format(time.RFC3339), k.SHA256, c.Key)
	}
	if c.Unbound && !agent.Spec.Identity.ServiceAccount.AllowUnbound {
		return refusedEnrolment("the agent sent a service account token on a connection that a proxy may terminate: set spec.identity.serviceAccount.allowUnbound to accept it")
	}
	if err := verify(); err != nil {
		return refusedEnrolment("the agent's service account token is not accepted: %v", err)
	}
	identity.Keys = []v1alpha1.EnrolledKey{{SHA256: c.Key, EnrolledAt: metav1.NewTime(now.Truncate(time.Second)), By: v1alpha1.ByServiceAccount}}
	return enrolment{next: identity, text: fmt.Sprintf("enrolled the agent's key by its service account token: the SHA-256 is %s", c.Key)}
}

// decideRotation decides about an agent whose key is accepted: it adds the next key, and removes the previous keys once
// the next one has connected.
func decideRotation(agent *v1alpha1.ClusterAgent, c link.Candidate, now time.Time) enrolment {
	identity, pins := *agent.Status.Identity.DeepCopy(), agent.Spec.TLS.PinnedSHA256
	accepted := acceptedKeys(agent)
	switch {
	case c.NextKey != "" && slices.Contains(accepted, c.NextKey):
		return enrolment{}
	case c.NextKey != "" && len(pins) > 0:
		return refusedEnrolment("add %s to spec.tls.pinnedSHA256 of %s, and remove %s when the agent has changed its key", c.NextKey, agent.Name, c.Key)
	case c.NextKey != "":
		identity.Keys = slices.DeleteFunc(identity.Keys, func(k v1alpha1.EnrolledKey) bool { return k.SHA256 != c.Key })
		identity.Keys = append(identity.Keys, v1alpha1.EnrolledKey{SHA256: c.NextKey, EnrolledAt: metav1.NewTime(now.Truncate(time.Second)), By: v1alpha1.ByRotation})
		return enrolment{next: identity, text: fmt.Sprintf("the agent rotates its key: the SHA-256 of the next one is %s, signed by %s", c.NextKey, c.Key)}
	case len(pins) == 0 && len(accepted) > 1 && accepted[len(accepted)-1] == c.Key:
		identity.Keys = identity.Keys[len(identity.Keys)-1:]
		return enrolment{next: identity, text: fmt.Sprintf("the agent has rotated its key to %s: its previous keys are not accepted any more", c.Key)}
	}
	return enrolment{}
}
