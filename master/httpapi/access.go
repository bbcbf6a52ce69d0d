package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/session"
)

// Access describes what a request reads.
type Access struct {
	// Verb is get or watch, or list for all clusters.
	Verb string
	// Details is set if the request reads more of a cluster than its summary.
	Details bool
	// Cluster is a resolved name; empty for all clusters.
	Cluster string
	// Path is set, and Cluster and Details are not, for requests that do not concern a cluster:
	// /metrics and paths below /debug/pprof/.
	Path string
	// ListOnly is set if the error need not distinguish ErrForbidden from ErrHidden, because a list
	// omits the cluster in both cases. It saves access reviews.
	ListOnly bool
	// Listed is set if the cluster is checked as one of all clusters, and not because the caller
	// named it. Such reviews are cached separately: otherwise a faster response for a named cluster
	// would reveal that it exists.
	Listed bool
	// RequestedAs is the address by which the caller named the cluster; empty if it used the name.
	// Such reviews are cached separately: otherwise a fast response would reveal which address
	// belongs to which cluster.
	RequestedAs string
}

// Authenticate identifies the sender of a request. It is called once per request. Errors wrap
// ErrUnauthenticated, ErrTooManyRequests or ErrAuthorizerUnavailable.
type Authenticate func(r *http.Request) (Authorizer, error)

// Authorizer reports whether its caller has the wanted access: it returns nil, or an error that
// wraps one of the errors below and says what is missing. It is safe for concurrent use.
type Authorizer func(ctx context.Context, want Access) error

var (
	// ErrUnauthenticated is returned if the caller cannot be identified.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden is returned if the caller may not read an object, but may know that it exists.
	ErrForbidden = errors.New("forbidden")
	// ErrHidden is returned if the caller may not know whether an object exists.
	ErrHidden = errors.New("hidden")
	// ErrAuthorizerUnavailable is returned if the authorizer cannot be reached; access is denied then.
	ErrAuthorizerUnavailable = errors.New("authorizer unavailable")
	// ErrTooManyRequests is returned if the caller, or another client at its address, sends too many requests.
	ErrTooManyRequests = errors.New("too many requests")
)

// maxParallelReviews is the number of access reviews that one list of clusters runs in parallel.
const maxParallelReviews = 64

// authenticate returns the authorizer of the request's sender.
func (a *API) authenticate(r *http.Request) (Authorizer, error) {
	if a.config.Authenticate == nil {
		connlimit.Authenticated(r.Context())
		return func(context.Context, Access) error { return nil }, nil
	}
	authorize, err := a.config.Authenticate(r)
	if err == nil {
		connlimit.Authenticated(r.Context())
	}
	return authorize, err
}

func (a *API) authorize(r *http.Request, want Access) error {
	authorize, err := a.authenticate(r)
	if err != nil {
		return err
	}
	return authorize(r.Context(), want)
}

// hasFreshReport reports whether there is a fresh report of a cluster with that name. It is served even while the registry
// cannot be read; an IP address is never the name of a cluster.
func (a *API) hasFreshReport(name string) bool {
	v, ok := a.config.Sessions.LastReport(name)
	return ok && v.Fresh(time.Now())
}

// resolve returns the name of the requested cluster, if the caller has the wanted access to it. If
// the caller may not know about the cluster, the error is the same as for a missing cluster.
func (a *API) resolve(r *http.Request, verb string, details bool) (string, error) {
	requested := requestedCluster(r)
	name := requested
	var unresolved error
	if !a.hasFreshReport(requested) {
		if name, unresolved = a.config.Registry.Resolve(requested); unresolved != nil {
			name = requested
		}
	}
	err := a.authorize(r, Access{Verb: verb, Details: details, Cluster: name, RequestedAs: requestedAs(requested, name)})
	switch {
	case errors.Is(err, ErrHidden) && isAddress(requested) && errors.Is(unresolved, session.ErrRegistryUnavailable):
		// The review was of the address, as the name is not known. This is the same for all addresses.
		return "", unresolved
	case errors.Is(err, ErrHidden), err == nil && errors.Is(unresolved, session.ErrNotFound):
		return "", unknownCluster(requested)
	case err == nil && unresolved != nil:
		return "", unresolved
	case err == nil:
		auditOf(r.Context()).addClusters(name)
	}
	return name, err
}

func isAddress(nameOrIP string) bool {
	_, err := netip.ParseAddr(nameOrIP)
	return err == nil
}

// requestedAs returns the value for Access.RequestedAs.
func requestedAs(requested, name string) string {
	if requested == name {
		return ""
	}
	return requested
}

// visible returns the clusters that the caller may see. all is set if one review allowed all
// clusters; otherwise each cluster is reviewed.
func (a *API) visible(ctx context.Context, r *http.Request) (visible []session.Registered, all bool, err error) {
	authorize, err := a.authenticate(r)
	if err != nil {
		return nil, false, err
	}
	return a.visibleTo(ctx, authorize)
}

func (a *API) visibleTo(ctx context.Context, authorize Authorizer) (visible []session.Registered, all bool, err error) {
	listErr := authorize(ctx, Access{Verb: "list"})
	switch {
	case listErr == nil:
		visible, err = a.config.Registry.List()
		return visible, true, err
	case !errors.Is(listErr, ErrForbidden):
		return nil, false, listErr
	}
	registered, err := a.config.Registry.List()
	if err != nil {
		return nil, false, err
	}
	visible, err = filterVisible(ctx, authorize, registered)
	if err == nil && len(visible) == 0 {
		return nil, false, listErr
	}
	return visible, false, err
}

// visibleNames returns the clusters that the caller may see as a set; nil means all.
func (a *API) visibleNames(ctx context.Context, r *http.Request) (map[string]bool, error) {
	visible, all, err := a.visible(ctx, r)
	if err != nil {
		return nil, err
	}
	return namesOf(visible, all), nil
}

// namesOf converts the result of visible into a set; nil means all.
func namesOf(visible []session.Registered, all bool) map[string]bool {
	if all {
		return nil
	}
	names := make(map[string]bool, len(visible))
	for _, c := range visible {
		names[c.Name] = true
	}
	return names
}

// filterVisible returns the clusters that a caller may see. If a review fails, it returns an error:
// a list that silently omits clusters would look complete.
func filterVisible(ctx context.Context, authorize Authorizer, clusters []session.Registered) ([]session.Registered, error) {
	names := make([]string, len(clusters))
	for i, c := range clusters {
		names[i] = c.Name
	}
	allowed, err := allowedEach(ctx, authorize, names, Access{Verb: "get", ListOnly: true, Listed: true})
	if err != nil {
		return nil, err
	}
	var visible []session.Registered
	for i, c := range clusters {
		if allowed[i] {
			visible = append(visible, c)
		}
	}
	return visible, nil
}

// allowedEach reports for each cluster whether a caller has the wanted access.
func allowedEach(ctx context.Context, authorize Authorizer, clusters []string, want Access) ([]bool, error) {
	allowed := make([]bool, len(clusters))
	reviews, ctx := errgroup.WithContext(ctx)
	reviews.SetLimit(maxParallelReviews)
	for i, cluster := range clusters {
		reviews.Go(func() (err error) {
			allowed[i], err = isAllowed(ctx, authorize, cluster, want)
			return err
		})
	}
	return allowed, reviews.Wait()
}

func isAllowed(ctx context.Context, authorize Authorizer, cluster string, want Access) (bool, error) {
	want.Cluster = cluster
	err := authorize(ctx, want)
	if errors.Is(err, ErrForbidden) || errors.Is(err, ErrHidden) {
		return false, nil
	}
	return err == nil, err
}
