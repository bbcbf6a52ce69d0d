package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/view"
)

// errDraining ends the waiting for a report during shutdown.
var errDraining = errors.New("the master is shutting down")

// authorizerRetryAfter is the Retry-After of ErrAuthorizerUnavailable.
const authorizerRetryAfter = 2 * time.Second

// registryRetryAfter is the Retry-After of session.ErrRegistryUnavailable.
const registryRetryAfter = 2 * time.Second

// tooManyRetryAfter is the Retry-After of ErrTooManyRequests.
const tooManyRetryAfter = time.Second

// unreadableRetryAfter is the Retry-After of a report.StateError. It is longer than the default time between reports.
const unreadableRetryAfter = 6 * time.Second

// writeError writes the error response for err. If the client has disconnected, it writes nothing.
func (a *API) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil || errors.Is(err, errClientGone) {
		return
	}
	p := a.problem(r, err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeProblem(w, p)
}

// problem returns the Problem for an error, and logs internal errors and unreadable reports.
func (a *API) problem(r *http.Request, err error) *httpv1.Problem {
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError || p.Reason == httpv1.ReasonUnreadable {
		a.config.Log.Error("request failed", "path", r.URL.Path, "error", err)
	}
	return p
}

// problemOf returns the Problem for an error. The text of an internal error is only logged, not
// returned to the client.
func problemOf(err error) *httpv1.Problem {
	var problem *httpv1.Problem
	var parameter *view.ParameterError
	var unreadable *report.StateError
	switch {
	case errors.As(err, &problem):
		return problem
	case errors.As(err, &parameter):
		return &httpv1.Problem{Status: http.StatusBadRequest, Reason: httpv1.ReasonBadRequest, Parameter: shortenName(parameter.Name), Detail: parameter.Error()}
	case errors.As(err, &unreadable):
		return &httpv1.Problem{Status: http.StatusServiceUnavailable, Reason: httpv1.ReasonUnreadable, Cluster: unreadable.Cluster, Detail: unreadable.Error(), RetryAfter: unreadableRetryAfter}
	case errors.Is(err, ErrUnauthenticated):
		return &httpv1.Problem{Status: http.StatusUnauthorized, Reason: httpv1.ReasonUnauthorized, Detail: err.Error()}
	case errors.Is(err, ErrForbidden):
		return &httpv1.Problem{Status: http.StatusForbidden, Reason: httpv1.ReasonForbidden, Detail: err.Error()}
	case errors.Is(err, ErrTooManyRequests):
		return &httpv1.Problem{Status: http.StatusTooManyRequests, Reason: httpv1.ReasonTooManyRequests, Detail: err.Error(), RetryAfter: tooManyRetryAfter}
	case errors.Is(err, ErrAuthorizerUnavailable):
		return &httpv1.Problem{Status: http.StatusServiceUnavailable, Reason: httpv1.ReasonAuthorizerUnavailable, Detail: err.Error(), RetryAfter: authorizerRetryAfter}
	case errors.Is(err, session.ErrRegistryUnavailable):
		return registryProblem(err)
	case errors.Is(err, errDraining), errors.Is(err, session.ErrStopping):
		return &httpv1.Problem{Status: http.StatusServiceUnavailable, Reason: httpv1.ReasonShuttingDown, Detail: "this master is shutting down; retry", RetryAfter: time.Second}
	}
	return &httpv1.Problem{Status: http.StatusInternalServerError, Reason: httpv1.ReasonInternal, Detail: "internal error; see the master's log"}
}

// registryError returns the error response for an error of the registry.
func registryError(cluster string, err error) error {
	if errors.Is(err, session.ErrNotFound) {
		return unknownCluster(cluster)
	}
	return err
}

func registryProblem(err error) *httpv1.Problem {
	return &httpv1.Problem{
		Status: http.StatusServiceUnavailable, Reason: httpv1.ReasonRegistryUnavailable, RetryAfter: registryRetryAfter,
		Detail: err.Error() + "; retry, and if this persists, check this master's log and the hub's API server",
	}
}

