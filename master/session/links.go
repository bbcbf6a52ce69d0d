package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/linkpool"
)

// Links returns the handler of link.Path, or nil if this master accepts no links of agents, since it cannot prove
// itself without a Signer.
func (s *Sessions) Links() http.Handler {
	if s.links == nil {
		return nil
	}
	return s.links
}

// admitLink decides about an agent that has dialed this master and proved its key. It enrolls the key of an agent that has
// a join token or a service account token, and the next key of an agent that rotates its key.
func (s *Sessions) admitLink(ctx context.Context, c link.Candidate) link.Decision {
	d := s.authorizeLink(c)
	cluster, err := s.config.Registry.Cluster(c.Cluster)
	if s.config.Enroll == nil || err != nil || misfit(cluster, c) != nil {
		return d
	}
	_, ownerErr := s.ownerOf(c.Key)
	accepted := slices.Contains(cluster.TLS.PinnedSHA256, c.Key)
	switch {
	case accepted && d.Refused == nil && (c.NextKey != "" || len(cluster.TLS.PinnedSHA256) > 1):
		refused := s.config.Enroll(ctx, c)
		if c.NextKey != "" && refused == nil {
			d.Admitted.NextKeyAccepted = true
		} else if c.NextKey != "" {
			d.Admitted.NextKeyRefusal = refused.Message
		}
	case !accepted && (c.JoinKey != "" || c.ServiceAccountToken != "") && errors.Is(ownerErr, ErrNotFound):
		if d.Refused = s.config.Enroll(ctx, c); d.Refused == nil {
			return s.authorizeLink(c)
		}
	}
	return d
}

// authorizeLink decides about an agent that has proved its key. It is called again when the cluster's entry changes.
func (s *Sessions) authorizeLink(c link.Candidate) link.Decision {
	cluster, err := s.config.Registry.Cluster(c.Cluster)
	owner, keyErr := s.ownerOf(c.Key)
	tokenOwner, tokenErr := s.ownerOf(c.JoinKey)
	for _, err := range []error{err, keyErr, tokenErr} {
		if err != nil && !errors.Is(err, ErrNotFound) {
			return link.Decision{Refused: &link.Refused{Code: link.Unavailable, Message: fmt.Sprintf("the agent of %s cannot be admitted now: %v", c.Cluster, err)}}
		}
	}
	return link.Decision{Refused: linkRefusal(cluster, err == nil, c, owner, tokenOwner), Known: owner != "" || tokenOwner != ""}
}

// ownerOf returns the name of the cluster with a key. The error is ErrNotFound if there is none.
func (s *Sessions) ownerOf(key string) (string, error) {
	if key == "" || s.config.ClusterOfKey == nil {
		return "", ErrNotFound
	}
	return s.config.ClusterOfKey(key)
}

// linkRefusal returns why an agent is not admitted to a cluster, or nil if it is. owner is the cluster that accepts its
// key, and tokenOwner the cluster that has its join token; each is "" if there is none.
func linkRefusal(cluster Cluster, found bool, c link.Candidate, owner, tokenOwner string) *link.Refused {
	switch accepted := found && slices.Contains(cluster.TLS.PinnedSHA256, c.Key); {
	case !accepted && owner != "" && owner != c.Cluster:
		return notAdmitted("this agent belongs to %s, but claims to be %s: start it with --cluster-name %s, or give the agent of %s a key of its own", owner, c.Cluster, owner, c.Cluster)
	case !accepted && tokenOwner != "" && tokenOwner != c.Cluster:
		refused := notAdmitted("this agent has the join token of %s, but claims to be %s: start it with --cluster-name %s, or create a join token for %s", tokenOwner, c.Cluster, tokenOwner, c.Cluster)
		if !found {
			refused.Cluster = tokenOwner
		}
		return refused
	case !found:
		return notAdmitted("there is no ClusterAgent named %s: create it, or correct the agent's --cluster-name", c.Cluster)
	case accepted:
		return misfit(cluster, c)
	}
	return notAdmitted("the agent's key is not accepted: its SHA-256 is %s: if this is the agent of %s, add it to spec.tls.pinnedSHA256, or let it join with a join token", c.Key, c.Cluster)
}

// misfit returns why a cluster admits no agent like this one, whatever its key is, or nil if it does.
func misfit(cluster Cluster, c link.Candidate) *link.Refused {
	switch {
	case !cluster.Reverse:
		return notAdmitted("the master dials the agent of %s itself: set spec.connection: Reverse, or start the agent without --hub", c.Cluster)
	case cluster.ExpectedUID != "" && c.UID != cluster.ExpectedUID:
		return notAdmitted("the agent is in the cluster with the UID %s, expected %s: set spec.clusterUID to accept it", c.UID, cluster.ExpectedUID)
	case c.Unbound && !cluster.LinkUnbound:
		return &link.Refused{Code: link.BindingMismatch, Message: "the agent runs with --channel-binding=off, but spec.link.channelBinding is Required: " +
			"start the agent without the flag, or set spec.link.channelBinding: None if a proxy terminates TLS"}
	case !c.Unbound && cluster.LinkUnbound:
		return &link.Refused{Code: link.BindingMismatch, Message: "spec.link.channelBinding is None, but the agent binds its signatures to the connection: " +
			"set spec.link.channelBinding: Required, or start the agent with --channel-binding=off"}
	}
	return nil
}

func notAdmitted(format string, args ...any) *link.Refused {
	return &link.Refused{Code: link.NotAdmitted, Message: fmt.Sprintf(format, args...)}
}

// linkChanged records whether a cluster has an idle link. A new link ends the back-off of a cluster that had none, and
// makes a summary due if the last attempt to reach the cluster did not succeed.
func (s *Sessions) linkChanged(name string) {
	status, linked := s.links.Status(name)
	c, _ := s.syncCluster(name) // if the Registry cannot be read, a known cluster keeps its entry
	if c == nil {
		return
	}
	c.update(func() {
		if linked && c.status.Link.Address == status.Address {
			status = c.status.Link // each session and summary uses up a link, and the agent opens the next
		}
		c.status.Link = status
		if !linked || !c.spec.Reverse {
			return
		}
		c.linkArrived = true
		if c.status.Ready != state.True && c.spec.IdleRefresh > 0 && c.blockedReason() == "" {
			s.summaries.schedule(c, time.Now())
		}
		if c.running {
			c.wakeWorker()
		}
	})
}

// Linked returns the clusters that have an idle link to this master.
func (s *Sessions) Linked() (linked []string) {
	for _, c := range s.allClusters() {
		c.read(func() {
			if !c.status.Link.Since.IsZero() {
				linked = append(linked, c.name)
			}
		})
	}
	return linked
}

// takeLinkArrived reports whether the cluster got a link since the last call, although the last attempt failed for
// lack of one.
func (c *clusterState) takeLinkArrived() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	arrived := c.linkArrived && c.lastFailure != nil && c.lastFailure.Reason == dial.NotLinked
	c.linkArrived = false
	return arrived
}

// LinkStatus describes the connection of an agent that dials this master. Its Since is when the agent connected after it
// was not connected, or zero if it is not.
type LinkStatus = linkpool.Status
