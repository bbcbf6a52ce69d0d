package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

const (
	period   = time.Second
	ttl      = 3 * time.Second
	duration = 30 * time.Minute
	// connecting is the time of a dial and the first report.
	connecting = 150 * time.Millisecond
	// sampling is the number of reports for each sample of usage.
	sampling = 3
)

// cluster is a fake cluster with its session.
type cluster struct {
	session.Registered
	state *clusterState
	// unreachable is the reason why the agent cannot be reached; empty if it can.
	unreachable string
	// silent means that the agent has stopped reporting, neverReports that it never sends a report.
	silent, neverReports bool
	// usage means that usage is reported.
	usage bool

	watches     int
	connectedAt time.Time // when the session was requested; zero if there is none
	info        session.Info
	latest      *session.Report
	known       session.LastKnown
	reports     int // number of reports since usage was enabled
	// reported is the time of the last report. Zero makes the next report due at once.
	reported time.Time
}

// sessions simulates the sessions of a master: a watched cluster connects and
// reports; a cluster that is not watched is idle.
type sessions struct {
	mu       sync.Mutex
	term     uint64
	clusters []*cluster
	changed  chan struct{}
}

// newSessions returns sessions without clusters.
func newSessions() *sessions {
	return &sessions{term: uint64(time.Now().UnixMilli()), changed: make(chan struct{})}
}

// change calls change, which may modify clusters, and wakes watchers.
func (s *sessions) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// run advances the sessions until ctx ends.
func (s *sessions) run(ctx context.Context) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			s.advance(now)
		}
	}
}

// advance advances all sessions.
func (s *sessions) advance(now time.Time) {
	s.mu.Lock()
	anyChanged := false
	for _, c := range s.clusters {
		if c.advance(s.term, now) {
			anyChanged = true
		}
	}
	if anyChanged {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	s.mu.Unlock()
}

// advance updates the session of the cluster, and reports whether anything has changed.
func (c *cluster) advance(term uint64, now time.Time) bool {
	before := c.info
	switch {
	case c.Suspended || c.watches == 0:
		c.connectedAt, c.info = time.Time{}, session.Info{Phase: session.Idle}
	case c.unreachable != "":
		c.info = session.Info{Phase: session.Backoff}
	case c.connectedAt.IsZero():
		c.connectedAt = now
		c.info = session.Info{Phase: session.Connecting}
	case c.info.Phase == session.Backoff:
		c.connectedAt = time.Time{}
	case c.neverReports || now.Sub(c.connectedAt) < connecting:
	case !c.silent && now.Sub(c.reported) >= period:
		c.report(term, now)
		return true
	}
	return c.info != before
}

// report updates the data of the cluster as a report of its agent does.
func (c *cluster) report(term uint64, now time.Time) {
	if c.info.Phase != session.Reporting {
		c.info = session.Info{ID: fmt.Sprintf("s-%x", now.UnixMilli()), Phase: session.Reporting, StartedAt: now, ExpiresAt: now.Add(duration)}
	}
	if c.usage && c.reports%sampling == 0 {
		c.state.sample()
	}
	c.reports++
	c.reported = now
	c.state.updateSections(now)
	c.latest = c.reportAt(term, now)
	c.known = session.LastKnown{Summary: &c.latest.Summary, ObservedAt: now}
}

// reportAt returns the report of the present state.
func (c *cluster) reportAt(term uint64, now time.Time) *session.Report {
	return &session.Report{
		Cluster: c.Name, UID: "8a1f", KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", Term: term, LazyState: wire.NewLazyState(c.state.State), Summary: state.Summarize(c.state.State, now),
		ObservedAt: now, ReceivedAt: now, TTL: ttl, ExpiresAt: now.Add(ttl), Session: c.info,
	}
}

// find returns a cluster by its name, or nil. The caller must hold s.mu.
func (s *sessions) find(name string) *cluster {
	for _, c := range s.clusters {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// status returns the status of the session. The caller must hold the lock of sessions.
func (c *cluster) status() session.Status {
	return session.Status{Session: c.info, Reason: c.reason(), Message: c.unreachable, LastKnown: c.known, KubernetesVersion: "v1.36.3", AgentVersion: "v0.1.0", UID: "8a1f"}
}

// reason returns the result of the last attempt to reach the agent.
func (c *cluster) reason() session.Reason {
	switch {
	case c.Suspended:
		return session.Suspended
	case c.unreachable != "":
		return dial.DialFailed
	case c.known.Summary == nil:
		return session.AwaitingFirstContact
	}
	return session.Succeeded
}

// Watch implements httpapi.Sessions.
func (s *sessions) Watch(_ context.Context, name string) (release func(), err error) {
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.find(name); c != nil {
			c.watches += n
		}
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) }), nil
}

// Current implements httpapi.Sessions.
func (s *sessions) Current(name string) (session.Current, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(name)
	if c == nil {
		return session.Current{}, session.ErrNotFound
	}
	return session.Current{Report: c.latest, Status: c.status(), Suspended: c.Suspended, Changed: s.changed}, nil
}

// LastReport implements httpapi.Sessions.
func (s *sessions) LastReport(name string) (*session.Report, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(name)
	if c == nil || c.latest == nil {
		return nil, false
	}
	return c.latest, true
}

// Status implements httpapi.Sessions.
func (s *sessions) Status(name string) session.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.find(name); c != nil {
		return c.status()
	}
	return session.Status{}
}

// List implements httpapi.Registry.
func (s *sessions) List() ([]session.Registered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []session.Registered
	for _, c := range s.clusters {
		all = append(all, c.Registered)
	}
	return all, nil
}

// Resolve implements httpapi.Registry.
func (s *sessions) Resolve(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.clusters {
		if c.Name == name || slices.Contains(c.ClusterIPs, name) {
			return c.Name, nil
		}
	}
	return "", session.ErrNotFound
}

// Await returns an error, since the page only watches.
func (s *sessions) Await(context.Context, string) (*session.Report, error) {
	return nil, errors.New("the fake master supports watches only")
}

// StoredStatus implements httpapi.Registry. There is no other master.
func (s *sessions) StoredStatus(string) (session.StoredStatus, error) {
	return session.StoredStatus{}, session.ErrNotFound
}

// watched returns the sorted names of watched clusters.
func (s *sessions) watched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for _, c := range s.clusters {
		if c.watches > 0 {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}
