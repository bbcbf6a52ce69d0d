package session

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/session/dial"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// wantUnreachable fails the test unless a request fails with an UnreachableError with the reason and a
// message with all the texts.
func (m *testMaster) wantUnreachable(name string, want Reason, texts ...string) *UnreachableError {
	m.t.Helper()
	r, err := m.await(name, 20*time.Second)
	var u *UnreachableError
	if !errors.As(err, &u) || u.Reason != want {
		m.t.Fatalf("got %v, %v, want the reason %s", r, err, want)
	}
	for _, text := range texts {
		if !strings.Contains(u.Error(), text) {
			m.t.Errorf("error is %q, want it to contain %q", u, text)
		}
	}
	if status := m.wantReason(name, want); status.Ready != state.False || status.Message != u.Error() {
		m.t.Errorf("status is %s with message %q, want False with the error's message", status.Ready, status.Message)
	}
	return u
}

// badAgent is an agent that violates the protocol or refuses the master, or another server in its place.
type badAgent struct {
	setup  func(*fakeAgent)
	change func(*Cluster)
	reason Reason
	texts  []string
}

var badAgents = map[string]badAgent{
	"another name": {
		setup:  func(a *fakeAgent) { a.identity.ClusterName = "b" },
		reason: dial.WrongCluster, texts: []string{`"b"`, `"a"`, "--cluster-name"},
	},
	"another cluster": {
		change: func(c *Cluster) { c.ExpectedUID = "uid-x" },
		reason: dial.ClusterUIDMismatch, texts: []string{"uid-a", "uid-x", "spec.clusterUID"},
	},
	"a newer protocol": {
		setup:  func(a *fakeAgent) { a.hello.ProtocolMin, a.hello.ProtocolMax = 8, 9 },
		reason: dial.ProtocolUnsupported, texts: []string{"8 to 9", "3 to 4"},
	},
	"a protocol that the agent refuses later": {
		setup: func(a *fakeAgent) {
			a.setHandler(func(c *agentConn) {
				c.handshake()
				c.send(&wire.Unsupported{ProtocolMin: 4, ProtocolMax: 4, Message: "too old"})
			})
		},
		reason: dial.ProtocolUnsupported, texts: []string{"too old"},
	},
	"no identity": {
		setup: func(a *fakeAgent) {
			a.setHandler(func(c *agentConn) {
				if req := c.handshake(); req != nil {
					c.send(&wire.SubscribeResponse{Session: req.Session, Period: req.Period, Duration: req.Duration})
					c.receive()
				}
			})
		},
		reason: dial.ProtocolError, texts: []string{"does not name its cluster"},
	},
	"another signature": {
		setup: func(a *fakeAgent) {
			a.setHandler(func(c *agentConn) { c.handshake(); c.end(wire.EndUnauthorized, "not yours") })
		},
		reason: dial.Unauthorized, texts: []string{"not yours"},
	},
	"a period equal to the TTL": {
		setup:  func(a *fakeAgent) { a.grant = func(g *wire.SubscribeResponse) { g.Period = 5 * time.Second } },
		reason: dial.PeriodNotGranted, texts: []string{"5s", "cacheTTL", "--min-request-period"},
	},
	"a period equal to the duration": {
		setup:  func(a *fakeAgent) { a.grant = func(g *wire.SubscribeResponse) { g.Duration = g.Period } },
		reason: dial.PeriodNotGranted, texts: []string{"--max-session"},
	},
	"no period": {
		setup:  func(a *fakeAgent) { a.grant = func(g *wire.SubscribeResponse) { g.Period = 0 } },
		reason: dial.PeriodNotGranted,
	},
	"busy": {
		setup: func(a *fakeAgent) {
			a.setHandler(func(c *agentConn) { c.handshake(); c.end(wire.EndBusy, "8 masters") })
		},
		reason: dial.Busy, texts: []string{"8 masters"},
	},
	"not ready": {
		setup: func(a *fakeAgent) {
			a.setHandler(func(c *agentConn) { c.handshake(); c.end(wire.EndNotReady, "pods are forbidden") })
		},
		reason: dial.AgentNotReady, texts: []string{"pods are forbidden"},
	},
	"shutting down": {
		setup: func(a *fakeAgent) {
			a.setHandler(func(c *agentConn) { c.handshake(); c.end(wire.EndShuttingDown, "") })
		},
		reason: dial.DialFailed, texts: []string{"shutting down"},
	},
	"garbage instead of Hello": {
		setup: func(a *fakeAgent) {
			a.setHandler(func(c *agentConn) { c.sendRaw([]byte{0xff, 0xff, 0xff}); c.receive() })
		},
		reason: dial.ProtocolError, texts: []string{"Hello"},
	},
	"another message instead of Hello": {
		setup:  func(a *fakeAgent) { a.setHandler(func(c *agentConn) { c.send(&wire.End{}); c.receive() }) },
		reason: dial.ProtocolError, texts: []string{"End", "Hello"},
	},
	"nothing after Hello": {
		setup:  func(a *fakeAgent) { a.setHandler(func(c *agentConn) { c.handshake(); c.receive() }) },
		reason: dial.DialFailed, texts: []string{"10s"},
	},
	"no Hello": {
		setup:  func(a *fakeAgent) { a.setHandler(func(c *agentConn) { c.receive() }) },
		reason: dial.DialFailed, texts: []string{"Hello", "10s"},
	},
	"connection closed after Hello": {
		setup:  func(a *fakeAgent) { a.setHandler(func(c *agentConn) { c.handshake() }) },
		reason: dial.DialFailed, texts: []string{"broke"},
	},
	"a web server": {
		setup: func(a *fakeAgent) {
			a.admit = func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return false }
		},
		reason: dial.DialFailed, texts: []string{"404", "not an agent"},
	},
	"a redirect": {
		setup: func(a *fakeAgent) {
			a.admit = func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "ws://elsewhere:1/", http.StatusFound)
				return false
			}
		},
		reason: dial.DialFailed, texts: []string{"302"},
	},
	"another subprotocol": {
		setup: func(a *fakeAgent) {
			a.admit = func(w http.ResponseWriter, r *http.Request) bool {
				conn, err := websocket.Accept(w, r, nil)
				if err == nil {
					_, _, _ = conn.Read(r.Context())
					_ = conn.CloseNow()
				}
				return false
			}
		},
		reason: dial.DialFailed, texts: []string{wire.Subprotocol},
	},
	"unauthorized": {
		setup: func(a *fakeAgent) {
			a.admit = func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusUnauthorized)
				return false
			}
		},
		reason: dial.Unauthorized, texts: []string{"--signing-key-file"},
	},
	"no response to the upgrade": {
		setup: func(a *fakeAgent) {
			a.admit = func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return false }
		},
		reason: dial.DialFailed, texts: []string{"10s"},
	},
}

func TestBadAgentsAreRefused(t *testing.T) {
	for name, tc := range badAgents {
		t.Run(name, func(t *testing.T) {
			withMaster(t, func(t *testing.T, m *testMaster) {
				a := m.addCluster("a", func(c *Cluster) {
					c.CacheTTL = 5 * time.Second // so that demand lasts longer than a dial
					if tc.change != nil {
						tc.change(c)
					}
				})
				if tc.setup != nil {
					tc.setup(a)
				}
				m.wantUnreachable("a", tc.reason, tc.texts...)
				m.wantPhase("a", Backoff)
				if r, ok := m.sessions.LastReport("a"); ok {
					t.Errorf("got the report %+v, want none", r)
				}
				wantEqual(t, "dials of the redirect's target", m.dials("elsewhere"), 0)
			})
		})
	}
}
