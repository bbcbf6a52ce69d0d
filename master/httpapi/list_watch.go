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

// listWatch is the watch of the list of clusters within a stream.
type listWatch struct {
	api     *API
	framing view.Framing
	scope   view.Scope // of the cluster watches
	words   string

	// visible holds the clusters that the client may see; nil means all.
	visible map[string]bool
	started bool
	cursor  view.ClusterListCursor

	// demand holds the clusters that the client wants to keep reporting. releases ends the
	// registered demand, by cluster.
	demand   map[string]bool
	releases map[string]func()

	changed     <-chan struct{}
	nextRefresh time.Time
}

// watchList streams the events of the list of clusters that the client may see.
func (a *API) watchList(w http.ResponseWriter, r *http.Request, p *params, visible map[string]bool) error {
	framing, err := negotiateFraming(r, p)
	if err != nil {
		return err
	}
	if err := applyLastEventID(r, p, view.ParseClusterListVersion); err != nil {
		return err
	}
	watch := &listWatch{api: a, framing: framingWithCluster(framing), words: p.list.words, releases: map[string]func(){}, demand: p.demand, scope: view.Scope{Usage: p.usage}, visible: visible}
	s := &stream{api: a, request: r, list: watch}
	if err := watch.prepare(w, s, p); err != nil {
		s.close()
		return err
	}
	deferStream(w, s)
	return nil
}

// prepare checks the request and starts the stream.
func (f *listWatch) prepare(w http.ResponseWriter, s *stream, p *params) error {
	err := f.setDetails(s.request.Context(), s, p.detail)
	if err == nil {
		err = f.checkDemand(p.demand)
	}
	if err == nil {
		s.problem, err = f.setStart(p, hasLastEventID(s.request) || isWebSocket(s.request))
	}
	if err == nil {
		err = s.start(w, f.framing, p)
	}
	return err
}

func framingWithCluster(f view.Framing) view.Framing {
	if f == view.SSE {
		return view.SSEWithCluster
	}
	return view.JSONLinesWithCluster
}

// setStart finds the cursor from which the stream starts; see API.prepareStream for the results.
func (f *listWatch) setStart(p *params, asEvent bool) (problem, err error) {
	f.refresh(time.Now())
	switch {
	case p.wantsInitial():
		return nil, nil
	case p.version == "":
		f.cursor = f.api.clusterList.Current(f.filter())
	default:
		f.cursor, err = f.api.clusterList.Resume(p.version, f.filter())
	}
	f.started = err == nil
	if err = expiredProblem(err); asEvent {
		return err, nil
	}
	return nil, err
}

func (f *listWatch) refresh(now time.Time) {
	f.nextRefresh, f.changed = f.api.clusterList.Refresh(now, f.api.listAll)
}

// filter returns the filter of the events.
func (f *listWatch) filter() view.ClusterFilter {
	return view.ClusterFilter{Visible: f.visible, Words: f.words}
}

