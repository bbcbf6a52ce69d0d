package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// begin starts a dial.
func (w *worker) begin(ctx context.Context, p purpose) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	c := call{cluster: w.spec, uid: w.expected(), summaryOnly: p == forSummary, skew: w.past.skew, urgent: w.awaited}
	if p == forSession {
		c.session = cmp.Or(w.past.resume.ID, rand.Text())
		if w.value != nil && !w.past.noBase {
			c.base, c.baseSize = w.value.State, w.value.size
		}
		w.tellLocked(func(o *Observation) { o.Session.Phase = Connecting })
	} else {
		w.summaryDue = false
		c.known = w.told.Summary
	}
	w.mu.Unlock()
	a := &attempt{purpose: p, call: c, cancel: cancel, done: make(chan reply, 1)}
	w.attempt = a
	w.children.Go(func() { a.done <- w.sessions.call(ctx, c) })
}

// outdatedBy says that the call is not what the registry asks for any more.
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

// ended is the end of a dial, however it went.
func (w *worker) ended(a *attempt, outcome string) {
	w.sessions.metrics.dialed(a.purpose, outcome)
	if a.purpose == forSummary {
		w.mu.Lock()
		w.endTurnLocked()
		w.mu.Unlock()
	}
}

// rest is the phase of a cluster that nothing goes on with. Readers look again.
func (w *worker) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tellLocked(func(o *Observation) { o.Session.Phase = Idle })
	w.callReaders()
}

// takeReply takes in what came of a dial.
func (w *worker) takeReply(r reply) {
	a := w.attempt
	w.attempt = nil
	a.cancel()
	w.past.skew = r.skew
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
		w.past.uid = cmp.Or(w.past.uid, r.hello.ClusterUID)
		w.open(a.call, r)
	}
}

// takeSummary takes in what an idle refresh brought.
func (w *worker) takeSummary(a *attempt, r reply) {
	if r.failure != nil {
		w.tell(func(o *Observation) { o.fail(r.failure) })
		return
	}
	w.past.uid = cmp.Or(w.past.uid, r.hello.ClusterUID)
	var sections [state.NumSections]state.Section
	for i := range sections {
		sections[i] = wire.SectionAt(r.summary.Ages[i], r.summary.Errors[i], r.at)
	}
	w.tell(func(o *Observation) {
		o.succeed(r.skew)
		o.meet(r.hello)
		o.know(&r.summary.Summary, observedAt(sections), r.at)
		o.age(sections, r.at, a.call.cluster.CacheTTL)
	})
}

// fail is that the cluster could not be reached, or not kept.
func (o *Observation) fail(f *failure) {
	o.Ready, o.Reason, o.Message = state.False, f.reason, f.Error()
}

// succeed is that it could, and how far its clock was off.
func (o *Observation) succeed(skew time.Duration) {
	o.Ready, o.Reason, o.Message, o.ClockSkew = state.True, Succeeded, "", 0
	if skew != 0 {
		o.Reason, o.ClockSkew = ClockSkew, skew
		o.Message = "the agent's clock is " + aheadOrBehind(skew) + ": tokens are signed by it (up to " + token.MaxSkew.String() + "), but both clocks should be set right"
	}
}

// meet takes in who answered.
func (o *Observation) meet(h *wire.Hello) {
	o.UID, o.AgentVersion, o.KubernetesVersion = h.ClusterUID, h.AgentVersion, h.KubernetesVersion
}
