package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

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
	// maxName is the maximum length of a cluster's name. Longer names are not reviewed.
	maxName = 253
)

// authorizeFunc is the method of authorizer.Authorizer.
type authorizeFunc func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error)

// accessReviewer sends SubjectAccessReviews to the hub and caches the results by user.
type accessReviewer struct {
	hub authorization.SubjectAccessReviewInterface
	// onError is called if a review fails.
	onError func(error)
	metrics *metrics

	hasher hasher
	calls  reviewGroup[bool]
	cache  *fairCache[answer]
	queue  *fairQueue
}

// answer is the last review of an access.
type answer struct {
	allowed bool
	// reviewAt is when the access has to be reviewed again. A denial is not used any longer than that.
	reviewAt time.Time
}

func newAccessReviewer(hub authorization.SubjectAccessReviewInterface, o *outage, onError func(error)) *accessReviewer {
	return &accessReviewer{
		hub: hub, onError: onError, metrics: newMetrics(nil, nil), hasher: newHasher(), calls: reviewGroup[bool]{outage: o},
		cache: newFairCache[answer](maxReviews, maxReviewsPerUser), queue: newFairQueue(accessQueue),
	}
}

// authorize implements authorizeFunc. It returns an error that wraps httpapi.ErrTooManyRequests if the user
// has too many reviews waiting.
func (r *accessReviewer) authorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	spec := reviewSpec(a)
	text, err := json.Marshal(spec)
	if err != nil {
		return authorizer.DecisionNoOpinion, "", fmt.Errorf("encode access review: %w", err)
	}
	if selection, ok := a.(accessAttributes); ok {
		text = fmt.Appendf(text, " %t %q", selection.listed, selection.requestedAs)
	}
	// Limits apply by name, whatever else differs: otherwise someone who can create many
	// tokens could multiply their limits.
	user, key := spec.User, r.hasher.key(text)
	call := reviewCall[bool]{
		key:     key,
		acquire: func(ctx context.Context) (func(), error) { return r.queue.acquire(ctx, user) },
		review:  func(ctx context.Context) (bool, error) { return r.review(ctx, spec) },
		store:   func(allowed bool) { r.store(user, key, allowed) },
	}
	last, known := r.cache.get(key)
	allowed := last.allowed
	switch {
	case !known:
		allowed, err = r.calls.do(ctx, call)
	case !time.Now().Before(last.reviewAt):
		allowed, err = r.calls.renew(ctx, call, last.allowed)
	}
	switch {
	case err != nil:
		return authorizer.DecisionNoOpinion, "", r.reviewError(err)
	case allowed:
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// store caches the answer of the hub. A grant is cached for longer than it is used while the hub answers.
func (r *accessReviewer) store(user, key string, allowed bool) {
	if allowed {
		r.cache.add(user, key, answer{true, time.Now().Add(acceptedFor)}, earlierFor)
		return
	}
	ttl := deniedTTL()
	r.cache.add(user, key, answer{false, time.Now().Add(ttl)}, ttl)
}

func (r *accessReviewer) review(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (bool, error) {
	review, err := r.hub.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	allowed := err == nil && review.Status.Allowed && !review.Status.Denied
	r.metrics.observeReview(kindAccess, allowed, err)
	return allowed, err
}

// reviewError returns the error for a review that failed or was not sent, and counts it.
func (r *accessReviewer) reviewError(err error) error {
	switch {
	case errors.Is(err, errQueueFull):
		r.metrics.limited.WithLabelValues("user").Inc()
		return fmt.Errorf("%w: too many of your access reviews are waiting for the hub; send fewer requests at once", httpapi.ErrTooManyRequests)
	case errors.Is(err, errQueueTimeout):
		r.metrics.limited.WithLabelValues("timeout").Inc()
	}
	r.onError(err)
	return fmt.Errorf("review access: %w", err)
}

// accessAttributes are attributes with the way in which the caller selected the cluster. Reviews
// are cached separately for each way, so that a fast response does not reveal the existence of a
// cluster; see httpapi.Access.
type accessAttributes struct {
	authorizer.AttributesRecord
	listed      bool
	requestedAs string
}

// reviewSpec returns the spec of a SubjectAccessReview.
func reviewSpec(a authorizer.Attributes) authorizationv1.SubjectAccessReviewSpec {
	info := a.GetUser()
	spec := authorizationv1.SubjectAccessReviewSpec{User: info.GetName(), UID: info.GetUID(), Groups: info.GetGroups(), Extra: map[string]authorizationv1.ExtraValue{}}
	for key, values := range info.GetExtra() {
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

// caller is an authenticated user.
type caller struct {
	user      user.Info
	authorize authorizeFunc
}

// check implements httpapi.Authorizer.
func (c caller) check(ctx context.Context, access httpapi.Access) error {
	if len(access.Cluster) > maxName {
		return httpapi.ErrHidden
	}
	allowed, err := c.allowed(ctx, access)
	switch {
	case err != nil:
		return err
	case allowed:
		return nil
	case access.Cluster == "":
		return c.forbiddenError(access)
	case access.ListOnly:
		return httpapi.ErrHidden
	}
	known, err := c.mayKnow(ctx, access)
	switch {
	case err != nil:
		return err
	case known:
		return c.forbiddenError(access)
	}
	return fmt.Errorf("%w: %w", httpapi.ErrHidden, c.forbiddenError(access))
}

// mayKnow reports whether a user who was refused access to a cluster may know that it exists: from
// the list, because of other access to the cluster, or because of get access if watch was refused.
func (c caller) mayKnow(ctx context.Context, refused httpapi.Access) (bool, error) {
	other := refused
	other.Details = !refused.Details
	others := []httpapi.Access{{Verb: "list"}, other}
	if refused.Verb == "watch" {
		refused.Verb, other.Verb = "get", "get"
		others = append(others, refused, other)
	}
	for _, other := range others {
		if known, err := c.allowed(ctx, other); known || err != nil {
			return known, err
		}
	}
	return false, nil
}

// allowed reviews access. It returns an error if the hub could not be asked.
func (c caller) allowed(ctx context.Context, access httpapi.Access) (bool, error) {
	decision, _, err := c.authorize(ctx, accessAttributes{c.attributes(access), access.Listed, access.RequestedAs})
	switch {
	case errors.Is(err, httpapi.ErrTooManyRequests):
		return false, err
	case err != nil:
		return false, errHubUnavailable
	}
	return decision == authorizer.DecisionAllow, nil
}

func (c caller) attributes(access httpapi.Access) authorizer.AttributesRecord {
	if access.Path != "" {
		return authorizer.AttributesRecord{User: c.user, Verb: access.Verb, Path: access.Path}
	}
	record := authorizer.AttributesRecord{
		User: c.user, Verb: access.Verb, ResourceRequest: true,
		APIGroup: v1alpha1.GroupVersion.Group, APIVersion: v1alpha1.GroupVersion.Version,
		Resource: resource, Name: access.Cluster,
	}
	if access.Details {
		record.Subresource = subresource
	}
	return record
}

// forbiddenError returns an error that says what is not allowed and which role would allow it.
func (c caller) forbiddenError(access httpapi.Access) error {
	if access.Path != "" {
		path, role := access.Path, "rollcall-metrics-reader"
		if strings.HasPrefix(path, profiling.Path) {
			path, role = profiling.Path+"*", "rollcall-profiler"
		}
		return fmt.Errorf("%w: user %q may not %s %s; a ClusterRole on the hub with nonResourceURLs [%s], verbs [%s] allows it, such as %s",
			httpapi.ErrForbidden, c.user.GetName(), access.Verb, access.Path, path, access.Verb, role)
	}
	what, object, only := resource, "", ""
	if access.Details {
		what += "/" + subresource
	}
	if access.Cluster != "" {
		object = fmt.Sprintf(" %q", access.Cluster)
		only = fmt.Sprintf(", resourceNames [%s]", access.Cluster)
	}
	return fmt.Errorf("%w: user %q may not %s %s%s of %s; a ClusterRole on the hub with apiGroups [%s], resources [%s], verbs [%s]%s allows it, and rollcall-viewer allows all of it for all clusters",
		httpapi.ErrForbidden, c.user.GetName(), access.Verb, what, object, v1alpha1.GroupVersion.Group,
		v1alpha1.GroupVersion.Group, what, access.Verb, only)
}
