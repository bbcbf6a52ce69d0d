package session

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

// Peers are the other masters that share the Store with this one. Its methods may be called by any goroutine.
type Peers interface {
	// Owns reports whether this master owns a cluster: whether it has the cluster's session, and writes its reports to the
	// Store and its status to the hub. It does not block. Sessions.OwnershipChanged has to be called when the answer for
	// any cluster may have changed.
	Owns(cluster string) bool
	// HandOver passes a cluster, which this master could not dial several times, to another master for some minutes. It
	// does not block.
	HandOver(cluster string)
	// Want tells the other masters which clusters have demand at this one; see Sessions.PeerWants.
	Want(ctx context.Context, wants []Want) error
}

// Want is the demand for a cluster at one master.
type Want struct {
	Cluster string
	// For is how long it lasts unless it is repeated.
	For time.Duration
}

const (
	// guestDelay is how long readers wait for the owner of a cluster before another master dials the agent.
	guestDelay = 2 * time.Second
	// wantPeriod is the time between two announcements of demand, and wantTTL how long the demand of open watches lasts
	// after one.
	wantPeriod, wantTTL = 5 * time.Second, 15 * time.Second
	// maxWants limits one announcement.
	maxWants = 256
	// failuresUntilHandOver is the number of failed attempts after which the owner hands a cluster over.
	failuresUntilHandOver = 3
)

// owns reports whether this master owns a cluster. A master without peers owns all clusters.
func (s *Sessions) owns(cluster string) bool {
	return s.config.Peers == nil || s.config.Peers.Owns(cluster)
}

// owned reports whether this master owns the cluster.
func (c *clusterState) owned() bool { return c.sessions.owns(c.name) }

// handOver passes a cluster of this master to another one.
func (s *Sessions) handOver(cluster string) {
	if s.config.Peers != nil && s.config.Peers.Owns(cluster) {
		s.config.Peers.HandOver(cluster)
	}
}

// OwnershipChanged makes all clusters consider again whether this master owns them, and announces the demand at this
// master again.
func (s *Sessions) OwnershipChanged() {
	for _, c := range s.allClusters() {
		c.read(func() {
			c.announceDemand()
			if c.report != nil && c.report.HasState() || c.running || c.hasDemandLocked() {
				c.wakeWorker()
			}
		})
	}
}

// hasDemandLocked reports whether there is demand now. c.mu must be held.
func (c *clusterState) hasDemandLocked() bool {
	demand, _ := c.demand.at(time.Now(), c.spec, c.owned())
	return demand
}

// PeerWants registers demand at another master. Clusters that this master does not own or does not know ignore it.
func (s *Sessions) PeerWants(wants []Want) {
	now := time.Now()
	for _, want := range wants {
		c, _ := s.syncKnownCluster(want.Cluster)
		if c == nil {
			continue
		}
		c.read(func() {
			if c.blockedReason() != "" {
				return
			}
			hadDemand := c.hasDemandLocked()
			c.demand.extendPeers(now.Add(min(max(want.For, 0), demandTTL(c.spec))))
			if c.owned() && (!hadDemand || !c.running) {
				c.wakeWorker()
			}
		})
	}
}

// syncKnownCluster returns the state of a cluster, and creates it if the Registry has the cluster. Unlike demandCluster it
// does not read the entry of a known cluster again.
func (s *Sessions) syncKnownCluster(name string) (*clusterState, error) {
	if c := s.cluster(name); c != nil {
		return c, nil
	}
	return s.demandCluster(name)
}

// guestAt returns when this master may dial the agent for its readers although it does not own the cluster, or zero if it
// has no readers. c.mu must be held.
func (c *clusterState) guestAt() time.Time {
	if !c.demand.hasReaders() {
		return time.Time{}
	}
	since := c.demand.readersSince
	if c.report != nil {
		since = later(since, c.report.ExpiresAt)
	}
	return since.Add(guestDelay)
}

// peering exchanges demand and reports with the other masters.
type peering struct {
	sessions *Sessions
	wake     chan struct{}

	mu sync.Mutex
	// pending has the clusters whose demand was not announced yet.
	pending map[*clusterState]bool
}

func newPeering(s *Sessions) *peering {
	return &peering{sessions: s, wake: make(chan struct{}, 1), pending: map[*clusterState]bool{}}
}

// run starts the goroutines of the peering.
func (p *peering) run(ctx context.Context) {
	s := p.sessions
	s.group.Go(func() { p.announceWants(ctx) })
	feed, ok := s.config.Store.(cache.Feed)
	if !ok {
		return
	}
	s.group.Go(func() {
		err := feed.Follow(ctx, cache.Follower{TTL: s.followedTTL, Compact: s.compactFollowed, OnReport: s.receiveFollowed})
		if err != nil {
			s.config.Log.Error("cannot follow the reports of other masters; restart this master", "error", err)
		}
	})
}

