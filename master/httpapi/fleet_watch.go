package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"rollcall.dev/rollcall/master/view"
)

// fleetWatch is the watch of all clusters within a stream.
type fleetWatch struct {
	api     *API
	framing view.Framing
	scope   view.Scope // of details
	words   string

	// visible are the clusters that the client may see; nil: all.
	visible map[string]bool
	begun   bool
	cursor  view.FleetCursor

	// demand are the clusters that the client wants reporting, held those that are kept
	// so.
	demand map[string]bool
	held   map[string]func()

	news  <-chan struct{}
	again time.Time
}

// watchFleet streams the events of all clusters that the client may see.
func (a *API) watchFleet(w http.ResponseWriter, r *http.Request, p *params, visible map[string]bool) error {
	framing, err := negotiate(r, p)
	if err != nil {
		return err
	}
	if err := takeLastEvent(r, p, view.ParseFleetVersion); err != nil {
		return err
	}
	f := &fleetWatch{api: a, framing: fleetFraming(framing), words: p.list.words, held: map[string]func(){}, demand: p.demand, scope: view.Scope{Usage: p.usage}, visible: visible}
	s := &stream{api: a, request: r, fleet: f}
	if err := f.prepare(w, s, p); err != nil {
		s.shut()
		return err
	}
	later(w, s)
	return nil
}

// prepare gets a stream to where it can begin.
func (f *fleetWatch) prepare(w http.ResponseWriter, s *stream, p *params) error {
	err := f.wish(s.request.Context(), s, p.detail)
	if err == nil {
		err = f.known(p.demand)
	}
	if err == nil {
		s.problem, err = f.meet(p, fromLastEvent(s.request) || wantsSocket(s.request))
	}
	if err == nil {
		err = s.start(w, f.framing, p)
	}
	return err
}

func fleetFraming(f view.Framing) view.Framing {
	if f == view.ServerSent {
		return view.FleetServerSent
	}
	return view.FleetLines
}

// meet finds where the stream begins; see API.meet.
func (f *fleetWatch) meet(p *params, byEvent bool) (problem, err error) {
	f.look(time.Now())
	switch {
	case p.anew():
		return nil, nil
	case p.version == "":
		f.cursor = f.api.fleet.Now(f.sight())
	default:
		f.cursor, err = f.api.fleet.Resume(p.version, f.sight())
	}
	f.begun = err == nil
	if err = expired(err); byEvent {
		return err, nil
	}
	return nil, err
}

func (f *fleetWatch) look(now time.Time) {
	f.again, f.news = f.api.fleet.Advance(now, f.api.listAll)
}

// sight is which clusters the client is told of.
func (f *fleetWatch) sight() view.FleetSight {
	return view.FleetSight{Visible: f.visible, Words: f.words}
}

// catchUp writes what the client lacks, and keeps the demand that it asks for.
func (f *fleetWatch) catchUp(s *stream, now time.Time) error {
	f.look(now)
	f.keepDemand()
	if !f.begun {
		events, cursor, err := f.api.fleet.Initial(f.sight(), f.framing)
		if err != nil {
			return err
		}
		f.begun, f.cursor = true, cursor
		return s.write(events)
	}
	for {
		events, next, err := f.api.fleet.Read(f.cursor, f.sight(), f.framing)
		if err != nil {
			return expired(err)
		}
		if next == f.cursor {
			return nil
		}
		f.cursor = next
		if err := s.write(events); err != nil {
			return err
		}
	}
}

func (f *fleetWatch) bookmark() ([]byte, error) {
	return f.api.fleet.Bookmark(f.cursor, f.framing)
}

// keepDemand is demand for the clusters that the client wants and may see, those among
// them that are new as well.
func (f *fleetWatch) keepDemand() {
	if len(f.demand) == 0 && len(f.held) == 0 {
		return
	}
	wanted := map[string]bool{}
	all := f.demand[allClusters]
	for _, c := range f.api.config.Registry.List() {
		if (all || f.demand[c.Name]) && (f.visible == nil || f.visible[c.Name]) {
			wanted[c.Name] = true
		}
	}
	for name, release := range f.held {
		if !wanted[name] {
			release()
			delete(f.held, name)
		}
	}
	for name := range wanted {
		if f.held[name] == nil {
			f.held[name] = f.api.config.Sessions.Watch(name)
		}
	}
}

func (f *fleetWatch) shut() {
	for _, release := range f.held {
		release()
	}
}

// known refuses names that the client sees no cluster of.
func (f *fleetWatch) known(demand map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(demand)) {
		if name == allClusters {
			continue
		}
		if known, ok := f.api.config.Registry.Resolve(name); !ok || known != name || f.visible != nil && !f.visible[name] {
			return unknownCluster(name)
		}
	}
	return nil
}

