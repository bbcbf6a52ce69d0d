package session

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// wantUnreachable fails unless a GET is refused at once, for the reason.
func (s *stage) wantUnreachable(name string, want Reason, words ...string) *UnreachableError {
	s.t.Helper()
	v, err := s.await(name, 20*time.Second)
	var u *UnreachableError
	if !errors.As(err, &u) || u.Reason != want {
		s.t.Fatalf("got %v, %v, want the reason %s", v, err, want)
	}
	for _, w := range words {
		if !strings.Contains(u.Error(), w) {
			s.t.Errorf("%q does not tell of %q", u, w)
		}
	}
	if o := s.wantReason(name, want); o.Ready != state.False || o.Message != u.Error() {
		s.t.Errorf("told: %s, %q", o.Ready, o.Message)
	}
	return u
}

// badAgent is somebody who answers in an agent's place, or an agent that does not
// do as it should.
type badAgent struct {
	spoil  func(*agent)
	change func(*Cluster)
	reason Reason
	words  []string
}

var badAgents = map[string]badAgent{
	"another name": {
		spoil:  func(a *agent) { a.identity.ClusterName = "b" },
		reason: WrongCluster, words: []string{`"b"`, `"a"`, "--cluster-name"},
	},
	"another cluster": {
		change: func(c *Cluster) { c.ExpectedUID = "uid-x" },
		reason: ClusterUIDMismatch, words: []string{"uid-a", "uid-x", "spec.clusterUID"},
	},
	"a newer protocol": {
		spoil:  func(a *agent) { a.hello.ProtocolMin, a.hello.ProtocolMax = 8, 9 },
		reason: ProtocolUnsupported, words: []string{"8 to 9", "3 to 3"},
	},
	"a protocol that it does not want after all": {
		spoil: func(a *agent) {
			a.play(func(k *talk) {
				k.handshake()
				k.send(&wire.Unsupported{ProtocolMin: 4, ProtocolMax: 4, Message: "too old"})
			})
		},
		reason: ProtocolUnsupported, words: []string{"too old"},
	},
	"nobody": {
		spoil: func(a *agent) {
			a.play(func(k *talk) {
				if m := k.handshake(); m != nil {
					k.send(&wire.SubscribeResponse{Session: m.Session, Period: m.Period, Duration: m.Duration})
					k.receive()
				}
			})
		},
		reason: ProtocolError, words: []string{"does not name its cluster"},
	},
	"an agent that wants another signature": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.handshake(); k.end(wire.EndUnauthorized, "not yours") }) },
		reason: Unauthorized, words: []string{"not yours"},
	},
	"a period that is the TTL": {
		spoil:  func(a *agent) { a.grant = func(g *wire.SubscribeResponse) { g.Period = 5 * time.Second } },
		reason: PeriodNotGranted, words: []string{"5s", "cacheTTL", "--min-request-period"},
	},
	"a period that is the duration": {
		spoil:  func(a *agent) { a.grant = func(g *wire.SubscribeResponse) { g.Duration = g.Period } },
		reason: PeriodNotGranted, words: []string{"--max-session"},
	},
	"no period": {
		spoil:  func(a *agent) { a.grant = func(g *wire.SubscribeResponse) { g.Period = 0 } },
		reason: PeriodNotGranted,
	},
	"busy": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.handshake(); k.end(wire.EndBusy, "8 masters") }) },
		reason: Busy, words: []string{"8 masters"},
	},
	"not ready": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.handshake(); k.end(wire.EndNotReady, "pods are forbidden") }) },
		reason: AgentNotReady, words: []string{"pods are forbidden"},
	},
	"shutting down": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.handshake(); k.end(wire.EndShuttingDown, "") }) },
		reason: DialFailed, words: []string{"shutting down"},
	},
	"garbage instead of Hello": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.sendRaw([]byte{0xff, 0xff, 0xff}); k.receive() }) },
		reason: ProtocolError, words: []string{"Hello"},
	},
	"another message instead of Hello": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.send(&wire.End{}); k.receive() }) },
		reason: ProtocolError, words: []string{"End", "Hello"},
	},
	"nothing after Hello": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.handshake(); k.receive() }) },
		reason: DialFailed, words: []string{"10s"},
	},
	"no Hello": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.receive() }) },
		reason: DialFailed, words: []string{"Hello", "10s"},
	},
	"gone behind Hello": {
		spoil:  func(a *agent) { a.play(func(k *talk) { k.handshake() }) },
		reason: DialFailed, words: []string{"broke"},
	},
	"a web server": {
		spoil: func(a *agent) {
			a.admit = func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return false }
		},
		reason: DialFailed, words: []string{"404", "not an agent"},
	},
	"a redirect": {
		spoil: func(a *agent) {
			a.admit = func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "ws://elsewhere:1/", http.StatusFound)
				return false
			}
		},
		reason: DialFailed, words: []string{"302"},
	},
	"another subprotocol": {
		spoil: func(a *agent) {
			a.admit = func(w http.ResponseWriter, r *http.Request) bool {
				conn, err := websocket.Accept(w, r, nil)
				if err == nil {
					_, _, _ = conn.Read(r.Context())
					_ = conn.CloseNow()
				}
				return false
			}
		},
		reason: DialFailed, words: []string{wire.Subprotocol},
	},
	"unauthorized": {
		spoil: func(a *agent) {
			a.admit = func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(http.StatusUnauthorized)
				return false
			}
		},
		reason: Unauthorized, words: []string{"--signing-key-file"},
	},
	"an upgrade that never comes": {
		spoil: func(a *agent) {
			a.admit = func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return false }
		},
		reason: DialFailed, words: []string{"10s"},
	},
}

func TestWhoIsNotTheAgentIsRefused(t *testing.T) {
	for name, tc := range badAgents {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a", func(c *Cluster) {
					c.CacheTTL = 5 * time.Second // for demand to last longer than a dial
					if tc.change != nil {
						tc.change(c)
					}
				})
				if tc.spoil != nil {
					tc.spoil(a)
				}
				s.wantUnreachable("a", tc.reason, tc.words...)
				s.wantPhase("a", Backoff)
				if v, ok := s.sessions.LastReport("a"); ok {
					t.Errorf("there is a value of it: %+v", v)
				}
				want(t, "dials of somebody else", s.dialsOf("elsewhere"), 0)
			})
		})
	}
}
