package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// cluster handles requests for a part of one cluster.
func (a *API) cluster(part view.Part) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, invalid := parseClusterParams(part, r.URL.RawQuery)
		verb := "get"
		if p.watch {
			verb = "watch"
		}
		name, err := a.resolve(r, verb, part != view.Summary)
		switch {
		case err != nil:
			return err
		case invalid != nil:
			return invalid
		case p.watch:
			return a.watchCluster(w, r, name, &p)
		}
		report, err := a.await(r.Context(), name, p)
		if err != nil {
			return err
		}
		return a.respond(w, r, report, p.query)
	}
}

// respond writes the result of a query, or 304 if the client already has it.
func (a *API) respond(w http.ResponseWriter, r *http.Request, report *session.Report, q view.Query) error {
	document, err := a.config.Documents.Document(report)
	if err != nil {
		return err
	}
	if etagMatches(r, document.Headers().ETag[0]) && document.SupportsETag() {
		setFreshnessHeaders(w.Header(), document)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	var response *view.EncodedBody
	if q.SelectsAll() {
		response, err = a.config.Documents.Encoded(document, q.Part, negotiateEncoding(r))
	} else {
		response, err = a.config.Documents.Select(document, q, negotiateEncoding(r))
	}
	if err != nil {
		return err
	}
	setFreshnessHeaders(w.Header(), document)
	writeJSON(w, response)
	return nil
}

// await waits for a report as the request wants it. The wait ends when the client disconnects, at
// the request's timeout, and when the master shuts down.
func (a *API) await(ctx context.Context, cluster string, p params) (*session.Report, error) {
	if r := a.cachedReport(ctx, cluster, p); r != nil {
		return r, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, context.DeadlineExceeded)
	defer cancel()
	ctx, drained := context.WithCancelCause(ctx)
	defer drained(nil)
	defer context.AfterFunc(a.draining, func() { drained(errDraining) })()
	report, err := a.config.Sessions.Await(ctx, cluster)
	if err == nil && p.awaitUsage {
		if report = a.awaitUsage(ctx, report); !report.Fresh(time.Now()) {
			report, err = a.config.Sessions.Await(ctx, cluster) // the session has ended in the meantime
		}
	}
	if err == nil && p.minVersion != nil && p.notOlderThan {
		report, err = a.awaitVersion(ctx, report, p)
	}
	if err != nil && errors.Is(context.Cause(ctx), errDraining) {
		return nil, errDraining
	}
	var problem *httpv1.Problem
	if errors.As(err, &problem) {
		return nil, err
	}
	if err != nil {
		return nil, a.awaitProblem(cluster, p.timeout, err)
	}
	return report, nil
}

// awaitVersion waits until there is a report of the requested version or a newer one: another master may have had it some
// milliseconds before this one.
func (a *API) awaitVersion(ctx context.Context, report *session.Report, p params) (*session.Report, error) {
	for {
		current, err := a.config.Sessions.Current(report.Cluster)
		if err != nil {
			return nil, err
		}
		if next := current.Report; next != nil && next.Fresh(time.Now()) {
			report = next
		}
		if report.Version().Compare(*p.minVersion) >= 0 {
			return report, nil
		}
		select {
		case <-ctx.Done():
			return nil, &httpv1.Problem{
				Status: http.StatusGatewayTimeout, Reason: httpv1.ReasonNoReport, Cluster: report.Cluster,
				Detail: fmt.Sprintf("cluster %s did not reach the resourceVersion %s within %s, and has %s; retry, or request it without a resourceVersion",
					report.Cluster, p.minVersion, p.timeout, report.Version()),
				RetryAfter: time.Second,
			}
		case <-current.Changed:
		}
	}
}

// awaitUsage waits until the report has its first usage. If usage is not available or does not
// arrive in time, it returns the report without it.
func (a *API) awaitUsage(ctx context.Context, report *session.Report) *session.Report {
	for usagePending(report) {
		current, err := a.config.Sessions.Current(report.Cluster)
		if err != nil {
			return report
		}
		if next := current.Report; next != nil && next != report && next.Fresh(time.Now()) {
			report = next
			continue
		}
		select {
		case <-ctx.Done():
			return report
		case <-current.Changed:
		}
	}
	return report
}

// usagePending reports whether the first usage is still expected.
func usagePending(s *session.Report) bool {
	e := s.Sections[state.SectionUsage].Error
	return s.Usage == nil && (e == state.SectionError{} || e.Reason == state.ReasonPending)
}
