package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// expiredProblem converts view.ErrExpired into a Problem, and returns other errors unchanged.
func expiredProblem(err error) error {
	if !errors.Is(err, view.ErrExpired) {
		return err
	}
	return &httpv1.Problem{Status: http.StatusGone, Reason: httpv1.ReasonExpired, Detail: err.Error()}
}

// watchCluster streams the events of one cluster.
func (a *API) watchCluster(w http.ResponseWriter, r *http.Request, cluster string, p *params) error {
	framing, err := negotiateFraming(r, p)
	if err != nil {
		return err
	}
	if err := applyLastEventID(r, p, view.ParseVersion); err != nil {
		return err
	}
	scope := view.Scope{Part: p.query.Part, Filter: p.query.Filter, Usage: p.usage}
	d, err := a.newClusterWatch(r.Context(), cluster, scope, framing, p.bookmarks)
	if err != nil {
		return err
	}
	s := &stream{api: a, request: r, details: []*clusterWatch{d}}
	s.problem, err = a.prepareStream(r.Context(), d, p, hasLastEventID(r) || isWebSocket(r))
	if err == nil {
		err = s.start(w, framing, p)
	}
	if err != nil {
		s.close()
		return err
	}
	deferStream(w, s)
	return nil
}

// prepareStream finds where the stream of a cluster starts: at a version, or at a fresh report. It
// returns an expired version as problem, not as err, if the client needs it as an event: clients
// that reconnect automatically would treat an error response as final.
func (a *API) prepareStream(ctx context.Context, d *clusterWatch, p *params, asEvent bool) (problem, err error) {
	m, err := d.refresh()
	if err != nil {
		return nil, err
	}
	if p.wantsInitial() || m == nil {
		if version, err := report.ParseVersion(p.version); err == nil {
			p.minVersion = &version
		}
		if _, err := a.await(ctx, d.cluster, *p); err != nil {
			return nil, err
		}
		if _, err := d.refresh(); err != nil {
			return nil, err
		}
	}
	switch {
	case p.wantsInitial():
		return nil, nil
	case p.version == "":
		_, d.cursor = d.log.Current()
		d.started = true
		return nil, nil
	}
	timed, cancel := context.WithTimeout(ctx, maxResumeWait)
	defer cancel()
	err = a.resume(timed, d, p.version)
	if asEvent {
		return err, nil
	}
	return nil, err
}

// maxResumeWait limits how long a watch waits for the version that it resumes from, which the client may have from
// another master.
const maxResumeWait = 2 * time.Second

// resume continues from a version. It waits for a version that this master does not have yet until the context ends.
func (a *API) resume(ctx context.Context, d *clusterWatch, version string) error {
	err := d.resume(version)
	wanted, _ := report.ParseVersion(version) // it was parsed before
	for err != nil {
		current, failed := a.config.Sessions.Current(d.cluster)
		if failed != nil || current.Report == nil || current.Report.Version().Compare(wanted) >= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-a.draining.Done():
			return err
		case <-current.Changed:
		}
		if _, failed := d.refresh(); failed != nil {
			return failed
		}
		err = d.resume(version)
	}
	return nil
}

// negotiateFraming returns the framing that the client requests, and rejects requests that cannot
// be streamed.
func negotiateFraming(r *http.Request, p *params) (view.Framing, error) {
	if r.Method != http.MethodGet {
		return 0, &view.ParameterError{Name: watchParameter.name, Message: "not supported with method " + r.Method + "; use GET"}
	}
	switch {
	case isWebSocket(r):
		p.bookmarks = true
		if err := sameOrigin(r, "open a websocket on this host"); err != nil {
			return 0, err
		}
		return view.JSONLines, checkHandshake(r)
	case acceptsSSE(r):
		p.bookmarks = true
		return view.SSE, nil
	}
	return view.JSONLines, nil
}

// acceptsSSE reports whether Accept names text/event-stream and does not prefer application/json. A
// wildcard means JSON.
func acceptsSSE(r *http.Request) bool {
	weights := map[string]float64{}
	for _, line := range r.Header["Accept"] {
		for one := range strings.SplitSeq(line, ",") {
			media, q := parseQuality(one)
			weights[strings.ToLower(media)] = q
		}
	}
	events := weights["text/event-stream"]
	return events > 0 && events >= weights["application/json"]
}

const lastEventIDHeader = "Last-Event-ID"

// hasLastEventID reports whether an EventSource reconnects.
func hasLastEventID(r *http.Request) bool { return r.Header.Get(lastEventIDHeader) != "" }

// applyLastEventID replaces the version of the query string by that of the Last-Event-ID header,
// which is newer.
func applyLastEventID(r *http.Request, p *params, parse func(string) error) error {
	id := r.Header.Get(lastEventIDHeader)
	if id == "" {
		return nil
	}
	if id == httpv1.InitialVersion {
		p.version = ""
		return nil
	}
	if err := parse(id); err != nil {
		return badRequest(fmt.Sprintf("header %s: %v", lastEventIDHeader, err))
	}
	p.version, p.initial = id, nil
	return nil
}

// newStreamWriter writes the header of the response and returns the writer of its stream.
func newStreamWriter(w http.ResponseWriter, r *http.Request, f view.Framing, bookmarks bool) (streamWriter, error) {
	if isWebSocket(r) {
		return newWSWriter(w, r)
	}
	return newHTTPWriter(w, r, f, bookmarks), nil
}

// authorizeWatch reviews whether the client may still watch a cluster. If the client named it by an
// address that now belongs to another cluster, the watch has expired.
func (a *API) authorizeWatch(ctx context.Context, r *http.Request, cluster string, details bool) error {
	requested := requestedCluster(r)
	name, err := a.config.Registry.Resolve(requested)
	if errors.Is(err, session.ErrRegistryUnavailable) {
		return err
	}
	if err == nil && name != cluster {
		return &httpv1.Problem{Status: http.StatusGone, Reason: httpv1.ReasonExpired, Detail: fmt.Sprintf("%s does not belong to cluster %s any more; start a new watch", quoteShort(requested), cluster)}
	}
	authorize, err := a.authenticate(r)
	if err == nil {
		err = authorize(ctx, Access{Verb: "watch", Details: details, Cluster: cluster, RequestedAs: requestedAs(requested, cluster)})
	}
	if errors.Is(err, ErrHidden) {
		return unknownCluster(cluster)
	}
	return err
}

// waitStreams waits until all streams have ended after Drain, at most for closeTimeout.
func (a *API) waitStreams() {
	done := make(chan struct{})
	go func() {
		a.streams.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTimeout):
	}
}
