package access

import (
	"context"
	"errors"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"

	"rollcall.dev/rollcall/master/httpapi"
)

// granted has the allowed accesses, in the format of accessString.
type granted []string

func accessString(a authorizer.Attributes) string {
	if !a.IsResourceRequest() {
		return a.GetVerb() + " " + a.GetPath()
	}
	return strings.TrimRight(strings.Join([]string{a.GetVerb(), a.GetAPIGroup() + "/" + a.GetResource() + "/" + a.GetSubresource(), a.GetName()}, " "), " ")
}

func (g granted) authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	for _, question := range g {
		if question == accessString(a) {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (g granted) caller() caller {
	return caller{&user.DefaultInfo{Name: "jane"}, g.authorize}
}

const (
	listAll   = "list rollcall.dev/clusterstatuses/"
	getOne    = "get rollcall.dev/clusterstatuses/ prod-eu"
	getDetail = "get rollcall.dev/clusterstatuses/details prod-eu"
)

func TestAccessByGrant(t *testing.T) {
	list := httpapi.Access{Verb: "list"}
	summary := httpapi.Access{Verb: "get", Cluster: "prod-eu"}
	details := httpapi.Access{Verb: "get", Cluster: "prod-eu", Details: true}
	watch := httpapi.Access{Verb: "watch", Cluster: "prod-eu", Details: true}
	metrics := httpapi.Access{Verb: "get", Path: "/metrics"}
	for _, tc := range []struct {
		name    string
		granted granted
		want    httpapi.Access
		err     error
	}{
		{"list", granted{listAll}, list, nil},
		{"no list", granted{getOne, getDetail}, list, httpapi.ErrForbidden},
		{"summary", granted{getOne}, summary, nil},
		{"details", granted{getDetail}, details, nil},
		{"details by a right to the summary", granted{getOne}, details, httpapi.ErrForbidden},
		{"summary by a right to details", granted{getDetail}, summary, httpapi.ErrForbidden},
		{"details of who may list", granted{listAll}, details, httpapi.ErrForbidden},
		{"summary of who may list", granted{listAll}, summary, httpapi.ErrForbidden},
		{"details of an unknown cluster", nil, details, httpapi.ErrHidden},
		{"summary of an unknown cluster", nil, summary, httpapi.ErrHidden},
		{"watch of an unknown cluster", nil, watch, httpapi.ErrHidden},
		{"a watch by a right to get", granted{getDetail}, watch, httpapi.ErrForbidden},
		{"a watch by a right to get the summary", granted{getOne}, watch, httpapi.ErrForbidden},
		{"another cluster's", granted{getOne, getDetail}, httpapi.Access{Verb: "get", Cluster: "prod-us"}, httpapi.ErrHidden},
		{"metrics", granted{"get /metrics"}, metrics, nil},
		{"no metrics", granted{listAll, getOne, getDetail}, metrics, httpapi.ErrForbidden},
	} {
		if err := tc.granted.caller().check(t.Context(), tc.want); !errors.Is(err, tc.err) {
			t.Errorf("%s: got %v, want %v", tc.name, err, tc.err)
		}
	}
}

func TestListOnlyNeedsOneReview(t *testing.T) {
	var reviewed []string
	jane := caller{&user.DefaultInfo{Name: "jane"}, func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		reviewed = append(reviewed, accessString(a))
		return granted{getDetail}.authorize(ctx, a)
	}}
	err := jane.check(t.Context(), httpapi.Access{Verb: "get", Cluster: "prod-eu", ListOnly: true})
	if !errors.Is(err, httpapi.ErrHidden) || len(reviewed) != 1 || reviewed[0] != getOne {
		t.Errorf("got error %v after reviews %q, want %v after %q", err, reviewed, httpapi.ErrHidden, getOne)
	}
}

func TestForbiddenErrorNamesUserAndRole(t *testing.T) {
	for _, tc := range []struct {
		want  httpapi.Access
		texts []string
	}{
		{httpapi.Access{Verb: "list"}, []string{`user "jane" may not list clusterstatuses of rollcall.dev`, "resources [clusterstatuses], verbs [list] allows it", "rollcall-viewer"}},
		{httpapi.Access{Verb: "get", Cluster: "prod-eu", Details: true}, []string{`may not get clusterstatuses/details "prod-eu"`, "resources [clusterstatuses/details], verbs [get], resourceNames [prod-eu] allows it"}},
		{httpapi.Access{Verb: "get", Path: "/metrics"}, []string{"may not get /metrics", "nonResourceURLs [/metrics], verbs [get] allows it", "rollcall-metrics-reader"}},
		{httpapi.Access{Verb: "get", Path: "/debug/pprof/heap"}, []string{"may not get /debug/pprof/heap", "nonResourceURLs [/debug/pprof/*], verbs [get] allows it", "rollcall-profiler"}},
	} {
		err := granted{getOne}.caller().check(t.Context(), tc.want)
		for _, text := range tc.texts {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%v: got %v, want %q in it", tc.want, err, text)
			}
		}
	}
}

