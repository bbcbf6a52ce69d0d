package local

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rollcall.dev/rollcall/agent/informer"
)

const (
	// maxReviews limits the access reviews at a time.
	maxReviews = 16
	// maxNamespaces limits the namespaces of a cluster that are read one by one, each with four watches.
	maxNamespaces = 20
)

// watched has the API group of each resource that is read, and whether it has namespaces.
var watched = map[string]struct {
	group      string
	namespaced bool
}{
	"nodes": {}, "persistentvolumes": {},
	"pods": {namespaced: true}, "services": {namespaced: true}, "persistentvolumeclaims": {namespaced: true},
	"endpointslices": {group: "discovery.k8s.io", namespaced: true},
}

// reviewRights returns the resources of which the user may not read everything. Of those with namespaces, it returns
// which of the given namespaces the user may read. If a review fails, the user is taken to have the right: the watch
// then has the error.
func reviewRights(ctx context.Context, client kubernetes.Interface, namespaces []string) map[string]informer.Limit {
	limits := map[string]informer.Limit{}
	var mu sync.Mutex
	var reviews errgroup.Group
	reviews.SetLimit(maxReviews)
	denied := func(resource, namespace string) bool {
		return !allowed(ctx, client, "list", resource, namespace) || !allowed(ctx, client, "watch", resource, namespace)
	}
	for resource := range watched {
		reviews.Go(func() error {
			if denied(resource, "") {
				mu.Lock()
				defer mu.Unlock()
				limits[resource] = informer.Limit{}
			}
			return nil
		})
	}
	_ = reviews.Wait() // reviews return no errors
	for _, resource := range slices.Sorted(maps.Keys(limits)) {
		if !watched[resource].namespaced {
			continue
		}
		for _, namespace := range namespaces {
			reviews.Go(func() error {
				if !denied(resource, namespace) {
					mu.Lock()
					defer mu.Unlock()
					limit := limits[resource]
					limit.Namespaces = append(limit.Namespaces, namespace)
					limits[resource] = limit
				}
				return nil
			})
		}
	}
	_ = reviews.Wait()
	for resource, limit := range limits {
		slices.Sort(limit.Namespaces)
		limit.Message = limitMessage(resource, limit.Namespaces)
		limits[resource] = limit
	}
	return limits
}

// allowed reports whether the user may use a verb on a resource in a namespace, or in all if it is "". It is true if
// that cannot be found out.
func allowed(ctx context.Context, client kubernetes.Interface, verb, resource, namespace string) bool {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: watched[resource].group, Resource: resource, Namespace: namespace},
	}}
	answer, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	return err != nil || answer.Status.Allowed
}

// limitMessage says what is not shown of a resource, and which right is missing.
func limitMessage(resource string, namespaces []string) string {
	right := fmt.Sprintf("list and watch on %s in all namespaces", resource)
	switch {
	case !watched[resource].namespaced:
		return fmt.Sprintf("no %s are shown: you may not list and watch %s in this cluster", resource, resource)
	case len(namespaces) == 0:
		return fmt.Sprintf("no %s are shown: you have neither the right to %s, nor in one of the namespaces that your kubeconfig names; if you may read some, name them with --namespaces", resource, right)
	}
	return fmt.Sprintf("only %s in the namespaces %s are shown: you lack the right to %s", resource, strings.Join(namespaces, ", "), right)
}