// awaitProblem returns the error response for a cluster that has no report to return.
func (a *API) awaitProblem(cluster string, timeout time.Duration, err error) error {
	var unreachable *session.UnreachableError
	var noReport *session.NoReportError
	switch {
	case errors.Is(err, session.ErrNotFound):
		return unknownCluster(cluster)
	case errors.Is(err, session.ErrRegistryUnavailable):
		return registryProblem(err)
	case errors.Is(err, session.ErrSuspended):
		return &httpv1.Problem{
			Status: http.StatusConflict, Reason: httpv1.ReasonSuspended, Cluster: cluster,
			Detail: fmt.Sprintf("cluster %s is suspended; set spec.suspend of its ClusterAgent to false to resume", cluster),
		}
	case errors.As(err, &unreachable):
		return unreachableProblem(cluster, unreachable, a.lastKnown(cluster, unreachable.LastKnown))
	case errors.As(err, &noReport):
		return noReportProblem(cluster, timeout, noReport, a.lastKnown(cluster, noReport.LastKnown))
	}
	return fmt.Errorf("await %s: %w", cluster, err)
}

// lastKnown returns the last known summary of a cluster, from this master or an earlier one.
func (a *API) lastKnown(cluster string, k session.LastKnown) session.LastKnown {
	if k.Summary != nil {
		return k
	}
	// Without a stored status, and if it cannot be read, the response has no summary.
	if last, err := a.config.Registry.StoredStatus(cluster); err == nil {
		return last.LastKnown
	}
	return k
}

func unknownCluster(requested string) *httpv1.Problem {
	return &httpv1.Problem{
		Status: http.StatusNotFound, Reason: httpv1.ReasonNotFound,
		Detail: fmt.Sprintf("cluster %s not found by name or cluster IP, or you are not allowed to see it; GET /api/v1/clusters lists those that you may see", quoteShort(requested)),
	}
}

// invalidSpecRetryAfter is the Retry-After for a cluster that is not retried until its ClusterAgent
// changes.
const invalidSpecRetryAfter = time.Minute

// publicMessage returns the text that clients get for a connection error. Details of certificates
// and pins are only in the conditions of the ClusterAgent and in the master's log.
func publicMessage(reason session.Reason, message string) string {
	switch reason {
	case dial.CertificateRefused:
		return "its endpoint presents a certificate that is not trusted"
	case dial.TLSInvalid:
		return "spec.tls is invalid, so its certificate cannot be verified"
	}
	return message
}

func unreachableProblem(cluster string, e *session.UnreachableError, known session.LastKnown) *httpv1.Problem {
	message := publicMessage(e.Reason, e.Err.Error())
	p := &httpv1.Problem{
		Status: http.StatusServiceUnavailable, Reason: string(e.Reason), Cluster: cluster,
		Detail:         fmt.Sprintf("cannot reach the agent of cluster %s: %s; for details run `kubectl describe clusteragent %s`", cluster, message, cluster),
		LastError:      message,
		LastObservedAt: known.ObservedAt, LastKnown: known.Summary,
		RetryAfter: max(e.RetryAfter, time.Second),
	}
	if e.Reason == dial.EndpointInvalid || e.Reason == dial.TLSInvalid {
		p.Detail = fmt.Sprintf("cluster %s is not retried until its ClusterAgent is changed: %s; for details run `kubectl describe clusteragent %s`", cluster, message, cluster)
		p.RetryAfter = invalidSpecRetryAfter
	}
	return p
}

func noReportProblem(cluster string, timeout time.Duration, e *session.NoReportError, known session.LastKnown) *httpv1.Problem {
	return &httpv1.Problem{
		Status: http.StatusGatewayTimeout, Reason: httpv1.ReasonNoReport, Cluster: cluster,
		Detail: fmt.Sprintf("no report from cluster %s within %s (phase %s); retry, or use a longer timeout (at most %s)",
			cluster, timeout, e.Phase, maxTimeout),
		LastObservedAt: known.ObservedAt, LastKnown: known.Summary,
		RetryAfter: time.Second,
	}
}

// shortenName returns a parameter's name for use in a Problem.
func shortenName(name string) string {
	const shown = 64
	return strings.ToValidUTF8(name[:min(len(name), shown)], "\ufffd")
}
