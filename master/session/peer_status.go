package session

import (
	"errors"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session/dial"
)

// PeerStatus is what the owner of a cluster tells the other masters of it.
type PeerStatus struct {
	// SentAt is the time of the sender's clock. All times are by this clock, which may differ from the receiver's.
	SentAt time.Time
	Status Status
	// BackoffUntil is the time of the next attempt in the phase Backoff.
	BackoffUntil time.Time
}

// PeerUpdates returns a channel of the names of owned clusters whose PeerStatus is to be sent to the other masters. A name
// that is queued already is not queued again. Without Config.Peers, no name is sent.
func (s *Sessions) PeerUpdates() <-chan string { return s.peerUpdates.out }

// RefreshPeers queues all owned clusters that were ever dialed for PeerUpdates, for masters that have just started.
func (s *Sessions) RefreshPeers() {
	for _, c := range s.allClusters() {
		c.read(func() {
			if c.status.Ready != state.Unknown {
				c.queuePeerUpdate()
			}
		})
	}
}

// queuePeerUpdate queues the cluster for PeerUpdates if there are other masters and this one owns it. c.mu must be held.
func (c *clusterState) queuePeerUpdate() {
	if c.sessions.config.Peers != nil && c.owned() {
		c.sessions.peerUpdates.add(c.name)
	}
}

// OwnStatus returns the PeerStatus of a cluster, and false if this master does not own it.
func (s *Sessions) OwnStatus(name string) (p PeerStatus, ok bool) {
	c := s.cluster(name)
	if c == nil || !c.owned() {
		return p, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return PeerStatus{SentAt: time.Now(), Status: c.status, BackoffUntil: c.backoffUntil}, true
}

// SetPeerStatus takes over the status of a cluster that another master owns. It does nothing if this master owns the
// cluster, does not know it, or has another version of its ClusterAgent. Reports that this master has, and its own dials,
// take precedence.
func (s *Sessions) SetPeerStatus(p PeerStatus) {
	c, _ := s.syncKnownCluster(p.Status.Cluster)
	if c == nil || c.owned() {
		return
	}
	now := time.Now()
	p.shift(now.Sub(p.SentAt))
	c.update(func() {
		busy := c.status.Session.Phase == Connecting || c.status.Session.Phase == Reporting && c.report != nil && c.report.Fresh(now)
		if c.blockedReason() != "" || p.Status.Generation != c.status.Generation || c.spec.ExpectedUID != "" && p.Status.UID != "" && p.Status.UID != c.spec.ExpectedUID {
			return
		}
		c.status.setPeer(&p.Status, !busy)
		if !busy && p.Status.Session.Phase == Backoff {
			c.lastFailure, c.backoffUntil = &dial.Failure{Reason: p.Status.Reason, Err: errors.New(p.Status.Message)}, p.BackoffUntil
			c.notifyReaders()
		}
	})
}

// shift adds d to all times.
func (p *PeerStatus) shift(d time.Duration) {
	s := &p.Status
	times := []*time.Time{&p.BackoffUntil, &s.Session.StartedAt, &s.Session.ExpiresAt, &s.ObservedAt, &s.ReceivedAt}
	for i := range s.Stale {
		times = append(times, &s.Stale[i].Since)
	}
	for _, t := range times {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
}

// setPeer takes over what another master knows of a cluster, and what it knows of the session if setSession is set. A
// session that reports counts as idle here until its report arrives.
func (s *Status) setPeer(p *Status, setSession bool) {
	if p.Summary != nil && !p.ObservedAt.Before(s.ObservedAt) {
		s.setSummary(p.Summary, p.ObservedAt, p.ReceivedAt)
		s.Stale = p.Stale
	}
	s.UID, s.AgentVersion, s.KubernetesVersion = p.UID, p.AgentVersion, p.KubernetesVersion
	if !setSession {
		return
	}
	s.Ready, s.Reason, s.Message, s.Binding, s.LastEndReason, s.Session = p.Ready, p.Reason, p.Message, p.Binding, p.LastEndReason, p.Session
	if p.Session.Phase != Backoff {
		s.Session.Phase = Idle
	}
}
