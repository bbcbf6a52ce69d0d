package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rollcall.dev/rollcall/master/view"
)

// ReasonExpired: what changed since the version is not known any more.
const ReasonExpired = "Expired"

// expired is what it means to the client that a version cannot be resumed.
func expired(err error) error {
	if !errors.Is(err, view.ErrExpired) {
		return err
	}
	return &Problem{Status: http.StatusGone, Reason: ReasonExpired, Detail: err.Error()}
}

// watchCluster streams one cluster's events.
func (a *API) watchCluster(w http.ResponseWriter, r *http.Request, cluster string, p *params) error {
	framing, err := negotiate(r, p)
	if err != nil {
		return err
	}
	if err := takeLastEvent(r, p, view.ParseVersion); err != nil {
		return err
	}
	scope := view.Scope{Part: p.query.Part, Filter: p.query.Filter, Usage: p.usage}
	d := a.open(cluster, scope, framing, p.bookmarks)
	s := &stream{api: a, request: r, details: []*detail{d}}
	s.problem, err = a.meet(r.Context(), d, p, fromLastEvent(r) || wantsSocket(r))
	if err == nil {
		err = s.start(w, framing, p)
	}
	if err != nil {
		s.shut()
		return err
	}
	later(w, s)
	return nil
}

// meet gets a watch of one cluster to where its stream can begin: at a version, or at a
// report that is fresh. An expired version is a problem apart where the client had
// better be told by an event: what reconnects by itself would take an answer for the
// end.
func (a *API) meet(ctx context.Context, d *detail, p *params, byEvent bool) (problem, err error) {
	m, err := d.look()
	if err != nil {
		return nil, err
	}
	if p.anew() || m == nil {
		if _, err := a.await(ctx, d.cluster, *p); err != nil {
			return nil, err
		}
		if _, err := d.look(); err != nil {
			return nil, err
		}
	}
	switch {
	case p.anew():
		return nil, nil
	case p.version == "":
		_, d.cursor = d.log.Begin()
		d.begun = true
		return nil, nil
	}
	err = d.resume(p.version)
	if byEvent {
		return err, nil
	}
	return nil, err
}

// negotiate is how the client wants its events, which also tells what it may ask for.
func negotiate(r *http.Request, p *params) (view.Framing, error) {
	if r.Method != http.MethodGet {
		return 0, &view.ParameterError{Name: watchParameter.name, Words: "has no meaning for " + r.Method + "; only GET can watch"}
	}
	switch {
	case wantsSocket(r):
		p.bookmarks = true
		if err := sameOrigin(r, "open a websocket here"); err != nil {
			return 0, err
		}
		return view.Lines, handshake(r)
	case wantsServerSent(r):
		p.bookmarks = true
		return view.ServerSent, nil
	}
	return view.Lines, nil
}

// wantsServerSent says that Accept asks for Server-Sent Events, and does not like JSON
// better. Who takes anything gets JSON.
func wantsServerSent(r *http.Request) bool {
	likes := map[string]float64{}
	for _, line := range r.Header["Accept"] {
		for one := range strings.SplitSeq(line, ",") {
			media, q := quality(one)
			likes[strings.ToLower(media)] = q
		}
	}
	events := likes["text/event-stream"]
	return events > 0 && events >= likes["application/json"]
}

const lastEvent = "Last-Event-ID"

// fromLastEvent says that an EventSource comes again.
func fromLastEvent(r *http.Request) bool { return r.Header.Get(lastEvent) != "" }

// takeLastEvent lets the last event that an EventSource has seen go before the version
// of its address, which was there before any event.
func takeLastEvent(r *http.Request, p *params, parse func(string) error) error {
	id := r.Header.Get(lastEvent)
	if id == "" {
		return nil
	}
	if id == view.Beginning {
		p.version = ""
		return nil
	}
	if err := parse(id); err != nil {
		return badQuery(fmt.Sprintf("the header %s %v", lastEvent, err))
	}
	p.version, p.initial = id, nil
	return nil
}

// newOutlet begins the answer.
func newOutlet(w http.ResponseWriter, r *http.Request, f view.Framing, bookmarks bool) (outlet, error) {
	if wantsSocket(r) {
		return newSocket(w, r)
	}
	return newResponse(w, r, f, bookmarks), nil
}

// mayWatch asks anew whether the client may watch a cluster, which it may have called
// by an address that by now is another's.
func (a *API) mayWatch(ctx context.Context, r *http.Request, cluster string, details bool) error {
	asked := askedCluster(r)
	if name, known := a.config.Registry.Resolve(asked); known && name != cluster {
		return &Problem{Status: http.StatusGone, Reason: ReasonExpired, Detail: fmt.Sprintf("%s is not cluster %s any more; begin again", shorten(asked), cluster)}
	}
	caller, err := a.caller(r)
	if err == nil {
		err = caller(ctx, Access{Verb: "watch", Details: details, Cluster: cluster, Called: calledBy(asked, cluster)})
	}
	if errors.Is(err, ErrHidden) {
		return unknownCluster(cluster)
	}
	return err
}

// waitStreams waits until all streams have ended, which they do when the master drains.
func (a *API) waitStreams() {
	done := make(chan struct{})
	go func() {
		a.streams.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closing):
	}
}