func TestHubErrorDeniesAccess(t *testing.T) {
	for _, decision := range []authorizer.Decision{authorizer.DecisionAllow, authorizer.DecisionNoOpinion, authorizer.DecisionDeny} {
		broken := caller{&user.DefaultInfo{Name: "jane"}, func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
			return decision, "", errors.New("connection refused by 10.0.0.1")
		}}
		for _, want := range []httpapi.Access{{Verb: "list"}, {Verb: "get", Cluster: "prod-eu"}, {Verb: "get", Path: "/metrics"}} {
			err := broken.check(t.Context(), want)
			if !errors.Is(err, httpapi.ErrAuthorizerUnavailable) || strings.Contains(err.Error(), "10.0.0.1") {
				t.Errorf("%v: got error %v, want %v without the hub's address", want, err, httpapi.ErrAuthorizerUnavailable)
			}
		}
	}
}

func TestTooLongNamesAreNotReviewed(t *testing.T) {
	jane := caller{&user.DefaultInfo{Name: "jane"}, func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
		t.Error("got a review of a name that is too long, want none")
		return authorizer.DecisionAllow, "", nil
	}}
	if err := jane.check(t.Context(), httpapi.Access{Verb: "get", Cluster: strings.Repeat("x", maxName+1)}); !errors.Is(err, httpapi.ErrHidden) {
		t.Errorf("got %v, want %v", err, httpapi.ErrHidden)
	}
}

func userOf(name string) user.Info { return &user.DefaultInfo{Name: name} }

func (h *fakeHub) accessReviewer(t *testing.T) *accessReviewer {
	t.Helper()
	client, err := kubernetes.NewForConfig(h.config())
	if err != nil {
		t.Fatal(err)
	}
	return newAccessReviewer(client.AuthorizationV1().SubjectAccessReviews(), newOutage(func(error) {}), func(error) {})
}

// TestReviewsAreCachedByKindOfLookup checks that a cached review does not reveal that a cluster with
// a name exists, or which address it has.
func TestReviewsAreCachedByKindOfLookup(t *testing.T) {
	hub := &fakeHub{}
	jane := caller{&user.DefaultInfo{Name: "jane"}, hub.accessReviewer(t).authorize}
	listed, named, called := httpapi.Access{Listed: true}, httpapi.Access{}, httpapi.Access{RequestedAs: "203.0.113.7"}
	for i, want := range []httpapi.Access{listed, listed, named, named, called, called, listed} {
		want.Verb, want.Cluster = "get", "prod-eu"
		if err := jane.check(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, wantReviews := int(hub.accessReviews.Load()), []int{1, 1, 2, 2, 3, 3, 3}[i]; got != wantReviews {
			t.Errorf("after check %d, %+v: got %d reviews, want %d", i+1, want, got, wantReviews)
		}
	}
}
