package session

import (
	"reflect"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// update reads the cluster from the Registry and acts on what changed: sessions end,
// readers are told, a summary becomes due. It says whether there is such a cluster.
// The Registry is read under the lock, so that nothing older follows something newer.
func (m *member) update() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return false
	}
	c, ok := m.sessions.config.Registry.Cluster(m.name)
	if !ok {
		m.vanish()
		return false
	}
	if reflect.DeepEqual(c, m.spec) {
		return true
	}
	before, blockedBefore := m.spec, m.blockedReason()
	m.spec, m.fault = c, c.fault(m.sessions.config.Insecure)
	m.tellLocked(func(o *Status) {
		m.dropOtherCluster(o)
		m.tellSpec(o, before, blockedBefore)
	})
	switch firstSight := !c.reaches(before) || blockedBefore != "" || !slices.Equal(c.Ignore, before.Ignore); {
	case firstSight && c.IdleRefresh > 0 && m.blockedReason() == "":
		m.sessions.refresher.schedule(m, time.Now())
	case firstSight || c.IdleRefresh != before.IdleRefresh || m.blockedReason() != blockedBefore:
		m.scheduleLocked()
	}
	m.notifyWaiters()
	m.stirLocked()
	return true
}

// vanish ends all that there was.
func (m *member) vanish() {
	m.gone, m.value = true, nil
	m.account.Close()
	m.sessions.refresher.cancel(m)
	m.notifyWaiters()
	m.stirLocked()
}

// dropOtherCluster drops what is held of another cluster than is expected by now.
func (m *member) dropOtherCluster(o *Status) {
	if m.spec.ExpectedUID == "" || o.UID == "" || o.UID == m.spec.ExpectedUID {
		return
	}
	m.value = nil
	m.account.Hold(0)
	o.UID, o.LastKnown, o.ReceivedAt, o.Stale = "", LastKnown{}, time.Time{}, [state.NumSections]StaleSection{}
}

// tellSpec is what there is to tell of a spec by itself.
func (m *member) tellSpec(o *Status, before Cluster, blockedBefore string) {
	if o.Session.Phase == Backoff && m.spec.Generation != o.Generation {
		o.Session.Phase = Idle // what failed may be put right: nobody is refused because of it
	}
	o.Generation = m.spec.Generation
	switch {
	case m.spec.Suspended:
		o.Ready, o.Reason, o.Message = state.False, Suspended, ""
	case m.fault != nil:
		o.Ready, o.Reason, o.Message = state.False, m.fault.reason, m.fault.Error()
	case blockedBefore != "" || !m.spec.reaches(before) || m.spec.ExpectedUID != before.ExpectedUID && o.Ready == state.False:
		o.Ready, o.Reason, o.Message, o.Binding = state.Unknown, AwaitingFirstContact, "", BindingUnknown
	}
}

func sameSummary(a, b *state.Summary) bool { return a == b || reflect.DeepEqual(a, b) }
