package access

import (
	"context"
	"fmt"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/client-go/kubernetes"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/httpapi"
)

const (
	resource    = "clusterstatuses"
	subresource = "details"
	// maxName is the longest name that a cluster can have. Longer ones are not asked for.
	maxName = 253
)

// newAuthorizer asks the hub, and remembers its last 8,192 answers.
func newAuthorizer(hub kubernetes.Interface) (func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error), error) {
	backoff := retries()
	delegate, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: hub.AuthorizationV1(),
		AllowCacheTTL:             remembered,
		DenyCacheTTL:              remembered,
		WebhookRetryBackoff:       &backoff,
	}.New()
	if err != nil {
		return nil, err
	}
	return delegate.Authorize, nil
}

// caller is somebody who is known.
type caller struct {
	user      user.Info
	authorize func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error)
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
// it is there: from the list, or because they may see something else of it.
func (c caller) mayKnow(ctx context.Context, refused httpapi.Access) (bool, error) {
	listed, err := c.allowed(ctx, httpapi.Access{Verb: "list"})
	if err != nil || listed {
		return listed, err
	}
	refused.Details = !refused.Details
	return c.allowed(ctx, refused)
}

// allowed asks the hub. An answer that does not come is an error and no permission.
func (c caller) allowed(ctx context.Context, want httpapi.Access) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, questionTimeout)
	defer cancel()
	decision, _, err := c.authorize(ctx, c.question(want))
	if err != nil {
		return false, errNoAnswer
	}
	return decision == authorizer.DecisionAllow, nil
}

func (c caller) question(want httpapi.Access) authorizer.Attributes {
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
		return fmt.Errorf("%w: user %q may not %s %s; a ClusterRole on the hub with nonResourceURLs [%s], verbs [%s] allows it, such as rollcall-metrics-reader",
			httpapi.ErrForbidden, c.user.GetName(), want.Verb, want.Path, want.Path, want.Verb)
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
