package report

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// ownerRequest returns the request of an owner.
func ownerRequest(masterID string, term uint64) *wire.SubscribeRequest {
	return &wire.SubscribeRequest{
		Protocol: wire.ProtocolMax, Session: "s-" + masterID, MasterID: masterID, Period: time.Second, Duration: time.Minute, Owner: true, Term: term,
	}
}

// open opens the session that req requests, and returns the granted term.
func (h *harness) open(req *wire.SubscribeRequest) (*master, uint64) {
	h.t.Helper()
	m := h.dial()
	m.send(req)
	return m, m.readGrant().Term
}

// unixMillis returns the agent's time.
func unixMillis() uint64 { return uint64(time.Now().UnixMilli()) }

func TestNewOwnerEndsTheSessionOfTheOwnerBefore(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		start := unixMillis()
		guest, _ := h.open(subscribeRequest("guest"))
		first, term := h.open(ownerRequest("m1", start))
		if term != start {
			t.Errorf("got term %d, want the requested %d", term, start)
		}
		second, next := h.open(ownerRequest("m2", start-1000)) // its clock is behind
		if next != term+1 {
			t.Errorf("got term %d, want %d", next, term+1)
		}
		first.wantEnd(wire.EndSuperseded)
		third, next := h.open(ownerRequest("m3", start+1000))
		if next != start+1000 {
			t.Errorf("got term %d, want the requested %d", next, start+1000)
		}
		second.wantEnd(wire.EndSuperseded)
		third.mustNextFlush()
		guest.mustNextFlush()
		if n := h.sessionCount(); n != 2 {
			t.Errorf("got %d sessions, want those of the owner and the guest", n)
		}
		if n := h.counter("rollcall_agent_sessions_ended_total", "superseded"); n != 2 {
			t.Errorf("got %v superseded sessions, want 2", n)
		}
	})
}

func TestGuestReportsUnderTheTermOfTheOwner(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		start := unixMillis()
		request := func(id string, term uint64) *wire.SubscribeRequest {
			r := subscribeRequest(id)
			r.Term = term
			return r
		}
		early, term := h.open(request("g1", start+10))
		if term != start+10 {
			t.Errorf("a guest before all owners: got term %d, want the requested %d", term, start+10)
		}
		owner, ownerTerm := h.open(ownerRequest("m1", start))
		if ownerTerm <= term {
			t.Errorf("the owner got term %d, not above the %d of the guest before it", ownerTerm, term)
		}
		late, term := h.open(request("g2", ownerTerm+5000))
		if term != ownerTerm {
			t.Errorf("a guest beside an owner: got term %d, want the owner's %d", term, ownerTerm)
		}
		if _, term := h.open(subscribeRequest("g3")); term != 0 {
			t.Errorf("a guest without a term: got term %d", term)
		}
		for _, m := range []*master{early, owner, late} {
			m.mustNextFlush()
		}
	})
}

func TestOwnerOfAnOlderProtocolIsAGuest(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		owner, _ := h.open(ownerRequest("m1", 5))
		old := ownerRequest("m2", 9)
		old.Protocol = wire.ProtocolMin
		m, term := h.open(old)
		if term != 0 {
			t.Errorf("got term %d in protocol %d", term, wire.ProtocolMin)
		}
		m.mustNextFlush()
		owner.mustNextFlush()
		without := h.dial()
		without.send(ownerRequest("m3", 0))
		without.wantClose(wire.CloseProtocol)
	})
}

func TestSupersededOwnerCannotRenew(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		first, _ := h.open(ownerRequest("m1", 1))
		second, _ := h.open(ownerRequest("m2", 1))
		_ = first.Send(t.Context(), &wire.Renew{Renewal: 1, Duration: time.Hour})
		first.wantEnd(wire.EndSuperseded)
		second.send(&wire.Renew{Renewal: 1, Duration: time.Minute})
		for {
			grant, ok := second.read().(*wire.SubscribeResponse)
			if ok && grant.Renewal == 1 && grant.Term == 0 {
				return
			}
		}
	})
}

// TestOwnerOfAHungConnectionIsSuperseded has an owner that reads nothing, like a stopped process.
func TestOwnerOfAHungConnectionIsSuperseded(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		_, term := h.open(ownerRequest("m1", 1))
		h.change(manyPods()...)
		synctest.Wait()
		start := time.Now()
		second, next := h.open(ownerRequest("m2", 1))
		second.mustNextFlush()
		if waited := time.Since(start); next != term+1 || waited > time.Second {
			t.Errorf("got term %d after %d, and the first flush after %s", next, term, waited)
		}
		<-time.After(wire.WriteTimeout + time.Second)
		if n := h.sessionCount(); n != 1 {
			t.Errorf("got %d sessions, want 1", n)
		}
	})
}

