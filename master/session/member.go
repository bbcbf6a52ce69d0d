package session

import (
	"cmp"
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/budget"
)

// member is one cluster of the Registry: what is wanted of it, and what is known.
type member struct {
	name     string
	sessions *Sessions
	// account is what the cluster's state takes of the memory of all.
	account *budget.Account
	// stir wakes the goroutine.
	stir chan struct{}

	// past is the goroutine's alone; it outlives it for the next.
	past past

	mu sync.Mutex // guards all below

	// Of the Registry.
	spec  Cluster
	fault *failure // why spec cannot be dialed
	gone  bool

	// Of demand.
	demandUntil      time.Time
	asked            time.Time // when somebody asked last
	waiting, watches int
	// summaryDue: a summary is to be asked for; a place of the refresher goes with it.
	summaryDue bool

	// mustRelease is why the cluster has to give its memory back; nil: it need not.
	mustRelease error

	// Of the goroutine: running says that it is there, stirred that it has not yet
	// looked at what changed, removed that it ended for good because the cluster is gone.
	running, stirred, removed bool

	// Of what readers see.
	value *Report
	news  chan struct{} // closed, and made anew, when readers have to look again
	told  Status
	// lastFault and retry are of the phase Backoff.
	lastFault *failure
	retry     time.Time
}

// past is what attempts leave for the next.
type past struct {
	// generation is that of the attempts which failures counts.
	generation int64
	failures   int
	resyncs    resyncs
	// uid is of the cluster that answered first.
	uid string
	// reading is the last one of usage.
	reading reading
	// noBase: the next report must not rest on what is held.
	noBase bool
	// refused is when the cluster was last refused because it takes too much memory.
	refused time.Time
	// resume is the session that the next one goes on with, under its id.
	resume Info
}

func newMember(s *Sessions, name string) *member {
	m := &member{
		name: name, sessions: s, account: s.budget.Account(name), stir: make(chan struct{}, 1), news: make(chan struct{}),
		told: Status{Cluster: name, Reason: AwaitingFirstContact, Session: Info{Phase: Idle}},
	}
	m.account.OnGiveWay(m.giveWay)
	return m
}

// wanted reports whether there is demand, and until when if it expires.
func (m *member) wanted(now time.Time) (bool, time.Time) {
	if m.spec.Continuous || m.watches > 0 || m.waiting > 0 {
		return true, time.Time{}
	}
	return now.Before(m.demandUntil), m.demandUntil
}

// isWanted reports whether there is demand now.
func (m *member) isWanted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted, _ := m.wanted(time.Now())
	return wanted
}

// awaited reports whether a reader waits for a report.
func (m *member) awaited() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.waiting > 0
}

// blockedReason returns why there must be no session, as the reason of an end, or "" if there
// may be one.
func (m *member) blockedReason() string {
	switch {
	case m.gone:
		return endDeleted
	case m.spec.Suspended:
		return endSuspended
	case m.fault != nil:
		return endInvalid
	}
	return ""
}

// expected returns the UID of the only cluster that may answer, or "" for any.
func (m *member) expected() string { return cmp.Or(m.spec.ExpectedUID, m.past.uid) }

// stirLocked wakes the goroutine, or starts it if it does not run. m.mu must be held.
func (m *member) stirLocked() {
	m.stirred = true
	switch {
	case m.removed:
		return
	case m.running:
		signal(m.stir)
		return
	}
	m.running = m.sessions.start(func(ctx context.Context) { newWorker(m).run(ctx) })
}

// wakeUp starts the goroutine if there is something that it should look at.
func (m *member) wakeUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stirred {
		m.stirLocked()
	}
}

// leave reports whether the goroutine may end because nothing changed since its last decision.
func (m *member) leave() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stirred && !m.gone {
		return false
	}
	m.running, m.removed = false, m.gone
	return true
}

// askForSummary makes the goroutine request a summary unless a session is open or being opened.
// The refresher's slot is released in any case, now or later.
func (m *member) askForSummary() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if wanted, _ := m.wanted(time.Now()); wanted || m.blockedReason() != "" || m.told.Session.Phase != Idle || m.summaryDue {
		m.endTurnLocked()
		return
	}
	m.summaryDue = true
	m.stirLocked()
}

// endTurnLocked releases the refresher's slot and schedules the next refresh.
func (m *member) endTurnLocked() {
	m.sessions.refresher.release()
	m.scheduleLocked()
}

// scheduleLocked sets when the next summary is due.
func (m *member) scheduleLocked() {
	if m.spec.IdleRefresh <= 0 || m.blockedReason() != "" {
		m.sessions.refresher.cancel(m)
		return
	}
	m.sessions.refresher.schedule(m, nextSlot(m.name, m.spec.IdleRefresh, time.Now()))
}

// tell changes what there is to tell, and has it told if it differs.
func (m *member) tell(change func(o *Status)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tellLocked(change)
}

func (m *member) tellLocked(change func(o *Status)) {
	before := m.told
	change(&m.told)
	if !m.told.tellsTheSame(before) {
		m.sessions.events.add(m.name)
		m.notifyWaiters()
	}
	m.logChange(before)
}

// logChange logs when a cluster can no longer be reached, or for another reason, and
// when it can again. A person who suspends it knows.
func (m *member) logChange(before Status) {
	now, log := m.told, m.sessions.log
	switch {
	case now.Ready == state.False && now.Reason != before.Reason && now.Reason != Suspended:
		log.Warn("cluster cannot be reached", "cluster", m.name, "reason", now.Reason, "message", now.Message)
	case now.Ready == state.True && before.Ready == state.False:
		log.Info("cluster is reached again", "cluster", m.name)
	}
}

// notifyWaiters wakes all waiting readers. m.mu must be held.
func (m *member) notifyWaiters() {
	close(m.news)
	m.news = make(chan struct{})
}

// publish makes a report the one that readers get.
func (m *member) publish(v *Report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.publishLocked(v)
}

func (m *member) publishLocked(v *Report) {
	m.value = v
	m.tellLocked(func(o *Status) {
		o.know(&v.Summary, v.ObservedAt, v.ReceivedAt)
		o.age(v.State.Sections, v.ReceivedAt, v.TTL)
		o.UID, o.AgentVersion, o.KubernetesVersion = v.UID, v.AgentVersion, v.KubernetesVersion
	})
	m.notifyWaiters()
}

// age records the sections that were already stale in a report.
func (o *Status) age(sections [state.NumSections]state.Section, received time.Time, ttl time.Duration) {
	for i, s := range sections {
		o.Stale[i] = staleSection(state.SectionName(i), s, received, ttl, o.Stale[i])
	}
}

// know records a summary. An equal summary is not a change.
func (o *Status) know(s *state.Summary, observed, received time.Time) {
	if o.Summary == nil || !sameSummary(o.Summary, s) {
		o.Summary = s
	}
	o.ObservedAt, o.ReceivedAt = observed, received
}
