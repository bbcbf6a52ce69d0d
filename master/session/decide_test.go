package session

import (
	"errors"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

var t0 = time.Unix(1_800_000_000, 0)

func at(d time.Duration) time.Time { return t0.Add(d) }

// closed are the facts of a cluster that nothing goes on with, at t0.
func closed(change ...func(*facts)) facts {
	f := facts{now: t0}
	for _, c := range change {
		c(&f)
	}
	return f
}

// reporting are the facts of a session of 60 s with a period of 5 s, of which so
// much has passed, and from which something has just come.
func reporting(passed time.Duration, change ...func(*facts)) facts {
	f := facts{now: at(passed), open: true, period: 5 * time.Second, duration: time.Minute, expiresAt: at(time.Minute), lastReceived: at(passed)}
	for _, c := range change {
		c(&f)
	}
	return f
}

func dialing(p purpose, change ...func(*facts)) facts {
	return closed(append(change, func(f *facts) { f.dialing = p })...)
}

func wanted(f *facts)   { f.demand = true }
func stopping(f *facts) { f.stopping = true }
func outdated(f *facts) { f.outdated = true }
func failing(f *facts)  { f.failing, f.retryAt = true, at(8*time.Second) }
func due(f *facts)      { f.summaryDue = true }
func renewing(f *facts) { f.renewing = true }
func suspended(f *facts) {
	f.blockedReason = endSuspended
}

func wantedUntil(d time.Duration) func(*facts) {
	return func(f *facts) { f.demand, f.demandUntil = true, at(d) }
}

func heldUntil(d time.Duration) func(*facts) {
	return func(f *facts) { f.hasReport, f.evictAt = true, at(d) }
}

func heard(d time.Duration) func(*facts) {
	return func(f *facts) { f.lastReceived = at(d) }
}

func retry(d time.Duration) func(*facts) {
	return func(f *facts) { f.retryAt = at(d) }
}

func until(d time.Duration) decision { return decision{action: actionWait, until: at(d)} }

var decisions = map[string]struct {
	facts facts
	want  decision
}{
	"nothing to do":                              {closed(), decision{action: actionExit}},
	"demand dials":                               {closed(wanted), decision{action: actionDial}},
	"demand dials though a value is held":        {closed(wanted, heldUntil(time.Second)), decision{action: actionDial}},
	"demand comes before a summary":              {closed(wanted, due), decision{action: actionDial}},
	"a summary is due":                           {closed(due), decision{action: actionRequestSummary}},
	"a summary is due though a value is held":    {closed(due, heldUntil(time.Second)), decision{action: actionRequestSummary}},
	"a value is held until its time is over":     {closed(heldUntil(time.Second)), until(time.Second)},
	"a value whose time is over is let go":       {closed(heldUntil(0)), decision{action: actionEvict}},
	"also while backing off":                     {closed(wanted, failing, heldUntil(0)), decision{action: actionEvict}},
	"back-off waits for its time":                {closed(wanted, failing), until(8 * time.Second)},
	"back-off waits for the end of demand":       {closed(wantedUntil(3*time.Second), failing), until(3 * time.Second)},
	"back-off waits for the value's time":        {closed(wanted, failing, heldUntil(2*time.Second)), until(2 * time.Second)},
	"back-off is over":                           {closed(wanted, failing, retry(0)), decision{action: actionDial}},
	"back-off without demand is idleness":        {closed(failing), decision{action: actionClearBackoff}},
	"an attempt waits for its time":              {closed(wanted, retry(time.Second)), until(time.Second)},
	"suspended":                                  {closed(wanted, due, suspended), decision{action: actionExit}},
	"suspended while backing off":                {closed(wanted, failing, suspended), decision{action: actionClearBackoff}},
	"stopping":                                   {closed(wanted, due, failing, heldUntil(time.Second), stopping), decision{action: actionExit}},
	"a dial is waited for":                       {dialing(purposeSession, wanted), decision{action: actionWait}},
	"also when nobody wants it any more":         {dialing(purposeSession), decision{action: actionWait}},
	"a refresh is waited for":                    {dialing(purposeSummary), decision{action: actionWait}},
	"a refresh gives way to demand":              {dialing(purposeSummary, wanted), decision{action: actionCancelDial}},
	"a dial of what was changed is given up":     {dialing(purposeSession, wanted, outdated), decision{action: actionCancelDial, reason: endChanged}},
	"a dial of what is suspended is given up":    {dialing(purposeSession, wanted, suspended), decision{action: actionCancelDial, reason: endSuspended}},
	"a dial is given up at the end":              {dialing(purposeSession, wanted, stopping), decision{action: actionCancelDial, reason: endStopping}},
	"a session without demand waits for silence": {reporting(0), until(15 * time.Second)},
	"and for no renewal":                         {reporting(55 * time.Second), until(70 * time.Second)},
	"with demand it waits for five sixths":       {reporting(40*time.Second, wanted), until(50 * time.Second)},
	"silence may come before":                    {reporting(40*time.Second, wanted, heard(30*time.Second)), until(45 * time.Second)},
	"at five sixths it is renewed":               {reporting(50*time.Second, wanted), decision{action: actionRenew}},
	"also later":                                 {reporting(59*time.Second, wanted), decision{action: actionRenew}},
	"but once":                                   {reporting(51*time.Second, wanted, renewing), until(66 * time.Second)},
	"and not when its time is over":              {reporting(60*time.Second, wanted), until(75 * time.Second)},
	"silence":                                    {reporting(15*time.Second, heard(0)), decision{action: actionAbort, reason: endSilent}},
	"silence before renewal":                     {reporting(50*time.Second, wanted, heard(35*time.Second)), decision{action: actionAbort, reason: endSilent}},
	"an agent that does not end it":              {reporting(75 * time.Second), decision{action: actionAbort, reason: endOverrun}},
	"a session that is suspended":                {reporting(1, wanted, suspended), decision{action: actionStop, reason: endSuspended}},
	"a session that is outdated":                 {reporting(1, wanted, outdated), decision{action: actionStop, reason: endChanged}},
	"a session at the end":                       {reporting(1, wanted, outdated, suspended, stopping), decision{action: actionStop, reason: endStopping}},
}

func TestDecide(t *testing.T) {
	for name, tc := range decisions {
		if got := decide(tc.facts); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestNextAfterEnd(t *testing.T) {
	fault := failed(DialFailed, "broken")
	whole := sessionEnd{reason: endExpired, age: 10 * time.Second, duration: 10 * time.Second, reports: 3}
	early, mute := whole, whole
	early.age = 4 * time.Second
	mute.reports = 0
	for name, tc := range map[string]struct {
		ending  sessionEnd
		tooMany bool
		reason  Reason // empty: nothing failed
		base    bool
		session bool
	}{
		"a dial that failed":              {ending: sessionEnd{failure: fault}, reason: DialFailed, base: true},
		"a session that ran out":          {ending: whole, base: true, session: true},
		"one that ran out too early":      {ending: early, reason: ProtocolError, base: true},
		"one that ran out without report": {ending: mute, reason: ProtocolError, base: true},
		"one that was stopped":            {ending: sessionEnd{reason: endChanged}, base: true},
		"one that was lost":               {ending: lostEnd(errors.New("reset")), reason: DialFailed, base: true},
		"one that fell silent":            {ending: abortEnd(endSilent, time.Second), reason: DialFailed, base: true},
		"one that was not ended":          {ending: abortEnd(endOverrun, time.Second), reason: ProtocolError, base: true},
		"one that could not be followed":  {ending: resyncEnd(wire.ErrResync)},
		"too often":                       {ending: resyncEnd(wire.ErrResync), tooMany: true, reason: ProtocolError},
		"the agent stopped as told":       {ending: agentEnd(&wire.End{Reason: wire.EndStopped}), base: true},
		"the agent is busy":               {ending: agentEnd(&wire.End{Reason: wire.EndBusy}), reason: Busy, base: true},
		"the agent is not ready":          {ending: agentEnd(&wire.End{Reason: wire.EndNotReady}), reason: AgentNotReady, base: true},
		"the agent broke":                 {ending: agentEnd(&wire.End{Reason: wire.EndError, Message: "x"}), reason: AgentNotReady, base: true},
		"the agent goes":                  {ending: agentEnd(&wire.End{Reason: wire.EndShuttingDown}), reason: DialFailed, base: true},
		"somebody else has its session":   {ending: agentEnd(&wire.End{Reason: wire.EndSuperseded}), reason: DialFailed, base: true},
		"a reason of the future":          {ending: agentEnd(&wire.End{Reason: 99}), reason: DialFailed, base: true},
	} {
		got := outcomeOf(tc.ending, tc.tooMany)
		var reason Reason
		if got.failure != nil {
			reason = got.failure.reason
		}
		if got.backOff != (tc.reason != "") || reason != tc.reason || got.keepBase != tc.base || got.keepSession != tc.session {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestGrace(t *testing.T) {
	want(t, "of the TTL", demandTTL(Cluster{CacheTTL: 10 * time.Second, SessionDuration: time.Minute}), 30*time.Second)
	want(t, "of the duration", demandTTL(Cluster{CacheTTL: 10 * time.Second, SessionDuration: 30 * time.Minute}), 5*time.Minute)
}

func TestBackoff(t *testing.T) {
	for failures, ceiling := range map[int]time.Duration{1: 500 * time.Millisecond, 2: time.Second, 6: 16 * time.Second, 7: 30 * time.Second, 8: 30 * time.Second, 1000: 30 * time.Second} {
		want(t, "least", backoff(failures, 0), 0)
		want(t, "half", backoff(failures, 0.5), ceiling/2)
	}
}

func TestNextSlotIsWithinOneRoundAndTheSameEveryRound(t *testing.T) {
	const every = 5 * time.Minute
	slots := map[time.Duration]bool{}
	for i := range 50 {
		now := t0.Add(time.Duration(i) * 17 * time.Second)
		next := nextSummaryTime(name(i), every, now)
		if d := next.Sub(now); d <= 0 || d > every {
			t.Errorf("%s: the next slot is in %s", name(i), d)
		}
		want(t, "the slot behind it", nextSummaryTime(name(i), every, next), next.Add(every))
		want(t, "the slot just before it", nextSummaryTime(name(i), every, next.Add(-1)), next)
		slots[time.Duration(next.UnixNano())%every] = true
	}
	if len(slots) < 45 {
		t.Errorf("50 clusters share %d slots", len(slots))
	}
}

func TestResyncsAreForgottenAfterTenMinutes(t *testing.T) {
	var r resyncCounter
	for i := range 3 {
		r.add(at(time.Duration(i) * time.Minute))
	}
	want(t, "three", r.exceeded(at(2*time.Minute)), false)
	r.add(at(9 * time.Minute))
	want(t, "four", r.exceeded(at(9*time.Minute)), true)
	want(t, "the first is too old", r.exceeded(at(10*time.Minute)), false)
}

func TestLateness(t *testing.T) {
	const period = time.Second
	for name, steps := range map[string][]struct {
		at, sent time.Duration
		late     bool
	}{
		"on time":                     {{1000, 1000, false}, {2005, 2000, false}},
		"a period later is not late":  {{2000, 1000, false}},
		"more than that is":           {{2001 * 1, 1000, true}, {3000, 3000, false}},
		"measured by the quickest":    {{500, 1500, false}, {3001, 3000, true}, {3000, 3000, false}},
		"a clock that runs slow":      {{600_000, 599_500, false}, {1_200_000, 1_199_000, false}, {1_800_000, 1_798_500, false}, {2_400_000, 2_398_000, false}},
		"a queue that does not empty": {{1000, 1000, false}, {5000, 2000, true}, {9000, 3000, true}},
	} {
		l := newLateDetector(t0)
		for i, s := range steps {
			if got := l.isLate(at(s.at*time.Millisecond), s.sent*time.Millisecond, period); got != s.late {
				t.Errorf("%s: step %d: late %t, want %t", name, i, got, s.late)
			}
		}
	}
}
