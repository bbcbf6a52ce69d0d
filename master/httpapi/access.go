package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/api/connlimit"
)

// Access is what a request wants to see.
type Access struct {
	// Verb is get or watch, or list where all clusters are meant.
	Verb string
	// Details tells everything of a cluster apart from its summary.
	Details bool
	// Cluster is a resolved name; empty for all.
	Cluster string
	// Path is set, and Cluster and Details are not, for what is no cluster's: /metrics,
	// and paths below /debug/pprof/.
	Path string
	// Brief says that a refusal need not tell whether the caller may know that the cluster
	// is there: in a list it is left out either way, and to find out takes more questions.
	Brief bool
	// Listed says that it is asked for as one of all clusters that there are, and not
	// because the caller named it. What is remembered of such answers must not make an answer
	// about a name come sooner: that would tell that there is a cluster of that name.
	Listed bool
	// Called is what the caller called the cluster, where that was not by its name but by one
	// of its addresses: whose answers are remembered apart too, or one that comes at once would
	// tell which address is of which cluster.
	Called string
}

// Identify says who sends a request, once a request, or gives an error that wraps
// ErrUnauthenticated, ErrTooMany or ErrUndecided.
type Identify func(r *http.Request) (Caller, error)

// Caller says whether who asks may see something: nil, or an error that wraps one of
// those below and tells the caller what is missing. It may be asked by several
// goroutines at once.
type Caller func(ctx context.Context, want Access) error

var (
	// ErrUnauthenticated: it is not known who asks.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden: who asks may not see it, but may know that it is there.
	ErrForbidden = errors.New("forbidden")
	// ErrHidden: who asks may not even know whether it is there.
	ErrHidden = errors.New("hidden")
	// ErrUndecided: nobody can be asked who may see what, so nobody sees anything.
	ErrUndecided = errors.New("not decided")
	// ErrTooMany: the caller, or another one at its address, makes too many requests.
	ErrTooMany = errors.New("too many requests")
)

// maxQuestions is how many questions one list of clusters asks at the same time.
const maxQuestions = 64

func (a *API) caller(r *http.Request) (Caller, error) {
	if a.config.Identify == nil {
		connlimit.Authenticated(r.Context())
		return func(context.Context, Access) error { return nil }, nil
	}
	caller, err := a.config.Identify(r)
	if err == nil {
		connlimit.Authenticated(r.Context())
	}
	return caller, err
}

func (a *API) authorize(r *http.Request, want Access) error {
	caller, err := a.caller(r)
	if err != nil {
		return err
	}
	return caller(r.Context(), want)
}

// held says that there is a fresh value of a cluster of that name: the Registry need not
// be asked whether there is one. No cluster has an address for a name.
func (a *API) held(name string) bool {
	v, ok := a.config.Sessions.Peek(name)
	return ok && v.Fresh(time.Now())
}

// resolve is the name of the cluster that a request is about, if its caller may see
// what it wants of it. Who may not know of a cluster is told the same as of one that
// is not there.
func (a *API) resolve(r *http.Request, verb string, details bool) (string, error) {
	asked := askedCluster(r)
	name, known := asked, a.held(asked)
	if !known {
		if name, known = a.config.Registry.Resolve(asked); !known {
			name = asked
		}
	}
	err := a.authorize(r, Access{Verb: verb, Details: details, Cluster: name, Called: calledBy(asked, name)})
	switch {
	case errors.Is(err, ErrHidden), err == nil && !known:
		return "", unknownCluster(asked)
	}
	return name, err
}

// calledBy returns Access.Called.
func calledBy(asked, name string) string {
	if asked == name {
		return ""
	}
	return asked
}

// visible are the clusters that the caller may see: all, with one question, or else
// those that they may see one by one.
func (a *API) visible(ctx context.Context, r *http.Request) (visible []Registered, all bool, err error) {
	caller, err := a.caller(r)
	if err != nil {
		return nil, false, err
	}
	return a.visibleTo(ctx, caller)
}

func (a *API) visibleTo(ctx context.Context, caller Caller) (visible []Registered, all bool, err error) {
	refused := caller(ctx, Access{Verb: "list"})
	switch {
	case refused == nil:
		return a.config.Registry.List(), true, nil
	case !errors.Is(refused, ErrForbidden):
		return nil, false, refused
	}
	visible, err = oneByOne(ctx, caller, a.config.Registry.List())
	if err == nil && len(visible) == 0 {
		return nil, false, refused
	}
	return visible, false, err
}

// visibleNames are the clusters that the caller may see, as a set; nil: all.
func (a *API) visibleNames(ctx context.Context, r *http.Request) (map[string]bool, error) {
	visible, all, err := a.visible(ctx, r)
	if err != nil {
		return nil, err
	}
	return namesOf(visible, all), nil
}

// namesOf are the clusters that visible gives, as a set; nil: all.
func namesOf(visible []Registered, all bool) map[string]bool {
	if all {
		return nil
	}
	names := make(map[string]bool, len(visible))
	for _, c := range visible {
		names[c.Name] = true
	}
	return names
}

// oneByOne are those of the clusters that a caller may see. A question that nobody
// answers is no refusal: a list with less in it would look like one that is whole.
func oneByOne(ctx context.Context, caller Caller, clusters []Registered) ([]Registered, error) {
	names := make([]string, len(clusters))
	for i, c := range clusters {
		names[i] = c.Name
	}
	may, err := allowedEach(ctx, caller, names, Access{Verb: "get", Brief: true, Listed: true})
	if err != nil {
		return nil, err
	}
	var visible []Registered
	for i, c := range clusters {
		if may[i] {
			visible = append(visible, c)
		}
	}
	return visible, nil
}

// allowedEach says of each of some clusters whether a caller is allowed what it wants.
func allowedEach(ctx context.Context, caller Caller, clusters []string, want Access) ([]bool, error) {
	may := make([]bool, len(clusters))
	questions, ctx := errgroup.WithContext(ctx)
	questions.SetLimit(maxQuestions)
	for i, cluster := range clusters {
		questions.Go(func() (err error) {
			may[i], err = isAllowed(ctx, caller, cluster, want)
			return err
		})
	}
	return may, questions.Wait()
}

func isAllowed(ctx context.Context, caller Caller, cluster string, want Access) (bool, error) {
	want.Cluster = cluster
	err := caller(ctx, want)
	if errors.Is(err, ErrForbidden) || errors.Is(err, ErrHidden) {
		return false, nil
	}
	return err == nil, err
}
