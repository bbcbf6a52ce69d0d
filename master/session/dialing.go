package session

import (
	"cmp"
	"context"
	"crypto/rand"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// begin starts a dial.
func (w *worker) begin(ctx context.Context, p purpose) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	c := call{cluster: w.spec, uid: w.expected(), summaryOnly: p == forSummary, urgent: w.awaited}
	if p == forSession {
		c.session = cmp.Or(w.past.resume.ID, rand.Text())
		if w.value != nil && !w.past.noBase {
			c.base, c.baseSize = w.value.State, w.value.size
		}
		w.tellLocked(func(o *Status) { o.Session.Phase = Connecting })
	} else {
		w.summaryDue = false
		c.known, c.knownIdentity = w.told.Summary, w.told.identity(w.name)
	}
	w.mu.Unlock()
	a := &attempt{purpose: p, call: c, cancel: cancel, done: make(chan reply, 1)}
	w.attempt = a
	w.children.Go(func() { a.done <- w.sessions.call(ctx, c) })
}

// outdatedBy reports whether the Registry's entry has changed so that the dial does not serve
// it.
func (c call) outdatedBy(spec Cluster) bool {
	return !c.cluster.dialsLike(spec) || spec.ExpectedUID != "" && spec.ExpectedUID != c.uid
}

// giveUp ends the dial, and waits until it has ended.
func (w *worker) giveUp() {
	a := w.attempt
	w.attempt = nil
	a.cancel()
	if r := <-a.done; r.open() {
		r.begun()
		r.link.tell(&wire.Stop{Message: "nobody wants it any more"})
		r.link.dismiss(closeNormal, "")
	}
	w.ended(a, "given up")
	if a.purpose == forSession {
		w.rest()
	}
}

// ended records the end of a dial.
func (w *worker) ended(a *attempt, outcome string) {
	w.sessions.metrics.dialed(a.purpose, outcome)
	if a.purpose == forSummary {
		w.mu.Lock()
		w.endTurnLocked()
		w.mu.Unlock()
	}
}

// rest sets the phase of a cluster without session or dial, and notifies readers.
func (w *worker) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tellLocked(func(o *Status) { o.Session.Phase = Idle })
	w.notifyWaiters()
}

// takeReply processes the result of a dial.
func (w *worker) takeReply(r reply) {
	a := w.attempt
	w.attempt = nil
	a.cancel()
	if r.cancelled {
		w.ended(a, "given up")
		w.rest()
		return
	}
	outcome := "succeeded"
	if r.failure != nil {
		outcome = string(r.failure.reason)
	}
	w.ended(a, outcome)
	switch {
	case a.purpose == forSummary:
		w.takeSummary(a, r)
	case r.failure != nil:
		w.follow(ending{fault: r.failure})
	default:
		w.past.uid = cmp.Or(w.past.uid, r.identity.ClusterUID)
		w.open(a.call, r)
	}
}

// takeSummary processes the result of an idle refresh.
func (w *worker) takeSummary(a *attempt, r reply) {
	if r.failure != nil {
		w.tell(func(o *Status) { o.fail(r.failure) })
		return
	}
	w.past.uid = cmp.Or(w.past.uid, r.identity.ClusterUID)
	var sections [state.NumSections]state.Section
	for i := range sections {
		sections[i] = wire.SectionFromAge(r.summary.Ages[i], r.summary.Errors[i], r.at)
	}
	w.tell(func(o *Status) {
		o.succeed(r.clock)
		o.meet(r.hello, r.identity)
		o.know(&r.summary.Summary, observedAt(sections), r.at)
		o.age(sections, r.at, a.call.cluster.CacheTTL)
	})
}

// fail records that the cluster could not be reached, or that its session failed.
func (o *Status) fail(f *failure) {
	o.Ready, o.Reason, o.Message = state.False, f.reason, f.Error()
}

// succeed records a successful attempt, and a difference of the clocks.
func (o *Status) succeed(k clock) {
	o.Ready, o.Reason, o.Message = state.True, Succeeded, ""
	if k.differs {
		o.Reason = ClockSkew
		o.Message = k.words() + ": set both right, as each dial takes a second connection, with a token for a nonce of the agent's"
	}
}

// identity returns who answered last, for a cluster of that name.
func (o *Status) identity(name string) *wire.Identity {
	return &wire.Identity{AgentVersion: o.AgentVersion, ClusterName: name, ClusterUID: o.UID, KubernetesVersion: o.KubernetesVersion}
}

// meet records the identity of the agent.
func (o *Status) meet(h *wire.Hello, i *wire.Identity) {
	o.UID, o.AgentVersion, o.KubernetesVersion, o.Binding = i.ClusterUID, i.AgentVersion, i.KubernetesVersion, bindingOf(h)
}
