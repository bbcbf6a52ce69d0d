package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// lookPeriod is how often a request that waits for usage looks whether it has come.
const lookPeriod = 100 * time.Millisecond

// cluster answers with a part of one cluster.
func (a *API) cluster(part view.Part) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		name, err := a.resolve(r, part != view.Summary)
		if err != nil {
			return err
		}
		p, err := parseParams(part, r.URL.RawQuery)
		if err != nil {
			return err
		}
		value, err := a.await(r.Context(), name, p)
		if err != nil {
			return err
		}
		report := reportOf(value)
		body, err := a.body(report, p.query)
		if err != nil {
			return err
		}
		freshness(w.Header(), &report, time.Now())
		writeJSON(w, body)
		return nil
	}
}

func (a *API) body(report view.Report, q view.Query) (view.Body, error) {
	if q.Plain() {
		return a.config.Shelf.Body(report, q.Part)
	}
	return a.config.Shelf.Select(report, q)
}

// await waits for a value as the request wants it. The wait ends with the client, with
// its timeout, and with the master.
func (a *API) await(ctx context.Context, cluster string, p params) (*session.Value, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.timeout, context.DeadlineExceeded)
	defer cancel()
	ctx, drained := context.WithCancelCause(ctx)
	defer drained(nil)
	defer context.AfterFunc(a.draining, func() { drained(errDraining) })()
	value, err := a.config.Sessions.Await(ctx, cluster)
	if err == nil && p.usage {
		value = a.awaitUsage(ctx, value)
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
	look := time.NewTicker(lookPeriod)
	defer look.Stop()
	for usagePending(value.State) {
		select {
		case <-ctx.Done():
			return value
		case <-look.C:
		}
		next, err := a.config.Sessions.Await(ctx, value.Cluster)
		if err != nil {
			return value
		}
		value = next
	}
	return value
}

// usagePending says that usage is not there yet and may come.
func usagePending(s *state.State) bool {
	e := s.Sections[state.SectionUsage].Error
	return s.Usage == nil && (e == state.SectionError{} || e.Reason == "Pending")
}

func writeJSON(w http.ResponseWriter, body view.Body) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(http.StatusOK)
	// Nobody is left to tell of an error to write.
	_, _ = body.WriteTo(w)
}