// announceDemand has the demand at this master announced, unless this master owns the cluster. c.mu must be held.
func (c *clusterState) announceDemand() {
	p := c.sessions.peers
	if p == nil || c.owned() {
		return
	}
	p.mu.Lock()
	p.pending[c] = true
	p.mu.Unlock()
	signal(p.wake)
}

// announceWants announces new demand immediately, and all demand every wantPeriod.
func (p *peering) announceWants(ctx context.Context) {
	ticker := time.NewTicker(wantPeriod)
	defer ticker.Stop()
	for {
		var clusters []*clusterState
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
			clusters = p.takePending()
		case <-ticker.C:
			p.takePending()
			clusters = p.sessions.allClusters()
		}
		now := time.Now()
		var wants []Want
		for _, c := range clusters {
			if want, ok := c.want(now); ok {
				wants = append(wants, want)
			}
			if len(wants) == maxWants {
				p.send(ctx, wants)
				wants = nil
			}
		}
		p.send(ctx, wants)
	}
}

func (p *peering) takePending() (clusters []*clusterState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pending {
		clusters = append(clusters, c)
	}
	clear(p.pending)
	return clusters
}

// send announces wants. A failure is not logged here: the Store logs its outages, and the next announcement repeats it.
func (p *peering) send(ctx context.Context, wants []Want) {
	if len(wants) == 0 {
		return
	}
	if err := p.sessions.config.Peers.Want(ctx, wants); err != nil {
		p.sessions.config.Log.Debug("cannot announce demand to other masters", "error", err)
	}
}

// want returns the demand at this master for a cluster that it does not own, and false if there is none.
func (c *clusterState) want(now time.Time) (Want, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owned() || c.blockedReason() != "" {
		return Want{}, false
	}
	exists, end := c.demand.at(now, c.spec, false)
	if !exists {
		return Want{}, false
	}
	if c.demand.hasReaders() {
		end = later(c.demand.until, now.Add(wantTTL))
	}
	return Want{Cluster: c.name, For: end.Sub(now)}, true
}

// followedTTL implements cache.Follower.TTL.
func (s *Sessions) followedTTL(cluster string) (ttl time.Duration, follow bool) {
	c, _ := s.syncKnownCluster(cluster)
	if c == nil {
		return 0, false
	}
	c.read(func() { ttl, follow = c.spec.CacheTTL, c.blockedReason() == "" })
	return ttl, follow
}

// compactFollowed implements cache.Follower.Compact.
func (s *Sessions) compactFollowed(cluster string, l *wire.LazyState) bool {
	c := s.cluster(cluster)
	return c != nil && c.shouldCompact(l, time.Now(), false)
}

// receiveFollowed implements cache.Follower.OnReport. A newer report replaces one that the worker has not published yet.
func (s *Sessions) receiveFollowed(r *Report) {
	c := s.cluster(r.Cluster)
	if c == nil {
		return
	}
	c.read(func() {
		c.followed = r
		c.wakeWorker()
	})
}

// follow publishes the report of another master.
func (w *worker) follow() {
	c, now := w.cluster, time.Now()
	var followed, prev *Report
	var spec Cluster
	c.read(func() { followed, prev, spec, c.followed = c.followed, c.report, c.spec, nil })
	r := restoredReport(followed, spec, now)
	r.Session.Phase, r.Session.ExpiresAt = Reporting, earlier(followed.Session.ExpiresAt, now.Add(spec.SessionDuration))
	if !r.Fresh(now) {
		return
	}
	if err := setState(r, prev, r.LazyState, spec.Ignore, now); err != nil {
		w.sessions.config.Log.Warn("cannot read the report of another master; waiting for the next one", "cluster", c.name, "error", err)
		return
	}
	published := false
	c.update(func() {
		if published = c.shouldFollow(r); published {
			c.demand.extendPeers(r.DemandUntil)
			c.followedUntil = r.ExpiresAt
			c.status.setFollowed(r, w.active == nil && w.dialing == nil)
			c.publish(r)
		}
	})
	if !published {
		return
	}
	w.attempts.uid, w.attempts.following = r.UID, true
	if w.active == nil {
		c.commitReportSize()
	}
	w.sessions.notifyReport(r, w.attempts.usage.replace(r.LazyState), false)
	c.read(func() {
		if !c.demand.recent(now) {
			r.Evict()
		}
	})
}

// shouldFollow reports whether a report of another master replaces the current one: it is newer, or has the same version
// and expires later. c.mu must be held.
func (c *clusterState) shouldFollow(r *Report) bool {
	if c.blockedReason() != "" || c.spec.ExpectedUID != "" && c.spec.ExpectedUID != r.UID {
		return false
	}
	return c.report == nil || cache.Replaces(r, c.report.Version(), c.report.ExpiresAt)
}

// setFollowed records a report of another master, and its session if this master has none.
func (s *Status) setFollowed(r *Report, setSession bool) {
	if s.Ready != state.True {
		s.Ready, s.Reason, s.Message = state.True, Succeeded, ""
	}
	if setSession {
		s.Session = r.Session
	}
}