// wish makes the clusters whose own events are sent those that the client wants.
// Nothing changes where one of them is refused.
func (f *fleetWatch) wish(ctx context.Context, s *stream, wanted []wish) error {
	for _, w := range wanted {
		if err := f.mayDetail(ctx, s.request, w.cluster); err != nil {
			return err
		}
	}
	for i := len(s.details) - 1; i >= 0; i-- {
		if !slices.ContainsFunc(wanted, func(w wish) bool { return w.cluster == s.details[i].cluster }) {
			s.drop(i)
		}
	}
	for _, w := range wanted {
		if slices.ContainsFunc(s.details, func(d *detail) bool { return d.cluster == w.cluster }) {
			continue
		}
		d := f.api.open(w.cluster, f.scope, f.framing, true)
		s.details = append(s.details, d)
		if _, err := d.look(); err != nil {
			return err
		}
		if w.version != "" {
			// A version that is too old is none: the present state comes.
			_ = d.resume(w.version)
		}
	}
	return nil
}

func (f *fleetWatch) mayDetail(ctx context.Context, r *http.Request, cluster string) error {
	known, ok := f.api.config.Registry.Resolve(cluster)
	caller, err := f.api.caller(r)
	if err == nil {
		err = caller(ctx, Access{Verb: "watch", Details: true, Cluster: cluster})
	}
	if errors.Is(err, ErrHidden) || err == nil && (!ok || known != cluster) {
		return unknownCluster(cluster)
	}
	return err
}

// review asks anew what the client may see: what it may not any more is gone for it.
func (f *fleetWatch) review(ctx context.Context, s *stream) error {
	visible, err := f.api.visibleNames(ctx, s.request)
	if err != nil {
		return err
	}
	before := f.sight()
	f.visible = visible
	turned, cursor, err := f.api.fleet.Turn(f.cursor, before, f.sight(), f.framing)
	if err != nil {
		return expired(err)
	}
	f.cursor = cursor
	if err := s.write(turned); err != nil {
		return err
	}
	for i := len(s.details) - 1; i >= 0; i-- {
		d := s.details[i]
		err := f.mayDetail(ctx, s.request, d.cluster)
		if err == nil {
			continue
		}
		if errors.Is(err, ErrUndecided) || errors.Is(err, ErrTooMany) || errors.Is(err, ErrUnauthenticated) {
			return err
		}
		s.drop(i)
		if err := s.write(errorLine(s.api.problem(s.request, err), f.framing, d.cluster)); err != nil {
			return err
		}
	}
	return nil
}

// message is what a client of the fleet's websocket says: lists that take the place of
// those before. What is absent stays.
type message struct {
	Demand *[]string `json:"demand"`
	Detail *[]string `json:"detail"`
}

// hear does what a client says, or tells it why not; the stream goes on in any case.
func (f *fleetWatch) hear(s *stream, said []byte) error {
	err := f.obey(s, said)
	if err == nil {
		return nil
	}
	return s.write(errorLine(s.api.problem(s.request, err), f.framing, ""))
}

func (f *fleetWatch) obey(s *stream, said []byte) error {
	m, wanted, err := parseMessage(said)
	if err != nil {
		return err
	}
	if err := f.known(wanted.demand); err != nil {
		return err
	}
	if m.Detail != nil {
		ctx, cancel := context.WithTimeout(s.request.Context(), reviewTimeout)
		defer cancel()
		if err := f.wish(ctx, s, wanted.detail); err != nil {
			return err
		}
	}
	if m.Demand != nil {
		f.demand = wanted.demand
	}
	return nil
}

// parseMessage reads what a client says, and what it wants by it.
func parseMessage(said []byte) (m message, wanted wishes, err error) {
	dec := json.NewDecoder(bytes.NewReader(said))
	dec.DisallowUnknownFields()
	err = dec.Decode(&m)
	if _, more := dec.Token(); err != nil || !errors.Is(more, io.EOF) {
		return m, wanted, badQuery(`a message is an object such as {"demand":["a","*"],"detail":["a"]}`)
	}
	if m.Detail != nil {
		if wanted.detail, err = parseDetail(*m.Detail); err != nil {
			return m, wanted, &view.ParameterError{Name: "detail", Words: err.Error()}
		}
	}
	if m.Demand != nil {
		if wanted.demand, err = parseDemand(*m.Demand); err != nil {
			return m, wanted, &view.ParameterError{Name: "demand", Words: err.Error()}
		}
	}
	return m, wanted, nil
}
