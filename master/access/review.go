package access

import (
	"context"
	"encoding/json"
	"errors"
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

// reviewer asks the hub, and remembers its last answers, those of one user apart from those
// of others.
type reviewer struct {
	hub authorization.SubjectAccessReviewInterface
	// trouble hears of what the hub could not answer.
	trouble func(error)
	metrics *metrics

	hasher    hasher
	questions questions[bool]
	answers   *fairCache[bool]
	queue     *fairQueue
}

func newReviewer(hub authorization.SubjectAccessReviewInterface, trouble func(error)) *reviewer {
	return &reviewer{
		hub: hub, trouble: trouble, metrics: newMetrics(nil, nil), hasher: newHasher(),
		answers: newFairCache[bool](maxAnswers, maxAnswersOfUser), queue: newFairQueue(accessQueue),
	}
}

// authorize is an authorize. Its errors wrap httpapi.ErrTooMany where the caller has too many
// questions waiting.
func (r *reviewer) authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	spec := specOf(a)
	text, err := json.Marshal(spec)
	if err != nil {
		return authorizer.DecisionNoOpinion, "", fmt.Errorf("encode a review: %w", err)
	}
	if l, ok := a.(asked); ok {
		text = fmt.Appendf(text, " %t %q", l.listed, l.called)
	}
	// One user is who has one name, whatever else tells their tokens apart: or who can have
	// many tokens made would be many.
	user, key := spec.User, r.hasher.key(text)
	allowed, ok := r.answers.get(key)
	if !ok {
		allowed, err = r.questions.ask(ctx, question[bool]{
			key:      key,
			turn:     func(ctx context.Context) (func(), error) { return r.queue.acquire(ctx, user) },
			put:      func(ctx context.Context) (bool, error) { return r.review(ctx, spec) },
			remember: func(allowed bool) { r.answers.add(user, key, allowed, lifetimeOf(allowed)) },
		})
	}
	switch {
	case err != nil:
		return authorizer.DecisionNoOpinion, "", r.unanswered(err)
	case allowed:
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (r *reviewer) review(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	review, err := r.hub.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	allowed := err == nil && review.Status.Allowed && !review.Status.Denied
	r.metrics.reviewed(kindAccess, allowed, err)
	return allowed, err
}

// unanswered returns what it means to a caller that there is no answer.
func (r *reviewer) unanswered(err error) error {
	switch {
	case errors.Is(err, errQueueFull):
		r.metrics.refused.WithLabelValues("user").Inc()
		return fmt.Errorf("%w: too many questions about what you may see are waiting for the hub; ask for less at a time", httpapi.ErrTooMany)
	case errors.Is(err, errQueueTimeout):
		r.metrics.refused.WithLabelValues("timeout").Inc()
	}
	r.trouble(err)
	return fmt.Errorf("review access: %w", err)
}

// asked is a question of which it is known how the caller came to it. Answers to what is
// httpapi.Access.Listed, to what was Called another name, and to others are remembered apart.
type asked struct {
	authorizer.AttributesRecord
	listed bool
	called string
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
	decision, _, err := c.authorize(ctx, asked{c.question(want), want.Listed, want.Called})
	switch {
	case errors.Is(err, httpapi.ErrTooMany):
		return false, err
	case err != nil:
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
