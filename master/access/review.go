package access

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"rollcall.dev/rollcall/api/profiling"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/httpapi"
)

const (
	resource    = "clusterstatuses"
	subresource = "details"
	// maxName is the longest name that a cluster can have. Longer ones are not asked for.
	maxName = 253
)

// authorize says whether the hub allows something.
type authorize func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error)

// newAuthorizer asks the hub, and remembers its last answers. trouble hears of what it
// could not answer.
func newAuthorizer(hub authorization.SubjectAccessReviewInterface, trouble func(error)) authorize {
	answers := newAnswers[bool]()
	return func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		spec := specOf(a)
		question, err := json.Marshal(spec)
		if err != nil {
			return authorizer.DecisionNoOpinion, "", fmt.Errorf("encode a review: %w", err)
		}
		if l, ok := a.(listed); ok && l.listed {
			question = append(question, " listed"...)
		}
		allowed, err := answers.to(ctx, question, func(ctx context.Context) (bool, error) {
			review, err := hub.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
			return err == nil && review.Status.Allowed && !review.Status.Denied, err
		})
		switch {
		case err != nil:
			trouble(err)
			return authorizer.DecisionNoOpinion, "", fmt.Errorf("review access: %w", err)
		case allowed:
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "", nil
	}
}

// listed is a question of which it is known whether it is httpapi.Access.Listed. Answers to
// those that are and to those that are not are remembered apart.
type listed struct {
	authorizer.AttributesRecord
	listed bool
}

// specOf is a question as the hub is asked.
func specOf(a authorizer.Attributes) authorizationv1.SubjectAccessReviewSpec {
	who := a.GetUser()
	spec := authorizationv1.SubjectAccessReviewSpec{User: who.GetName(), UID: who.GetUID(), Groups: who.GetGroups(), Extra: map[string]authorizationv1.ExtraValue{}}
	for key, values := range who.GetExtra() {
		spec.Extra[key] = values
	}
	if !a.IsResourceRequest() {
		spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: a.GetPath(), Verb: a.GetVerb()}
		return spec
	}
	spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Verb: a.GetVerb(), Group: a.GetAPIGroup(), Version: a.GetAPIVersion(),
		Resource: a.GetResource(), Subresource: a.GetSubresource(), Name: a.GetName(),
	}
	return spec
}

// caller is somebody who is known.
type caller struct {
	user      user.Info
	authorize authorize
}

// may is httpapi.Caller.
func (c caller) may(ctx context.Context, want httpapi.Access) error {
	if len(want.Cluster) > maxName {
		return httpapi.ErrHidden
	}
	allowed, err := c.allowed(ctx, want)
	switch {
	case err != nil:
		return err
	case allowed:
		return nil
	case want.Cluster == "":
		return c.forbidden(want)
	case want.Brief:
		return httpapi.ErrHidden
	}
	known, err := c.mayKnow(ctx, want)
	switch {
	case err != nil:
		return err
	case known:
		return c.forbidden(want)
	}
	return fmt.Errorf("%w: %w", httpapi.ErrHidden, c.forbidden(want))
}

// mayKnow says whether somebody who may not see something of a cluster may know that
// it is there: from the list, or because they may see something else of it, or the same
// once though not watch it.
func (c caller) mayKnow(ctx context.Context, refused httpapi.Access) (bool, error) {
	rest := refused
	rest.Details = !refused.Details
	others := []httpapi.Access{{Verb: "list"}, rest}
	if refused.Verb == "watch" {
		refused.Verb, rest.Verb = "get", "get"
		others = append(others, refused, rest)
	}
	for _, other := range others {
		if known, err := c.allowed(ctx, other); known || err != nil {
			return known, err
		}
	}
	return false, nil
}

// allowed asks the hub. An answer that does not come is an error and no permission.
func (c caller) allowed(ctx context.Context, want httpapi.Access) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	decision, _, err := c.authorize(ctx, listed{c.question(want), want.Listed})
	if err != nil {
		return false, errNoAnswer
	}
	return decision == authorizer.DecisionAllow, nil
}

func (c caller) question(want httpapi.Access) authorizer.AttributesRecord {
	if want.Path != "" {
		return authorizer.AttributesRecord{User: c.user, Verb: want.Verb, Path: want.Path}
	}
	q := authorizer.AttributesRecord{
		User: c.user, Verb: want.Verb, ResourceRequest: true,
		APIGroup: v1alpha1.GroupVersion.Group, APIVersion: v1alpha1.GroupVersion.Version,
		Resource: resource, Name: want.Cluster,
	}
	if want.Details {
		q.Subresource = subresource
	}
	return q
}

// forbidden says what somebody may not do, and what would allow it.
func (c caller) forbidden(want httpapi.Access) error {
	if want.Path != "" {
		path, role := want.Path, "rollcall-metrics-reader"
		if strings.HasPrefix(path, profiling.Path) {
			path, role = profiling.Path+"*", "rollcall-profiler"
		}
		return fmt.Errorf("%w: user %q may not %s %s; a ClusterRole on the hub with nonResourceURLs [%s], verbs [%s] allows it, such as %s",
			httpapi.ErrForbidden, c.user.GetName(), want.Verb, want.Path, path, want.Verb, role)
	}
	what, object, only := resource, "", ""
	if want.Details {
		what += "/" + subresource
	}
	if want.Cluster != "" {
		object = fmt.Sprintf(" %q", want.Cluster)
		only = fmt.Sprintf(", resourceNames [%s]", want.Cluster)
	}
	return fmt.Errorf("%w: user %q may not %s %s%s of %s; a ClusterRole on the hub with apiGroups [%s], resources [%s], verbs [%s]%s allows it, and rollcall-viewer allows all of it for all clusters",
		httpapi.ErrForbidden, c.user.GetName(), want.Verb, what, object, v1alpha1.GroupVersion.Group,
		v1alpha1.GroupVersion.Group, what, want.Verb, only)
}
