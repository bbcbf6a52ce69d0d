package session

import (
	"context"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
)

// Peers are the other masters that share the Store with this one. Its methods may be called by any goroutine, and
// do not block.
type Peers interface {
	// Owns reports whether this master owns a cluster: whether it has the cluster's session, and writes its reports to the
	// Store and its status to the hub. Sessions.OwnershipChanged has to be called when the answer for
	// any cluster may have changed.
	Owns(cluster string) bool
	// HandOver passes a cluster, which this master could not dial several times, to another master for some
	// minutes.
	HandOver(cluster string)
	// Want tells the owner of a cluster that the cluster has demand at this master for the next d; see Sessions.PeerWants.
	Want(cluster string, d time.Duration)
}

const (
	// guestDelay is how long readers wait for the owner of a cluster before another master dials the agent.
	guestDelay = 2 * time.Second
	// wantPeriod is the time between two announcements of demand, and wantTTL how long the demand of open watches lasts
	// after one.
	wantPeriod, wantTTL = 5 * time.Second, 15 * time.Second
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
// master again. Clusters that it did not own before are queued for Updates.
func (s *Sessions) OwnershipChanged() {
	for _, c := range s.allClusters() {
		c.read(func() {
			owned := c.owned()
			if owned && !c.wasOwned {
				s.updates.add(c.name)
			}
			c.wasOwned = owned
			c.announceDemand()
			c.queuePeerUpdate()
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

// PeerWants registers demand at another master for the next d. It does nothing if this master does not know the cluster.
func (s *Sessions) PeerWants(cluster string, d time.Duration) {
	c, _ := s.syncKnownCluster(cluster)
	if c == nil {
		return
	}
	c.read(func() {
		if c.blockedReason() != "" {
			return
		}
		hadDemand := c.hasDemandLocked()
		c.demand.extendPeers(time.Now().Add(min(max(d, 0), demandTTL(c.spec))))
		if c.owned() && (!hadDemand || !c.running) {
			c.wakeWorker()
		}
	})
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

// runPeers starts the goroutines that exchange demand and reports with the other masters.
func (s *Sessions) runPeers(ctx context.Context) {
	s.group.Go(func() { s.repeatWants(ctx) })
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

// repeatWants announces the demand at this master every wantPeriod.
func (s *Sessions) repeatWants(ctx context.Context) {
	ticker := time.NewTicker(wantPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			for _, c := range s.allClusters() {
				c.read(c.announceDemand)
			}
		}
	}
}

// announceDemand tells the owner of the cluster of the demand at this master, if another master owns it. c.mu must be held.
func (c *clusterState) announceDemand() {
	if c.owned() || c.blockedReason() != "" {
		return
	}
	now := time.Now()
	exists, end := c.demand.at(now, c.spec, false)
	if !exists {
		return
	}
	if c.demand.hasReaders() {
		end = later(c.demand.until, now.Add(wantTTL))
	}
	c.sessions.config.Peers.Want(c.name, end.Sub(now))
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
	r.Session.Phase, r.Session.Holder, r.Session.ExpiresAt = Reporting, followed.Session.Holder, earlier(followed.Session.ExpiresAt, now.Add(spec.SessionDuration))
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
