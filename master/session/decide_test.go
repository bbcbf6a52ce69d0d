package session

import (
	"errors"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"rollcall.dev/rollcall/api/wire"
)

var t0 = time.Unix(1_800_000_000, 0)

func at(d time.Duration) time.Time { return t0.Add(d) }

// closed returns the inputs of a cluster without a dial or session, at t0.
func closed(change ...func(*inputs)) inputs {
	in := inputs{now: t0}
	for _, c := range change {
		c(&in)
	}
	return in
}

// reporting returns the inputs of a session with a duration of 60 s and a period of 5 s, at the given time
// after its start, with a message just received.
func reporting(passed time.Duration, change ...func(*inputs)) inputs {
	in := inputs{now: at(passed), open: true, period: 5 * time.Second, duration: time.Minute, expiresAt: at(time.Minute), lastReceived: at(passed)}
	for _, c := range change {
		c(&in)
	}
	return in
}

func dialing(p purpose, change ...func(*inputs)) inputs {
	return closed(append(change, func(in *inputs) { in.dialing = p })...)
}

func withDemand(in *inputs) { in.demand = true }
func stopping(in *inputs)   { in.stopping = true }
func outdated(in *inputs)   { in.outdated = true }
func failing(in *inputs)    { in.failing, in.retryAt = true, at(8*time.Second) }
func summaryDue(in *inputs) { in.summaryDue = true }
func renewing(in *inputs)   { in.renewing = true }
func suspended(in *inputs) {
	in.blockedReason = endSuspended
}

func following(in *inputs) { in.following = true }

func guestAfter(d time.Duration) func(*inputs) {
	return func(in *inputs) { in.guestAt = at(d) }
}

func guest(in *inputs) { in.guest = true }

func wantedUntil(d time.Duration) func(*inputs) {
	return func(in *inputs) { in.demand, in.demandUntil = true, at(d) }
}

func reportUntil(d time.Duration) func(*inputs) {
	return func(in *inputs) { in.hasReport, in.evictAt = true, at(d) }
}

func lastReceivedAt(d time.Duration) func(*inputs) {
	return func(in *inputs) { in.lastReceived = at(d) }
}

func retryAfter(d time.Duration) func(*inputs) {
	return func(in *inputs) { in.retryAt = at(d) }
}

func waitFor(d time.Duration) decision { return decision{action: actionWait, until: at(d)} }

