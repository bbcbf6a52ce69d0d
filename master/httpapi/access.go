package httpapi

import (
	"errors"
	"net/http"
)

// Access is what a request wants to see.
type Access struct {
	// Verb is get, or list where all clusters are meant.
	Verb string
	// Details tells everything of a cluster apart from its summary.
	Details bool
	// Cluster is a resolved name; empty for all.
	Cluster string
	// Path is set, and Cluster and Details are not, for what is no cluster's: /metrics.
	Path string
}

// Authorize says whether a request may see something: nil, or an error that wraps one
// of those below and tells the caller what is missing.
type Authorize func(r *http.Request, want Access) error

var (
	// ErrUnauthenticated: it is not known who asks.
	ErrUnauthenticated = errors.New("not authenticated")
	// ErrForbidden: who asks may not see it, but may know that it is there.
	ErrForbidden = errors.New("forbidden")
	// ErrHidden: who asks may not even know whether it is there.
	ErrHidden = errors.New("hidden")
)

func (a *API) authorize(r *http.Request, want Access) error {
	if a.config.Authorize == nil {
		return nil
	}
	return a.config.Authorize(r, want)
}

// resolve is the name of the cluster that a request is about, if its caller may see
// what it wants of it. Who may not know of a cluster is told the same as of one that
// is not there.
func (a *API) resolve(r *http.Request, details bool) (string, error) {
	asked := r.PathValue("cluster")
	name, known := a.config.Registry.Resolve(asked)
	if !known {
		name = asked
	}
	err := a.authorize(r, Access{Verb: "get", Details: details, Cluster: name})
	switch {
	case errors.Is(err, ErrHidden), err == nil && !known:
		return "", unknownCluster(asked)
	}
	return name, err
}
