package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

func TestAgentKilledInASessionIsDialedAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		kill := make(chan struct{})
		a.play(func(k *talk) {
			go func() {
				<-kill
				_ = k.conn.CloseNow()
			}()
			k.serve()
		})
		first := s.get("a")
		s.pass(500 * time.Millisecond)
		kill <- struct{}{}
		synctest.Wait()
		o := s.wantReason("a", DialFailed)
		want(t, "phase", o.Session.Phase, Backoff)
		want(t, "last end", o.LastEndReason, endLost)
		if s.get("a") != first {
			t.Error("the value is gone before its TTL")
		}
		s.pass(time.Second)
		v := s.get("a")
		if v.Term <= first.Term || v.Session.ID == first.Session.ID {
			t.Errorf("term %d after %d, session %s after %s", v.Term, first.Term, v.Session.ID, first.Session.ID)
		}
		want(t, "sessions", a.sessions(), 2)
		if base := a.report(1).Base; base == nil || base.Seq != first.State.Seq {
			t.Errorf("the base was %+v", base)
		}
		s.wantReason("a", Succeeded)
		close(kill)
	})
}

// unfollowables are what an agent sends that cannot be followed.
var unfollowables = map[string]func(*talk){
	"garbage":              func(k *talk) { k.sendRaw([]byte("garbage")) },
	"text":                 func(k *talk) { _ = k.conn.Write(context.Background(), websocket.MessageText, []byte("{}")) },
	"a delta from nowhere": func(k *talk) { k.send(&wire.Delta{From: 1, To: 2}) },
	"a wrong hash": func(k *talk) {
		b := k.bookmark(k.held)
		b.Hash++
		k.send(b)
	},
	"a wrong count": func(k *talk) {
		b := k.bookmark(k.held)
		b.Count++
		k.send(b)
	},
	"a second Hello":          func(k *talk) { k.send(&k.agent.hello) },
	"a grant out of the blue": func(k *talk) { k.send(&wire.SubscribeResponse{Period: 1, Duration: 2, Renewal: 7}) },
	"a frame without end":     func(k *talk) { k.sendRaw(make([]byte, wire.MaxFrame+1)) },
}

func TestWhatCannotBeFollowedBeginsAnewThreeTimesThenBacksOff(t *testing.T) {
	for name, spoil := range unfollowables {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a", func(c *Cluster) { c.SessionDuration = 10 * time.Minute })
				var codes []websocket.StatusCode
				a.play(func(k *talk) {
					m := k.handshake()
					k.begin(m)
					k.grantTo(m)
					k.flush()
					<-time.After(time.Second)
					spoil(k)
					for {
						if _, _, err := k.conn.Read(context.Background()); err != nil {
							a.count(func() { codes = append(codes, websocket.CloseStatus(err)) })
							return
						}
					}
				})
				v := s.get("a")
				s.pass(4100 * time.Millisecond)
				want(t, "sessions", a.sessions(), 4)
				for i := range 4 {
					if i > 0 && a.report(i).Base != nil {
						t.Errorf("report %d had a base", i)
					}
				}
				o := s.wantReason("a", ProtocolError)
				want(t, "last end", o.LastEndReason, endResync)
				if !strings.Contains(o.Message, "4 times within 10m") {
					t.Errorf("told: %s", o.Message)
				}
				s.pass(2 * time.Minute)
				if n := a.sessions(); n < 10 || n > 20 {
					t.Errorf("%d sessions: back-off does not grow", n)
				}
				if again := s.sessions.cluster("a").report; again.State != nil && again.State.Count() != v.State.Count() {
					t.Error("what could not be followed was published")
				}
				a.count(func() {
					for _, c := range codes {
						if c != wire.CloseResync && name != "a frame without end" {
							t.Errorf("closed with %d", c)
						}
					}
				})
			})
		})
	}
}

func TestSilentAgentIsLeft(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.SessionDuration = time.Minute })
		hang := make(chan struct{})
		a.play(func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			<-hang
		})
		s.get("a")
		s.pass(3*time.Second - time.Millisecond)
		s.wantPhase("a", Reporting)
		s.pass(time.Millisecond)
		o := s.wantReason("a", DialFailed)
		want(t, "last end", o.LastEndReason, endSilent)
		close(hang)
	})
}

func TestAgentThatDoesNotEndTheSessionIsLeft(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.play(func(k *talk) {
			g := k.grantTo(k.handshake())
			g.Duration = time.Hour
			k.flushUntilEnd(g)
		})
		s.get("a")
		s.pass(18 * time.Second)
		o := s.wantReason("a", ProtocolError)
		want(t, "last end", o.LastEndReason, endOverrun)
	})
}

func TestRenewalThatBreaksTheRulesEndsTheSession(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.grant = func(g *wire.SubscribeResponse) {
			if g.Renewal > 0 {
				g.Period = 5 * time.Second
			}
		}
		release := s.sessions.Watch("a")
		s.pass(12500 * time.Millisecond)
		s.wantReason("a", PeriodNotGranted)
		want(t, "last end", s.sessions.Status("a").LastEndReason, endRefused)
		release()
	})
}

func TestLateFramesRenewNothing(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.SessionDuration = time.Minute })
		a.play(func(k *talk) {
			k.grantTo(k.handshake())
			k.flush()
			go func() {
				for k.receive() != nil {
				}
			}()
			k.delay = 1500 * time.Millisecond
			<-time.After(time.Second)
			for alive := true; alive; alive = k.flush() {
				<-time.After(time.Second)
			}
		})
		v := s.get("a")
		s.pass(2 * time.Second)
		changed := a.change(2)
		s.pass(999 * time.Millisecond)
		late := s.get("a")
		want(t, "received", late.ReceivedAt, v.ReceivedAt)
		s.pass(time.Second)
		if got, err := s.await("a", 0); !errors.Is(err, ErrNoReport) {
			t.Errorf("got %v, %v, although every report since came late", got, err)
		}
		if v, _ := s.sessions.LastReport("a"); v.State.Seq != changed.Seq {
			t.Error("what came late is not known either")
		}
		s.wantPhase("a", Reporting)
	})
}

func TestBaseIsKeptForAMinuteWhileSomebodyWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		away  time.Duration
		based bool
	}{
		"half a minute": {away: 30 * time.Second, based: true},
		"two minutes":   {away: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a", func(c *Cluster) { c.SessionDuration = time.Hour })
				die := make(chan struct{})
				a.play(func(k *talk) {
					go func() {
						<-die
						_ = k.conn.CloseNow()
					}()
					k.serve()
				})
				release := s.sessions.Watch("a")
				s.pass(time.Second)
				a.count(func() { a.admit = noGateway })
				die <- struct{}{}
				s.pass(tc.away)
				v, _ := s.sessions.LastReport("a")
				want(t, "held", v.State != nil, tc.based)
				a.count(func() { a.admit = nil })
				s.pass(31 * time.Second)
				s.wantPhase("a", Reporting)
				want(t, "base", a.report(1).Base != nil, tc.based)
				release()
				close(die)
			})
		})
	}
}

func noGateway(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusBadGateway)
	return false
}
