package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

func TestAgentKilledInASessionIsDialedAgain(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		kill := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			go func() {
				<-kill
				_ = c.CloseNow()
			}()
			c.serve()
		})
		first := m.get("a")
		m.advance(500 * time.Millisecond)
		kill <- struct{}{}
		synctest.Wait()
		status := m.wantReason("a", dial.DialFailed)
		wantEqual(t, "phase", status.Session.Phase, Backoff)
		wantEqual(t, "last end reason", status.LastEndReason, endLost)
		if m.get("a") != first {
			t.Error("there is no fresh report before the TTL has passed")
		}
		m.advance(time.Second)
		r := m.get("a")
		if r.Term <= first.Term || r.Session.ID == first.Session.ID {
			t.Errorf("got term %d after %d and session %s after %s, want new ones", r.Term, first.Term, r.Session.ID, first.Session.ID)
		}
		wantEqual(t, "sessions", a.sessionCount(), 2)
		if base := a.request(1).Base; base == nil || base.Seq != first.Seq {
			t.Errorf("base is %+v, want the last report", base)
		}
		m.wantReason("a", Succeeded)
		close(kill)
	})
}

// invalidMessages has functions that send a message which the master cannot apply.
var invalidMessages = map[string]func(*agentConn){
	"garbage":                     func(c *agentConn) { c.sendRaw([]byte("garbage")) },
	"text":                        func(c *agentConn) { _ = c.Write(context.Background(), websocket.MessageText, []byte("{}")) },
	"a delta from an unknown seq": func(c *agentConn) { c.send(&wire.Delta{From: 1, To: 2}) },
	"a wrong hash": func(c *agentConn) {
		b := c.bookmark(c.sent)
		b.Hash++
		c.send(b)
	},
	"a wrong count": func(c *agentConn) {
		b := c.bookmark(c.sent)
		b.Count++
		c.send(b)
	},
	"a second Hello":            func(c *agentConn) { c.send(&c.agent.hello) },
	"an unexpected grant":       func(c *agentConn) { c.send(&wire.SubscribeResponse{Period: 1, Duration: 2, Renewal: 7}) },
	"a frame that is too large": func(c *agentConn) { c.sendRaw(make([]byte, wire.MaxFrame+1)) },
}

func TestInvalidMessagesResyncThreeTimesThenBackOff(t *testing.T) {
	for name, sendInvalid := range invalidMessages {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a", func(c *Cluster) { c.SessionDuration = 10 * time.Minute })
				var codes []websocket.StatusCode
				a.setHandler(func(c *agentConn) {
					req := c.handshake()
					c.useBase(req)
					c.grantTo(req)
					c.flush()
					<-time.After(time.Second)
					sendInvalid(c)
					for {
						if _, _, err := c.Read(context.Background()); err != nil {
							a.update(func() { codes = append(codes, websocket.CloseStatus(err)) })
							return
						}
					}
				})
				r := m.get("a")
				m.advance(4100 * time.Millisecond)
				wantEqual(t, "sessions", a.sessionCount(), 4)
				for i := range 4 {
					if i > 0 && a.request(i).Base != nil {
						t.Errorf("request %d has a base, want none", i)
					}
				}
				status := m.wantReason("a", dial.ProtocolError)
				wantEqual(t, "last end reason", status.LastEndReason, endResync)
				if !strings.Contains(status.Message, "4 times within 10m") {
					t.Errorf("message is %q, want the number of resyncs", status.Message)
				}
				m.advance(2 * time.Minute)
				if n := a.sessionCount(); n < 10 || n > 20 {
					t.Errorf("got %d sessions in 2 min, want 10 to 20 with a growing back-off", n)
				}
				if again := m.sessions.cluster("a").report; again.HasState() && again.Count() != r.Count() {
					t.Error("an invalid message changed the report")
				}
				a.update(func() {
					for _, c := range codes {
						if c != wire.CloseResync && name != "a frame that is too large" {
							t.Errorf("close code is %d, want CloseResync", c)
						}
					}
				})
			})
		})
	}
}

