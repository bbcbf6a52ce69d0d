package join

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// reviewsAtOnce limits the concurrent access reviews.
const reviewsAtOnce = 8

// right is something that a user may do.
type right authorizationv1.ResourceAttributes

func (r right) String() string {
	resource := r.Resource
	if r.Group != "" {
		resource += "." + r.Group
	}
	if r.Subresource != "" {
		resource += "/" + r.Subresource
	}
	if r.Name != "" {
		resource += " " + r.Name
	}
	if r.Namespace != "" {
		return fmt.Sprintf("%s %s in %s", r.Verb, resource, r.Namespace)
	}
	return r.Verb + " " + resource
}

// rightsToApply returns the rights for applying objects.
func rightsToApply(objects []*unstructured.Unstructured, verbs ...string) []right {
	var all []right
	for _, object := range objects {
		gvr, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
		for _, verb := range verbs {
			r := right{Verb: verb, Group: gvr.Group, Resource: gvr.Resource, Namespace: object.GetNamespace()}
			if !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	return all
}

// missingRights returns those of the rights that the user does not have, by SelfSubjectAccessReviews.
func (c *Cluster) missingRights(ctx context.Context, rights []right) ([]string, error) {
	var mu sync.Mutex
	var missing []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(reviewsAtOnce)
	for _, r := range rights {
		group.Go(func() error {
			attributes := authorizationv1.ResourceAttributes(r)
			review, err := c.Client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &attributes},
			}, metav1.CreateOptions{})
			if err != nil {
				return c.explain("review your rights", err)
			}
			if !review.Status.Allowed {
				mu.Lock()
				defer mu.Unlock()
				missing = append(missing, r.String())
			}
			return nil
		})
	}
	err := group.Wait()
	slices.Sort(missing)
	return missing, err
}

// needRights returns a Fault that lists the missing rights, or nil.
func (c *Cluster) needRights(ctx context.Context, where string, rights []right) error {
	missing, err := c.missingRights(ctx, rights)
	if err != nil || len(missing) == 0 {
		return err
	}
	return &Fault{
		fmt.Sprintf("the user of the context %s lacks %s %s: %s", c.Context, plural(len(missing), "right"), where, strings.Join(missing, ", ")),
		"use a context of an administrator, or have these rights granted",
	}
}