func TestOwnerTakesThePlaceOfTheOwnerBeforeIfAllAreTaken(t *testing.T) {
	runTest(t, nil, func(t *testing.T, h *harness) {
		h.makeReady()
		first, _ := h.open(ownerRequest("m1", 1))
		for i := range DefaultMaxMasters - 1 {
			h.open(subscribeRequest(fmt.Sprint("g", i)))
		}
		second, _ := h.open(ownerRequest("m2", 1))
		first.wantEnd(wire.EndSuperseded)
		second.mustNextFlush()
		guest := h.dial()
		guest.send(subscribeRequest("g9"))
		guest.wantEnd(wire.EndBusy)
	})
}

// TestHighRequestsDoNotUseUpTheTerms checks that the terms of an agent stay near its clock, whatever masters request.
func TestHighRequestsDoNotUseUpTheTerms(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	limit := uint64(now.Add(wire.MaxTermLead).UnixMilli())
	for name, tc := range map[string]struct{ last, requested, want uint64 }{
		"the first":                 {0, 1_800_000_000_000, 1_800_000_000_000},
		"the first, clock behind":   {0, 1_799_996_400_000, 1_799_996_400_000},
		"below the last":            {1_800_000_000_000, 5, 1_800_000_000_001},
		"an hour ahead":             {1_800_000_000_000, 1_800_003_600_000, 1_800_003_600_000},
		"at the limit":              {7, limit, limit},
		"above the limit":           {7, limit + 1, limit},
		"the highest":               {7, math.MaxUint64, limit},
		"the highest, at the limit": {limit, math.MaxUint64, limit + 1},
		"above the limit already":   {limit + 100, limit + 50, limit + 101},
	} {
		if got := nextTerm(tc.last, tc.requested, now); got != tc.want {
			t.Errorf("%s: got %d after %d for a request of %d, want %d", name, got, tc.last, tc.requested, tc.want)
		}
	}
	if got := nextTerm(0, 1_800_000_000_000, time.Unix(-1<<40, 0)); got != 1 {
		t.Errorf("a clock before 1970: got %d, want 1", got)
	}
}

// TestOwnerAndTermAreSigned changes what a signed request says about them.
func TestOwnerAndTermAreSigned(t *testing.T) {
	for name, change := range map[string]func(*wire.SubscribeRequest){
		"a guest becomes the owner": func(r *wire.SubscribeRequest) { r.Owner = true },
		"another term":              func(r *wire.SubscribeRequest) { r.Term++ },
		"no term":                   func(r *wire.SubscribeRequest) { r.Term = 0 },
		"an older protocol":         func(r *wire.SubscribeRequest) { r.Protocol = wire.ProtocolMin },
	} {
		t.Run(name, func(t *testing.T) {
			runBoundTest(t, nil, func(_ *testing.T, h *harness, s signer) {
				m := h.dialWith(s)
				req := subscribeRequest("m1")
				req.Term = 7
				st := m.subscribeStatement("m1", "s")
				st.Term = 7
				s.signSubscribe(st, req)
				change(req)
				m.send(req)
				m.wantRefused("")
			})
		})
	}
	runBoundTest(t, nil, func(t *testing.T, h *harness, s signer) {
		for owner, domain := range map[bool]token.Domain{true: token.DomainOwner, false: token.DomainSubscribe} {
			m := h.dialWith(s)
			req := subscribeRequest("m1")
			req.Owner, req.Term = owner, 7
			st := m.subscribeStatement("m1", "s")
			st.Domain, st.Term = domain, 7
			m.send(s.signSubscribe(st, req))
			if m.readGrant().Term == 0 {
				t.Errorf("owner %t: got no term", owner)
			}
		}
		m := h.dialWith(s)
		req := subscribeRequest("m1")
		st := m.subscribeStatement("m1", "s")
		st.Domain, st.Term = token.DomainOwner, 7
		s.signSubscribe(st, req)
		req.Term = 7
		m.send(req)
		if _, err := m.readUntilEnd(); err == nil || !strings.Contains(err.Error(), "unauthorized") {
			t.Errorf("an owner's signature opened the session of a guest: %v", err)
		}
	})
}
