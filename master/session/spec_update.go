package session

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// syncSpec reads the cluster's entry from the Registry and applies changes: the worker ends sessions that do
// not fit any more, readers read again, and a summary becomes due. It returns ErrNotFound if the Registry has no
// such cluster. If the Registry cannot be read, nothing changes. If another goroutine applied a change while
// this one read the Registry, it reads again, so that an older entry cannot replace a newer one.
func (c *clusterState) syncSpec() error {
	for {
		var changes int
		var deleted, applied bool
		c.read(func() { changes, deleted = c.specChanges, c.deleted })
		if deleted {
			return ErrNotFound
		}
		spec, err := c.sessions.config.Registry.Cluster(c.name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		c.update(func() {
			if applied = c.specChanges == changes; applied && err == nil {
				c.setSpec(spec)
			} else if applied {
				c.markDeleted()
			}
		})
		if applied {
			return err
		}
	}
}

// initSpec applies the first entry of the Registry, unless another goroutine has applied one.
func (c *clusterState) initSpec(spec Cluster) {
	c.update(func() {
		if c.specChanges == 0 {
			c.setSpec(spec)
		}
	})
}

// setSpec applies an entry of the Registry. c.mu must be held.
func (c *clusterState) setSpec(spec Cluster) {
	if reflect.DeepEqual(spec, c.spec) {
		return
	}
	before, blockedBefore := c.spec, c.blockedReason()
	c.spec, c.specFailure = spec, spec.validate(c.sessions.config.Insecure)
	c.specChanges++
	c.clearOtherCluster()
	c.status.setSpec(spec, c.specFailure, before, blockedBefore)
	if !before.sameEndpoint(spec) {
		c.status.Link = LinkStatus{} // Sync sets it again if the agent is still admitted
	}
	switch refresh := !before.sameEndpoint(spec) || blockedBefore != "" || !slices.Equal(spec.Ignore, before.Ignore); {
	case refresh && spec.IdleRefresh > 0 && c.blockedReason() == "":
		c.sessions.summaries.schedule(c, time.Now())
	case refresh || spec.IdleRefresh != before.IdleRefresh || c.blockedReason() != blockedBefore:
		c.scheduleSummary()
	}
	c.notifyReaders()
	c.wakeWorker()
}

// markDeleted drops the report, and makes the worker end the session. c.mu must be held.
func (c *clusterState) markDeleted() {
	c.specChanges++
	c.deleted, c.report = true, nil
	c.account.Close()
	c.sessions.summaries.cancel(c)
	c.notifyReaders()
	c.wakeWorker()
}

// clearOtherCluster drops the report and status of a cluster that is no longer the expected one. c.mu must be
// held.
func (c *clusterState) clearOtherCluster() {
	s := &c.status
	if c.spec.ExpectedUID == "" || s.UID == "" || s.UID == c.spec.ExpectedUID {
		return
	}
	c.report = nil
	c.account.Commit(0)
	s.UID, s.LastKnown, s.ReceivedAt, s.Stale = "", LastKnown{}, time.Time{}, [state.NumSections]StaleSection{}
}