var decisions = map[string]struct {
	inputs inputs
	want   decision
}{
	"nothing to do":                                      {closed(), decision{action: actionExit}},
	"demand dials":                                       {closed(withDemand), decision{action: actionDial}},
	"demand dials, with a fresh report":                  {closed(withDemand, reportUntil(time.Second)), decision{action: actionDial}},
	"demand before a summary":                            {closed(withDemand, summaryDue), decision{action: actionDial}},
	"a summary is due":                                   {closed(summaryDue), decision{action: actionRequestSummary}},
	"a summary is due, with a report":                    {closed(summaryDue, reportUntil(time.Second)), decision{action: actionRequestSummary}},
	"a report is kept until it expires":                  {closed(reportUntil(time.Second)), waitFor(time.Second)},
	"an expired report is evicted":                       {closed(reportUntil(0)), decision{action: actionEvict}},
	"an expired report is evicted during back-off":       {closed(withDemand, failing, reportUntil(0)), decision{action: actionEvict}},
	"back-off waits until the next attempt":              {closed(withDemand, failing), waitFor(8 * time.Second)},
	"back-off waits for the end of demand":               {closed(wantedUntil(3*time.Second), failing), waitFor(3 * time.Second)},
	"back-off waits until the report expires":            {closed(withDemand, failing, reportUntil(2*time.Second)), waitFor(2 * time.Second)},
	"back-off is over":                                   {closed(withDemand, failing, retryAfter(0)), decision{action: actionDial}},
	"back-off without demand ends":                       {closed(failing), decision{action: actionClearBackoff}},
	"an attempt waits until it is due":                   {closed(withDemand, retryAfter(time.Second)), waitFor(time.Second)},
	"suspended":                                          {closed(withDemand, summaryDue, suspended), decision{action: actionExit}},
	"suspended while backing off":                        {closed(withDemand, failing, suspended), decision{action: actionClearBackoff}},
	"shutdown":                                           {closed(withDemand, summaryDue, failing, reportUntil(time.Second), stopping), decision{action: actionExit}},
	"wait for a dial":                                    {dialing(purposeSession, withDemand), decision{action: actionWait}},
	"wait for a dial without demand":                     {dialing(purposeSession), decision{action: actionWait}},
	"wait for a summary":                                 {dialing(purposeSummary), decision{action: actionWait}},
	"demand cancels a dial for a summary":                {dialing(purposeSummary, withDemand), decision{action: actionCancelDial}},
	"a changed spec cancels a dial":                      {dialing(purposeSession, withDemand, outdated), decision{action: actionCancelDial, reason: endChanged}},
	"suspension cancels a dial":                          {dialing(purposeSession, withDemand, suspended), decision{action: actionCancelDial, reason: endSuspended}},
	"shutdown cancels a dial":                            {dialing(purposeSession, withDemand, stopping), decision{action: actionCancelDial, reason: endStopping}},
	"a session without demand waits for messages":        {reporting(0), waitFor(15 * time.Second)},
	"a session without demand is not renewed":            {reporting(55 * time.Second), waitFor(70 * time.Second)},
	"a session with demand waits for five sixths":        {reporting(40*time.Second, withDemand), waitFor(50 * time.Second)},
	"silence before the renewal":                         {reporting(40*time.Second, withDemand, lastReceivedAt(30*time.Second)), waitFor(45 * time.Second)},
	"a session with demand is renewed after five sixths": {reporting(50*time.Second, withDemand), decision{action: actionRenew}},
	"renewed also later":                                 {reporting(59*time.Second, withDemand), decision{action: actionRenew}},
	"renewed only once":                                  {reporting(51*time.Second, withDemand, renewing), waitFor(66 * time.Second)},
	"an expired session is not renewed":                  {reporting(60*time.Second, withDemand), waitFor(75 * time.Second)},
	"a report of another master is published first":      {closed(withDemand, func(in *inputs) { in.followed = true }), decision{action: actionFollow}},
	"demand does not dial what another master owns":      {closed(following, withDemand), decision{action: actionExit}},
	"a followed report is kept until it expires":         {closed(following, withDemand, reportUntil(time.Second)), waitFor(time.Second)},
	"readers wait for the owner":                         {closed(following, withDemand, guestAfter(2*time.Second)), waitFor(2 * time.Second)},
	"readers wait for the owner no longer":               {closed(following, withDemand, guestAfter(0)), decision{action: actionDial}},
	"a guest waits during back-off":                      {closed(following, withDemand, guestAfter(0), failing), waitFor(8 * time.Second)},
	"a guest without readers ends back-off":              {closed(following, failing), decision{action: actionClearBackoff}},
	"a guest in back-off waits for the end of demand":    {closed(following, wantedUntil(time.Second), failing), waitFor(time.Second)},
	"another master requests summaries":                  {closed(following, summaryDue), decision{action: actionExit}},
	"a guest's session has readers":                      {reporting(0, following, withDemand, guest, guestAfter(0)), waitFor(15 * time.Second)},
	"a guest's session without readers":                  {reporting(0, following, withDemand, guest), decision{action: actionStop, reason: endGuest}},
	"a guest's session while the owner reports":          {reporting(0, following, guest, guestAfter(0), func(in *inputs) { in.ownerReports = true }), decision{action: actionStop, reason: endGuest}},
	"a guest becomes the owner":                          {reporting(0, withDemand, guest, guestAfter(0)), decision{action: actionStop, reason: endGuest}},
	"an owner's session goes on until it is superseded":  {reporting(0, following), waitFor(15 * time.Second)},
	"a silent agent":                                     {reporting(15*time.Second, lastReceivedAt(0)), decision{action: actionAbort, reason: endSilent}},
	"silence when the renewal is due":                    {reporting(50*time.Second, withDemand, lastReceivedAt(35*time.Second)), decision{action: actionAbort, reason: endSilent}},
	"a session that the agent does not end":              {reporting(75 * time.Second), decision{action: actionAbort, reason: endOverrun}},
	"suspension stops a session":                         {reporting(1, withDemand, suspended), decision{action: actionStop, reason: endSuspended}},
	"a changed spec stops a session":                     {reporting(1, withDemand, outdated), decision{action: actionStop, reason: endChanged}},
	"shutdown stops a session":                           {reporting(1, withDemand, outdated, suspended, stopping), decision{action: actionStop, reason: endStopping}},
}

