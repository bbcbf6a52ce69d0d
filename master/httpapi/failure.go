package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// errDraining ends the waiting for a report when the master ends.
var errDraining = errors.New("the master is shutting down")

// undecidedRetry is when to come again while nobody can be asked who may see what.
const undecidedRetry = 2 * time.Second

// tooManyRetry is the Retry-After of ErrTooMany.
const tooManyRetry = time.Second

// fail answers with what err means to the client. Who has gone is told nothing.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil || errors.Is(err, errGone) {
		return
	}
	p := a.problem(r, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	p.write(w)
}

// problem is what an error means to the client. Faults of the master's own are logged.
func (a *API) problem(r *http.Request, err error) *Problem {
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError {
		a.config.Log.Error("request failed", "path", r.URL.Path, "error", err)
	}
	return p
}

// problemOf is what an error means to the client. Only faults of the master's own are
// not told in their words: these go to the log.
func problemOf(err error) *Problem {
	var problem *Problem
	var parameter *view.ParameterError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &parameter):
		return &Problem{Status: http.StatusBadRequest, Reason: ReasonBadRequest, Parameter: shortName(parameter.Name), Detail: parameter.Error()}
	case errors.Is(err, ErrUnauthenticated):
		return &Problem{Status: http.StatusUnauthorized, Reason: ReasonUnauthorized, Detail: err.Error()}
	case errors.Is(err, ErrForbidden):
		return &Problem{Status: http.StatusForbidden, Reason: ReasonForbidden, Detail: err.Error()}
	case errors.Is(err, ErrTooMany):
		return &Problem{Status: http.StatusTooManyRequests, Reason: ReasonTooManyRequests, Detail: err.Error(), retryAfter: tooManyRetry}
	case errors.Is(err, ErrUndecided):
		return &Problem{Status: http.StatusServiceUnavailable, Reason: ReasonUndecided, Detail: err.Error(), retryAfter: undecidedRetry}
	case errors.Is(err, errDraining), errors.Is(err, session.ErrStopping):
		return &Problem{Status: http.StatusServiceUnavailable, Reason: ReasonShuttingDown, Detail: "this master is shutting down; ask again", retryAfter: time.Second}
	}
	return &Problem{Status: http.StatusInternalServerError, Reason: ReasonInternal, Detail: "the master failed to answer; its log says why"}
}

// noAnswer is what it means to the client that a cluster gave no value.
func (a *API) noAnswer(cluster string, timeout time.Duration, err error) error {
	var unreachable *session.UnreachableError
	var late *session.NoReportError
	switch {
	case errors.Is(err, session.ErrUnknown):
		return unknownCluster(cluster)
	case errors.Is(err, session.ErrSuspended):
		return &Problem{
			Status: http.StatusConflict, Reason: ReasonSuspended, Cluster: cluster,
			Detail: fmt.Sprintf("cluster %s is suspended; set spec.suspend of its ClusterAgent to false to hear of it", cluster),
		}
	case errors.As(err, &unreachable):
		return unreachableProblem(cluster, unreachable, a.known(cluster, unreachable.Known))
	case errors.As(err, &late):
		return lateProblem(cluster, timeout, late, a.known(cluster, late.Known))
	}
	return fmt.Errorf("await %s: %w", cluster, err)
}

// known is what is still known of a cluster that gave no answer, to this master or
// to one before it.
func (a *API) known(cluster string, k session.Known) session.Known {
	if last, ok := a.config.Registry.LastKnown(cluster); ok && k.Summary == nil {
		return last.Known
	}
	return k
}

func unknownCluster(asked string) *Problem {
	return &Problem{
		Status: http.StatusNotFound, Reason: ReasonNotFound,
		Detail: fmt.Sprintf("no cluster that you may see is called %s, by name or by cluster IP; `kubectl get clusteragents` lists those there are", shorten(asked)),
	}
}

// faultRetry is when to come again for a cluster that is not tried again before its
// ClusterAgent is changed.
const faultRetry = time.Minute

// publicWords returns what a caller is told of why an agent cannot be reached. Details of
// certificates and pins are for who may read ClusterAgents, in their conditions, and for
// who reads the master's log.
func publicWords(reason session.Reason, words string) string {
	switch reason {
	case session.CertificateRefused:
		return "who answers at its endpoint shows a certificate that is not trusted"
	case session.TLSInvalid:
		return "its certificate cannot be checked as spec.tls is written"
	}
	return words
}

func unreachableProblem(cluster string, e *session.UnreachableError, known session.Known) *Problem {
	words := publicWords(e.Reason, e.Err.Error())
	p := &Problem{
		Status: http.StatusServiceUnavailable, Reason: string(e.Reason), Cluster: cluster,
		Detail:         fmt.Sprintf("the agent of cluster %s cannot be reached: %s; `kubectl describe clusteragent %s` tells more", cluster, words, cluster),
		LastError:      words,
		LastObservedAt: known.ObservedAt, LastKnown: known.Summary,
		retryAfter: max(e.RetryAfter, time.Second),
	}
	if e.Reason == session.EndpointInvalid || e.Reason == session.TLSInvalid {
		p.Detail = fmt.Sprintf("cluster %s is not tried again before its ClusterAgent is changed: %s; `kubectl describe clusteragent %s` tells more", cluster, words, cluster)
		p.retryAfter = faultRetry
	}
	return p
}

func lateProblem(cluster string, timeout time.Duration, e *session.NoReportError, known session.Known) *Problem {
	return &Problem{
		Status: http.StatusGatewayTimeout, Reason: ReasonNoReport, Cluster: cluster,
		Detail: fmt.Sprintf("cluster %s has not reported within %s, and is in phase %s; ask again, or with a longer timeout (at most %s)",
			cluster, timeout, e.Phase, maxTimeout),
		LastObservedAt: known.ObservedAt, LastKnown: known.Summary,
		retryAfter: time.Second,
	}
}

// shortName is a parameter's name as a problem repeats it.
func shortName(name string) string {
	const shown = 64
	return strings.ToValidUTF8(name[:min(len(name), shown)], "\ufffd")
}
