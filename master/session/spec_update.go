package session

import (
	"reflect"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// syncSpec reads the cluster's entry from the Registry and applies changes: the worker ends sessions that do
// not fit any more, readers read again, and a summary becomes due. It returns false if the Registry has no
// such cluster. It reads the Registry with c.mu held, so that an older entry cannot replace a newer one.
func (c *clusterState) syncSpec() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deleted {
		return false
	}
	spec, ok := c.sessions.config.Registry.Cluster(c.name)
	if !ok {
		c.markDeleted()
		return false
	}
	if reflect.DeepEqual(spec, c.spec) {
		return true
	}
	before, blockedBefore := c.spec, c.blockedReason()
	c.spec, c.specFailure = spec, spec.validate(c.sessions.config.Insecure)
	c.updateStatusLocked(func(s *Status) {
		c.clearOtherCluster(s)
		c.setSpecStatus(s, before, blockedBefore)
	})
	switch refresh := !spec.sameEndpoint(before) || blockedBefore != "" || !slices.Equal(spec.Ignore, before.Ignore); {
	case refresh && spec.IdleRefresh > 0 && c.blockedReason() == "":
		c.sessions.summaries.schedule(c, time.Now())
	case refresh || spec.IdleRefresh != before.IdleRefresh || c.blockedReason() != blockedBefore:
		c.scheduleSummaryLocked()
	}
	c.notifyWaiters()
	c.wakeLocked()
	return true
}

// markDeleted drops the report, and makes the worker end the session.
func (c *clusterState) markDeleted() {
	c.deleted, c.report = true, nil
	c.account.Close()
	c.sessions.summaries.cancel(c)
	c.notifyWaiters()
	c.wakeLocked()
}

// clearOtherCluster drops the report and status of a cluster that is no longer the expected one.
func (c *clusterState) clearOtherCluster(s *Status) {
	if c.spec.ExpectedUID == "" || s.UID == "" || s.UID == c.spec.ExpectedUID {
		return
	}
	c.report = nil
	c.account.Commit(0)
	s.UID, s.LastKnown, s.ReceivedAt, s.Stale = "", LastKnown{}, time.Time{}, [state.NumSections]StaleSection{}
}

// setSpecStatus sets the parts of the status that follow from the entry alone.
func (c *clusterState) setSpecStatus(s *Status, before Cluster, blockedBefore string) {
	if s.Session.Phase == Backoff && c.spec.Generation != s.Generation {
		s.Session.Phase = Idle // the change may have fixed the failure, so requests must not fail with it
	}
	s.Generation = c.spec.Generation
	switch {
	case c.spec.Suspended:
		s.Ready, s.Reason, s.Message = state.False, Suspended, ""
	case c.specFailure != nil:
		s.Ready, s.Reason, s.Message = state.False, c.specFailure.reason, c.specFailure.Error()
	case blockedBefore != "" || !c.spec.sameEndpoint(before) || c.spec.ExpectedUID != before.ExpectedUID && s.Ready == state.False:
		s.Ready, s.Reason, s.Message, s.Binding = state.Unknown, AwaitingFirstContact, "", BindingUnknown
	}
}

func equalSummaries(a, b *state.Summary) bool { return a == b || reflect.DeepEqual(a, b) }