func TestSessionOfASilentAgentIsAborted(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.SessionDuration = time.Minute })
		hang := make(chan struct{})
		a.setHandler(func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			<-hang
		})
		m.get("a")
		m.advance(3*time.Second - time.Millisecond)
		m.wantPhase("a", Reporting)
		m.advance(time.Millisecond)
		status := m.wantReason("a", dial.DialFailed)
		wantEqual(t, "last end reason", status.LastEndReason, endSilent)
		close(hang)
	})
}

func TestOverrunSessionIsAborted(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.setHandler(func(c *agentConn) {
			g := c.grantTo(c.handshake())
			g.Duration = time.Hour
			c.serveSession(g)
		})
		m.get("a")
		m.advance(18 * time.Second)
		status := m.wantReason("a", dial.ProtocolError)
		wantEqual(t, "last end reason", status.LastEndReason, endOverrun)
	})
}

func TestInvalidRenewalEndsTheSession(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a")
		a.grant = func(g *wire.SubscribeResponse) {
			if g.Renewal > 0 {
				g.Period = 5 * time.Second
			}
		}
		release := m.watch(t.Context(), "a")
		m.advance(12500 * time.Millisecond)
		m.wantReason("a", dial.PeriodNotGranted)
		wantEqual(t, "last end reason", m.sessions.Status("a").LastEndReason, endRefused)
		release()
	})
}

func TestLateReportsDoNotExtendFreshness(t *testing.T) {
	withMaster(t, func(t *testing.T, m *testMaster) {
		a := m.addCluster("a", func(c *Cluster) { c.SessionDuration = time.Minute })
		a.setHandler(func(c *agentConn) {
			c.grantTo(c.handshake())
			c.flush()
			go func() {
				for c.receive() != nil {
				}
			}()
			c.delay = 1500 * time.Millisecond
			<-time.After(time.Second)
			for open := true; open; open = c.flush() {
				<-time.After(time.Second)
			}
		})
		r := m.get("a")
		m.advance(2 * time.Second)
		changed := a.change(2)
		m.advance(999 * time.Millisecond)
		late := m.get("a")
		wantEqual(t, "received", late.ReceivedAt, r.ReceivedAt)
		m.advance(time.Second)
		if got, err := m.await("a", 0); !errors.Is(err, ErrNoReport) {
			t.Errorf("got %v, %v, want ErrNoReport since all reports are late", got, err)
		}
		if r, _ := m.sessions.LastReport("a"); r.Seq != changed.Seq {
			t.Error("the late report was not published")
		}
		m.wantPhase("a", Reporting)
	})
}

func TestBaseIsKeptForAMinuteWhileThereIsDemand(t *testing.T) {
	for name, tc := range map[string]struct {
		away  time.Duration
		based bool
	}{
		"half a minute": {away: 30 * time.Second, based: true},
		"two minutes":   {away: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a", func(c *Cluster) { c.SessionDuration = time.Hour })
				die := make(chan struct{})
				a.setHandler(func(c *agentConn) {
					go func() {
						<-die
						_ = c.CloseNow()
					}()
					c.serve()
				})
				release := m.watch(t.Context(), "a")
				m.advance(time.Second)
				a.update(func() { a.admit = refuseWithBadGateway })
				die <- struct{}{}
				m.advance(tc.away)
				r, _ := m.sessions.LastReport("a")
				wantEqual(t, "State is kept", r.HasState(), tc.based)
				a.update(func() { a.admit = nil })
				m.advance(31 * time.Second)
				m.wantPhase("a", Reporting)
				wantEqual(t, "base", a.request(1).Base != nil, tc.based)
				release()
				close(die)
			})
		})
	}
}

func refuseWithBadGateway(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusBadGateway)
	return false
}
