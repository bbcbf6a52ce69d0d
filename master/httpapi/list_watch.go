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

	"rollcall.dev/rollcall/master/session"
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
func (l *listWatch) prepare(w http.ResponseWriter, s *stream, p *params) error {
	err := l.setDetails(s.request.Context(), s, p.detail)
	if err == nil {
		err = l.checkDemand(p.demand)
	}
	if err == nil {
		s.problem, err = l.setStart(p, hasLastEventID(s.request) || isWebSocket(s.request))
	}
	if err == nil {
		err = s.start(w, l.framing, p)
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
func (l *listWatch) setStart(p *params, asEvent bool) (problem, err error) {
	if err := l.refresh(time.Now()); err != nil {
		return nil, err
	}
	switch {
	case p.wantsInitial():
		return nil, nil
	case p.version == "":
		l.cursor = l.api.clusterList.Current(l.filter())
	default:
		l.cursor, err = l.api.clusterList.Resume(p.version, l.filter())
	}
	l.started = err == nil
	if err = expiredProblem(err); asEvent {
		return err, nil
	}
	return nil, err
}

func (l *listWatch) refresh(now time.Time) (err error) {
	l.nextRefresh, l.changed, err = l.api.clusterList.Refresh(now, l.api.listAll)
	return err
}

// filter returns the filter of the events.
func (l *listWatch) filter() view.ClusterFilter {
	return view.ClusterFilter{Visible: l.visible, Words: l.words}
}

// sendPending writes the events that the client does not have yet, and updates the registered
// demand.
func (l *listWatch) sendPending(s *stream, now time.Time) error {
	if err := l.refresh(now); err != nil {
		return err
	}
	if err := l.updateDemand(s.request.Context()); err != nil {
		return err
	}
	if !l.started {
		events, cursor, err := l.api.clusterList.Initial(l.filter(), l.framing)
		if err != nil {
			return err
		}
		l.started, l.cursor = true, cursor
		return s.write(events)
	}
	for {
		events, next, err := l.api.clusterList.Read(l.cursor, l.filter(), l.framing)
		if err != nil {
			return expiredProblem(err)
		}
		if next == l.cursor {
			return nil
		}
		l.cursor = next
		if err := s.write(events); err != nil {
			return err
		}
	}
}

func (l *listWatch) bookmark() ([]byte, error) {
	return l.api.clusterList.Bookmark(l.cursor, l.framing)
}

// updateDemand registers demand for the clusters that the client wants and may see, including new
// ones, and ends it for others.
func (l *listWatch) updateDemand(ctx context.Context) error {
	if len(l.demand) == 0 && len(l.releases) == 0 {
		return nil
	}
	registered, err := l.api.config.Registry.List()
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	all := l.demand[allClusters]
	for _, c := range registered {
		if (all || l.demand[c.Name]) && (l.visible == nil || l.visible[c.Name]) {
			wanted[c.Name] = true
		}
	}
	for name, release := range l.releases {
		if !wanted[name] {
			release()
			delete(l.releases, name)
		}
	}
	for name := range wanted {
		if l.releases[name] == nil {
			release, err := l.api.config.Sessions.Watch(ctx, name)
			switch {
			case err == nil:
				l.releases[name] = release
			case !errors.Is(err, session.ErrNotFound): // one that was removed just now has no demand
				return err
			}
		}
	}
	auditOf(ctx).sessionsStarted()
	return nil
}

func (l *listWatch) close() {
	for _, release := range l.releases {
		release()
	}
}

// checkDemand returns an error for the first name of a cluster that the client cannot see.
func (l *listWatch) checkDemand(demand map[string]bool) error {
	for _, name := range slices.Sorted(maps.Keys(demand)) {
		if name == allClusters {
			continue
		}
		known, err := l.api.config.Registry.Resolve(name)
		if err != nil && !errors.Is(err, session.ErrNotFound) {
			return err
		}
		if err != nil || known != name || l.visible != nil && !l.visible[name] {
			return unknownCluster(name)
		}
	}
	return nil
}

// setDetails replaces the clusters whose own events are sent. If the client is not authorized for
// one of them, nothing changes.
func (l *listWatch) setDetails(ctx context.Context, s *stream, wanted []detailRequest) error {
	for _, w := range wanted {
		if err := l.authorizeDetail(ctx, s.request, w.cluster); err != nil {
			return err
		}
		auditOf(s.request.Context()).addClusters(w.cluster)
	}
	for i := len(s.details) - 1; i >= 0; i-- {
		if !slices.ContainsFunc(wanted, func(w detailRequest) bool { return w.cluster == s.details[i].cluster }) {
			s.removeDetail(i)
		}
	}
	timed, cancel := context.WithTimeout(ctx, maxResumeWait)
	defer cancel()
	for _, w := range wanted {
		if slices.ContainsFunc(s.details, func(d *clusterWatch) bool { return d.cluster == w.cluster }) {
			continue
		}
		d, err := l.api.newClusterWatch(s.request.Context(), w.cluster, l.scope, l.framing, true)
		if err != nil {
			return err
		}
		s.details = append(s.details, d)
		if _, err := d.refresh(); err != nil {
			return err
		}
		if w.version != "" {
			// If the version is too old, the watch starts with the initial events.
			_ = l.api.resume(timed, d, w.version)
		}
	}
	return nil
}

func (l *listWatch) authorizeDetail(ctx context.Context, r *http.Request, cluster string) error {
	known, unresolved := l.api.config.Registry.Resolve(cluster)
	authorize, err := l.api.authenticate(r)
	if err == nil {
		err = authorize(ctx, Access{Verb: "watch", Details: true, Cluster: cluster})
	}
	if errors.Is(err, ErrHidden) || err == nil && (errors.Is(unresolved, session.ErrNotFound) || unresolved == nil && known != cluster) {
		return unknownCluster(cluster)
	}
	if err == nil {
		err = unresolved
	}
	return err
}

// recheckAccess reviews what the client may see, and sends the resulting events: clusters that it
// may no longer see are deleted for it.
func (l *listWatch) recheckAccess(ctx context.Context, s *stream) error {
	visible, err := l.api.visibleNames(ctx, s.request)
	if err != nil {
		return err
	}
	oldFilter := l.filter()
	l.visible = visible
	events, cursor, err := l.api.clusterList.SwitchFilter(l.cursor, oldFilter, l.filter(), l.framing)
	if err != nil {
		return expiredProblem(err)
	}
	l.cursor = cursor
	if err := s.write(events); err != nil {
		return err
	}
	for i := len(s.details) - 1; i >= 0; i-- {
		d := s.details[i]
		err := l.authorizeDetail(ctx, s.request, d.cluster)
		if err == nil {
			continue
		}
		if isTransient(err) || errors.Is(err, ErrUnauthenticated) {
			return err
		}
		s.removeDetail(i)
		if err := s.write(errorLine(s.api.problem(s.request, err), l.framing, d.cluster)); err != nil {
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
func (l *listWatch) handleMessage(s *stream, data []byte) error {
	err := l.applyMessage(s, data)
	if err == nil {
		return nil
	}
	return s.write(errorLine(s.api.problem(s.request, err), l.framing, ""))
}

func (l *listWatch) applyMessage(s *stream, data []byte) (err error) {
	m, wanted, err := parseMessage(data)
	defer func() { auditOf(s.request.Context()).message(m, err) }()
	if err != nil {
		return err
	}
	if err = l.checkDemand(wanted.demand); err != nil {
		return err
	}
	if m.Detail != nil {
		ctx, cancel := context.WithTimeout(s.request.Context(), recheckTimeout)
		defer cancel()
		if err = l.setDetails(ctx, s, wanted.detail); err != nil {
			return err
		}
	}
	if m.Demand != nil {
		l.demand = wanted.demand
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