// sendPending writes the events that the client does not have yet, and updates the registered
// demand.
func (f *listWatch) sendPending(s *stream, now time.Time) error {
	f.refresh(now)
	f.updateDemand()
	if !f.started {
		events, cursor, err := f.api.clusterList.Initial(f.filter(), f.framing)
		if err != nil {
			return err
		}
		f.started, f.cursor = true, cursor
		return s.write(events)
	}
	for {
		events, next, err := f.api.clusterList.Read(f.cursor, f.filter(), f.framing)
		if err != nil {
			return expiredProblem(err)
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

func (f *listWatch) bookmark() ([]byte, error) {
	return f.api.clusterList.Bookmark(f.cursor, f.framing)
}

// updateDemand registers demand for the clusters that the client wants and may see, including new
// ones, and ends it for others.
func (f *listWatch) updateDemand() {
	if len(f.demand) == 0 && len(f.releases) == 0 {
		return
	}
	wanted := map[string]bool{}
	all := f.demand[allClusters]
	for _, c := range f.api.config.Registry.List() {
		if (all || f.demand[c.Name]) && (f.visible == nil || f.visible[c.Name]) {
			wanted[c.Name] = true
		}
	}
	for name, release := range f.releases {
		if !wanted[name] {
			release()
			delete(f.releases, name)
		}
	}
	for name := range wanted {
		if f.releases[name] == nil {
			f.releases[name] = f.api.config.Sessions.Watch(name)
		}
	}
}

func (f *listWatch) close() {
	for _, release := range f.releases {
		release()
	}
}

// checkDemand returns an error for the first name of a cluster that the client cannot see.
func (f *listWatch) checkDemand(demand map[string]bool) error {
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

// setDetails replaces the clusters whose own events are sent. If the client is not authorized for
// one of them, nothing changes.
func (f *listWatch) setDetails(ctx context.Context, s *stream, wanted []detailRequest) error {
	for _, w := range wanted {
		if err := f.authorizeDetail(ctx, s.request, w.cluster); err != nil {
			return err
		}
	}
	for i := len(s.details) - 1; i >= 0; i-- {
		if !slices.ContainsFunc(wanted, func(w detailRequest) bool { return w.cluster == s.details[i].cluster }) {
			s.removeDetail(i)
		}
	}
	for _, w := range wanted {
		if slices.ContainsFunc(s.details, func(d *clusterWatch) bool { return d.cluster == w.cluster }) {
			continue
		}
		d := f.api.newClusterWatch(w.cluster, f.scope, f.framing, true)
		s.details = append(s.details, d)
		if _, err := d.refresh(); err != nil {
			return err
		}
		if w.version != "" {
			// If the version is too old, the watch starts with the initial events.
			_ = d.resume(w.version)
		}
	}
	return nil
}

func (f *listWatch) authorizeDetail(ctx context.Context, r *http.Request, cluster string) error {
	known, ok := f.api.config.Registry.Resolve(cluster)
	authorize, err := f.api.authenticate(r)
	if err == nil {
		err = authorize(ctx, Access{Verb: "watch", Details: true, Cluster: cluster})
	}
	if errors.Is(err, ErrHidden) || err == nil && (!ok || known != cluster) {
		return unknownCluster(cluster)
	}
	return err
}

// recheckAccess reviews what the client may see, and sends the resulting events: clusters that it
// may no longer see are deleted for it.
func (f *listWatch) recheckAccess(ctx context.Context, s *stream) error {
	visible, err := f.api.visibleNames(ctx, s.request)
	if err != nil {
		return err
	}
	oldFilter := f.filter()
	f.visible = visible
	events, cursor, err := f.api.clusterList.SwitchFilter(f.cursor, oldFilter, f.filter(), f.framing)
	if err != nil {
		return expiredProblem(err)
	}
	f.cursor = cursor
	if err := s.write(events); err != nil {
		return err
	}
	for i := len(s.details) - 1; i >= 0; i-- {
		d := s.details[i]
		err := f.authorizeDetail(ctx, s.request, d.cluster)
		if err == nil {
			continue
		}
		if errors.Is(err, ErrAuthorizerUnavailable) || errors.Is(err, ErrTooManyRequests) || errors.Is(err, ErrUnauthenticated) {
			return err
		}
		s.removeDetail(i)
		if err := s.write(errorLine(s.api.problem(s.request, err), f.framing, d.cluster)); err != nil {
			return err
		}
	}
	return nil
}

// message is a message that a client sends over the websocket of the list. Its lists replace the
// previous ones; absent lists stay.
type message struct {
	Demand *[]string `json:"demand"`
	Detail *[]string `json:"detail"`
}

// handleMessage applies a client's message. Errors are sent to the client as an ERROR event; the
// stream continues.
func (f *listWatch) handleMessage(s *stream, data []byte) error {
	err := f.applyMessage(s, data)
	if err == nil {
		return nil
	}
	return s.write(errorLine(s.api.problem(s.request, err), f.framing, ""))
}

func (f *listWatch) applyMessage(s *stream, data []byte) error {
	m, wanted, err := parseMessage(data)
	if err != nil {
		return err
	}
	if err := f.checkDemand(wanted.demand); err != nil {
		return err
	}
	if m.Detail != nil {
		ctx, cancel := context.WithTimeout(s.request.Context(), recheckTimeout)
		defer cancel()
		if err := f.setDetails(ctx, s, wanted.detail); err != nil {
			return err
		}
	}
	if m.Demand != nil {
		f.demand = wanted.demand
	}
	return nil
}

// parseMessage parses a client's message.
func parseMessage(data []byte) (m message, wanted subscriptions, err error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err = dec.Decode(&m)
	if _, more := dec.Token(); err != nil || !errors.Is(more, io.EOF) {
		return m, wanted, badRequest(`a message must be an object such as {"demand":["a","*"],"detail":["a"]}`)
	}
	if m.Detail != nil {
		if wanted.detail, err = parseDetail(*m.Detail); err != nil {
			return m, wanted, &view.ParameterError{Name: "detail", Message: err.Error()}
		}
	}
	if m.Demand != nil {
		if wanted.demand, err = parseDemand(*m.Demand); err != nil {
			return m, wanted, &view.ParameterError{Name: "demand", Message: err.Error()}
		}
	}
	return m, wanted, nil
}
