package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// cluster answers with a part of one cluster.
func (a *API) cluster(part view.Part) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		p, invalid := parseParams(part, r.URL.RawQuery)
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
		value, err := a.await(r.Context(), name, p)
		if err != nil {
			return err
		}
		return a.answer(w, r, value, p.query)
	}
}

// answer writes what a query picks of a value, or that it is what the client has.
func (a *API) answer(w http.ResponseWriter, r *http.Request, value *session.Value, q view.Query) error {
	document, err := a.documentOf(value)
	if err != nil {
		return err
	}
	if matches(r, document.Stamps().Tag[0]) && document.Lasting() {
		freshness(w.Header(), document)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	var answer *view.Answer
	if q.Plain() {
		answer, err = a.config.Documents.Answer(document, q.Part, encodingOf(r))
	} else {
		answer, err = a.config.Documents.Select(document, q, encodingOf(r))
	}
	if err != nil {
		return err
	}
	freshness(w.Header(), document)
	writeJSON(w, answer)
	return nil
}

// documentOf is the document of a value, which all but its first reader find on the documents.
func (a *API) documentOf(value *session.Value) (*view.Document, error) {
	if d := a.config.Documents.Find(value.Cluster, value); d != nil {
		return d, nil
	}
	report := reportOf(value)
	return a.config.Documents.Document(&report)
}

// surely is for how long a value must still be fresh so that asking for it cannot come
// too late.
const surely = time.Second

// await waits for a value as the request wants it. The wait ends with the client, with
// its timeout, and with the master.
func (a *API) await(ctx context.Context, cluster string, p params) (*session.Value, error) {
	if v, ok := a.config.Sessions.Peek(cluster); ok && !p.awaitUsage && v.Fresh(time.Now().Add(surely)) {
		// A hit does not wait, and needs nothing that ends its waiting.
		if v, err := a.config.Sessions.Await(ctx, cluster); err == nil {
			return v, nil
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, context.DeadlineExceeded)
	defer cancel()
	ctx, drained := context.WithCancelCause(ctx)
	defer drained(nil)
	defer context.AfterFunc(a.draining, func() { drained(errDraining) })()
	value, err := a.config.Sessions.Await(ctx, cluster)
	if err == nil && p.awaitUsage {
		if value = a.awaitUsage(ctx, value); !value.Fresh(time.Now()) {
			value, err = a.config.Sessions.Await(ctx, cluster) // the session broke meanwhile
		}
	}
	if err != nil && errors.Is(context.Cause(ctx), errDraining) {
		return nil, errDraining
	}
	if err != nil {
		return nil, a.noAnswer(cluster, p.timeout, err)
	}
	return value, nil
}

// awaitUsage waits for the first usage of a cluster of which there is a value. Usage
// that is not to come, or not in time, is none that a client need go without the rest
// for.
func (a *API) awaitUsage(ctx context.Context, value *session.Value) *session.Value {
	for usagePending(value.State) {
		glance, known := a.config.Sessions.Look(value.Cluster)
		if next := glance.Value; known && next != nil && next != value && next.Fresh(time.Now()) {
			value = next
			continue
		}
		select {
		case <-ctx.Done():
			return value
		case <-glance.News:
		}
	}
	return value
}

// usagePending says that usage is not there yet and may come.
func usagePending(s *state.State) bool {
	e := s.Sections[state.SectionUsage].Error
	return s.Usage == nil && (e == state.SectionError{} || e.Reason == "Pending")
}