func TestDecide(t *testing.T) {
	for name, tc := range decisions {
		if got := decide(tc.inputs); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestOutcomeOfSessionEnds(t *testing.T) {
	fault := dial.Failf(dial.DialFailed, "broken")
	whole := sessionEnd{reason: endExpired, age: 10 * time.Second, duration: 10 * time.Second, reports: 3}
	early, mute := whole, whole
	early.age = 4 * time.Second
	mute.reports = 0
	for name, tc := range map[string]struct {
		ending  sessionEnd
		tooMany bool
		reason  Reason // "" if nothing failed
		base    bool
		session bool
	}{
		"a failed dial":                           {ending: sessionEnd{failure: fault}, reason: dial.DialFailed, base: true},
		"an expired session":                      {ending: whole, base: true, session: true},
		"a session that expired too early":        {ending: early, reason: dial.ProtocolError, base: true},
		"an expired session without reports":      {ending: mute, reason: dial.ProtocolError, base: true},
		"a stopped session":                       {ending: sessionEnd{reason: endChanged}, base: true},
		"a lost connection":                       {ending: lostEnd(errors.New("reset")), reason: dial.DialFailed, base: true},
		"a silent session":                        {ending: abortEnd(endSilent, time.Second), reason: dial.DialFailed, base: true},
		"an overrun session":                      {ending: abortEnd(endOverrun, time.Second), reason: dial.ProtocolError, base: true},
		"a session with invalid messages":         {ending: resyncEnd(wire.ErrResync)},
		"too many sessions with invalid messages": {ending: resyncEnd(wire.ErrResync), tooMany: true, reason: dial.ProtocolError},
		"the agent answered a Stop":               {ending: agentEnd(&wire.End{Reason: wire.EndStopped}, true), base: true},
		"the agent is busy":                       {ending: agentEnd(&wire.End{Reason: wire.EndBusy}, true), reason: dial.Busy, base: true},
		"the agent is not ready":                  {ending: agentEnd(&wire.End{Reason: wire.EndNotReady}, true), reason: dial.AgentNotReady, base: true},
		"the agent failed":                        {ending: agentEnd(&wire.End{Reason: wire.EndError, Message: "x"}, true), reason: dial.AgentNotReady, base: true},
		"the agent shuts down":                    {ending: agentEnd(&wire.End{Reason: wire.EndShuttingDown}, true), reason: dial.DialFailed, base: true},
		"the session was superseded":              {ending: agentEnd(&wire.End{Reason: wire.EndSuperseded}, true), base: true},
		"a guest's session was superseded":        {ending: agentEnd(&wire.End{Reason: wire.EndSuperseded}, false), reason: dial.DialFailed, base: true},
		"an unknown reason":                       {ending: agentEnd(&wire.End{Reason: 99}, true), reason: dial.DialFailed, base: true},
	} {
		got := outcomeOf(tc.ending, tc.tooMany)
		var reason Reason
		if got.failure != nil {
			reason = got.failure.Reason
		}
		if got.backOff != (tc.reason != "") || reason != tc.reason || got.keepBase != tc.base || got.keepSession != tc.session {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func TestDemandTTL(t *testing.T) {
	wantEqual(t, "3 times the TTL", demandTTL(Cluster{CacheTTL: 10 * time.Second, SessionDuration: time.Minute}), 30*time.Second)
	wantEqual(t, "a sixth of the duration", demandTTL(Cluster{CacheTTL: 10 * time.Second, SessionDuration: 30 * time.Minute}), 5*time.Minute)
}

func TestSummaryTimesRepeatWithTheInterval(t *testing.T) {
	const every = 5 * time.Minute
	slots := map[time.Duration]bool{}
	for i := range 50 {
		now := t0.Add(time.Duration(i) * 17 * time.Second)
		next := nextSummaryTime(clusterName(i), every, now)
		if d := next.Sub(now); d <= 0 || d > every {
			t.Errorf("%s: the next summary is in %s, want at most the interval", clusterName(i), d)
		}
		wantEqual(t, "the time after it", nextSummaryTime(clusterName(i), every, next), next.Add(every))
		wantEqual(t, "the time just before it", nextSummaryTime(clusterName(i), every, next.Add(-1)), next)
		slots[time.Duration(next.UnixNano())%every] = true
	}
	if len(slots) < 45 {
		t.Errorf("50 clusters have %d different times, want at least 45", len(slots))
	}
}

func TestResyncsAreCountedForTenMinutes(t *testing.T) {
	var r resyncCounter
	for i := range 3 {
		r.add(at(time.Duration(i) * time.Minute))
	}
	wantEqual(t, "exceeded after three", r.exceeded(at(2*time.Minute)), false)
	r.add(at(9 * time.Minute))
	wantEqual(t, "exceeded after four", r.exceeded(at(9*time.Minute)), true)
	wantEqual(t, "exceeded when the first is ten minutes old", r.exceeded(at(10*time.Minute)), false)
}

func TestLateDetector(t *testing.T) {
	const period = time.Second
	for name, steps := range map[string][]struct {
		at, sent time.Duration
		late     bool
	}{
		"on time":                             {{1000, 1000, false}, {2005, 2000, false}},
		"a period of delay is not late":       {{2000, 1000, false}},
		"more than a period of delay is late": {{2001 * 1, 1000, true}, {3000, 3000, false}},
		"relative to the fastest":             {{500, 1500, false}, {3001, 3000, true}, {3000, 3000, false}},
		"a slow clock":                        {{600_000, 599_500, false}, {1_200_000, 1_199_000, false}, {1_800_000, 1_798_500, false}, {2_400_000, 2_398_000, false}},
		"a growing queue":                     {{1000, 1000, false}, {5000, 2000, true}, {9000, 3000, true}},
	} {
		l := newLateDetector(t0)
		for i, s := range steps {
			if got := l.isLate(at(s.at*time.Millisecond), s.sent*time.Millisecond, period); got != s.late {
				t.Errorf("%s: step %d: late %t, want %t", name, i, got, s.late)
			}
		}
	}
}
