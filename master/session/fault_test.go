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

func TestWhoIsNotTheAgentIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil  func(*agent)
		change func(*Cluster)
		reason Reason
		words  []string
	}{
		"another name": {
			spoil:  func(a *agent) { a.hello.ClusterName = "b" },
			reason: WrongCluster, words: []string{`"b"`, `"a"`, "--cluster-name"},
		},
		"another cluster": {
			change: func(c *Cluster) { c.ExpectedUID = "uid-x" },
			reason: ClusterUIDMismatch, words: []string{"uid-a", "uid-x", "spec.clusterUID"},
		},
		"a newer protocol": {
			spoil:  func(a *agent) { a.hello.ProtocolMin, a.hello.ProtocolMax = 8, 9 },
			reason: ProtocolUnsupported, words: []string{"8 to 9", "1 to 1"},
		},
		"a protocol that it does not want after all": {
			spoil: func(a *agent) {
				a.script = func(k *talk) {
					k.greet()
					k.send(&wire.Unsupported{ProtocolMin: 2, ProtocolMax: 2, Message: "too old"})
				}
			},
			reason: ProtocolUnsupported, words: []string{"too old"},
		},
		"a period that is the TTL": {
			spoil:  func(a *agent) { a.grant = func(g *wire.Granted) { g.Period = 5 * time.Second } },
			reason: PeriodNotGranted, words: []string{"5s", "cacheTTL", "--min-request-period"},
		},
		"a period that is the duration": {
			spoil:  func(a *agent) { a.grant = func(g *wire.Granted) { g.Duration = g.Period } },
			reason: PeriodNotGranted, words: []string{"--max-session"},
		},
		"no period": {
			spoil:  func(a *agent) { a.grant = func(g *wire.Granted) { g.Period = 0 } },
			reason: PeriodNotGranted,
		},
		"busy": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.greet(); k.end(wire.EndBusy, "8 masters") } },
			reason: Busy, words: []string{"8 masters"},
		},
		"not ready": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.greet(); k.end(wire.EndNotReady, "pods are forbidden") } },
			reason: AgentNotReady, words: []string{"pods are forbidden"},
		},
		"shutting down": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.greet(); k.end(wire.EndShuttingDown, "") } },
			reason: DialFailed, words: []string{"shutting down"},
		},
		"garbage instead of Hello": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.sendRaw([]byte{0xff, 0xff, 0xff}); k.receive() } },
			reason: ProtocolError, words: []string{"Hello"},
		},
		"another message instead of Hello": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.send(&wire.End{}); k.receive() } },
			reason: ProtocolError, words: []string{"End", "Hello"},
		},
		"nothing after Hello": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.greet(); k.receive() } },
			reason: DialFailed, words: []string{"10s"},
		},
		"no Hello": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.receive() } },
			reason: DialFailed, words: []string{"Hello", "10s"},
		},
		"gone behind Hello": {
			spoil:  func(a *agent) { a.script = func(k *talk) { k.greet() } },
			reason: DialFailed, words: []string{"broke"},
		},
		"a web server": {
			spoil: func(a *agent) {
				a.admit = func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return false }
			},
			reason: DialFailed, words: []string{"404", "no agent"},
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
	} {
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
				if v, ok := s.sessions.Peek("a"); ok {
					t.Errorf("there is a value of it: %+v", v)
				}
				want(t, "dials of somebody else", s.dialsOf("elsewhere"), 0)
			})
		})
	}
}

func TestNobodyThereIsToldAtOnceWhileBackingOff(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a")
		u := s.wantUnreachable("a", DialFailed, "connection refused", "ws://a:7443")
		want(t, "retry after", u.RetryAfter, 250*time.Millisecond)
		for range 100 {
			u = s.wantUnreachable("a", DialFailed)
		}
		want(t, "dials", s.dialsOf("a"), 1)
	})
}

func TestBackoffDoublesUntilItsCeilingAndDecaysWithoutDemand(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a", func(c *Cluster) { c.CacheTTL = time.Minute }) // demand lasts 3 min
		start := time.Now()
		var at []time.Duration
		s.config.DialContext = nil
		_, _ = s.await("a", time.Second)
		for n := s.dialsOf("a"); time.Since(start) < 4*time.Minute; {
			<-time.After(125 * time.Millisecond)
			synctest.Wait()
			if dials := s.dialsOf("a"); dials != n {
				n = dials
				at = append(at, time.Since(start))
			}
		}
		var gaps []time.Duration
		last := time.Duration(0)
		for _, d := range at {
			gaps = append(gaps, d-last)
			last = d
		}
		for i, want := range []time.Duration{250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000} {
			if i >= len(gaps) || gaps[i] != want*time.Millisecond {
				t.Fatalf("the pauses were %v; number %d should be %d ms", gaps, i, want)
			}
		}
		if last > 3*time.Minute {
			t.Errorf("the last dial was %s after the only GET", last)
		}
		s.wantIdle("a")
		_, _ = s.await("a", time.Second)
		want(t, "dials after it was idle", s.dialsOf("a"), len(at)+2)
		u := s.wantUnreachable("a", DialFailed)
		want(t, "retry after", u.RetryAfter, 250*time.Millisecond)
	})
}

func TestNewGenerationAndFirstReportEndBackoff(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		s.register("a")
		s.wantUnreachable("a", DialFailed)
		s.pass(4 * time.Second) // some more failures
		s.edit("a", func(c *Cluster) { c.Endpoint = "ws://other:7443" })
		synctest.Wait()
		want(t, "dials at once", s.dialsOf("other"), 1)
		u := s.wantUnreachable("a", DialFailed)
		want(t, "retry after", u.RetryAfter, 250*time.Millisecond)
		s.pass(4 * time.Second)
		b := newAgent(t, "a")
		s.mu.Lock()
		s.agents["other"] = b
		s.mu.Unlock()
		s.pass(10 * time.Second)
		s.wantPhase("a", Reporting)
		want(t, "failures", s.sessions.member("a").past.failures, 0)
	})
}

func TestAgentKilledInASessionIsDialedAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		kill := make(chan struct{})
		a.script = func(k *talk) {
			go func() {
				<-kill
				_ = k.conn.CloseNow()
			}()
			k.obey()
		}
		first := s.get("a")
		s.pass(500 * time.Millisecond)
		close(kill)
		synctest.Wait()
		o := s.wantReason("a", DialFailed)
		want(t, "phase", o.Session.Phase, Backoff)
		want(t, "last end", o.LastEndReason, endLost)
		if s.get("a") != first {
			t.Error("the value is gone before its TTL")
		}
		kill = make(chan struct{})
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

func TestLostSessionThatNobodyWantsIsNotDialedAgain(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.script = func(k *talk) {
			go func() {
				<-time.After(12 * time.Second)
				_ = k.conn.CloseNow()
			}()
			k.obey()
		}
		s.get("a")
		s.pass(time.Minute)
		want(t, "dials", s.dialsOf("a"), 1)
		s.wantIdle("a")
		s.wantReason("a", DialFailed)
	})
}

func TestWhatCannotBeFollowedBeginsAnewThreeTimesThenBacksOff(t *testing.T) {
	for name, spoil := range map[string]func(*talk){
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
		"a grant out of the blue": func(k *talk) { k.send(&wire.Granted{Period: 1, Duration: 2, Renewal: 7}) },
		"a frame without end":     func(k *talk) { k.sendRaw(make([]byte, wire.MaxFrame+1)) },
	} {
		t.Run(name, func(t *testing.T) {
			act(t, func(t *testing.T, s *stage) {
				a := s.cluster("a", func(c *Cluster) { c.SessionDuration = 10 * time.Minute })
				var codes []websocket.StatusCode
				a.script = func(k *talk) {
					m := k.greet()
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
				}
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
				if again := s.sessions.member("a").value; again.State != nil && again.State.Count() != v.State.Count() {
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
		a.script = func(k *talk) {
			k.grantTo(k.greet())
			k.flush()
			<-hang
		}
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
		a.script = func(k *talk) {
			g := k.grantTo(k.greet())
			g.Duration = time.Hour
			k.flushUntilEnd(g)
		}
		s.get("a")
		s.pass(18 * time.Second)
		o := s.wantReason("a", ProtocolError)
		want(t, "last end", o.LastEndReason, endOverrun)
	})
}

func TestAgentThatEndsSessionsTooEarlyIsNotDialedInALoop(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.script = func(k *talk) {
			k.grantTo(k.greet())
			k.flush()
			k.end(wire.EndExpired, "")
		}
		s.get("a")
		s.wantReason("a", ProtocolError)
		s.pass(5 * time.Second)
		if n := a.sessions(); n > 25 {
			t.Errorf("%d sessions in 5 s", n)
		}
	})
}

func TestRenewalThatBreaksTheRulesEndsTheSession(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a")
		a.grant = func(g *wire.Granted) {
			if g.Renewal > 0 {
				g.Period = 5 * time.Second
			}
		}
		release := s.sessions.Watch("a")
		s.pass(12500 * time.Millisecond)
		s.wantReason("a", PeriodNotGranted)
		want(t, "last end", s.sessions.Observe("a").LastEndReason, endRefused)
		release()
	})
}

func TestLateFramesRenewNothing(t *testing.T) {
	act(t, func(t *testing.T, s *stage) {
		a := s.cluster("a", func(c *Cluster) { c.SessionDuration = time.Minute })
		a.script = func(k *talk) {
			k.grantTo(k.greet())
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
		}
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
		if v, _ := s.sessions.Peek("a"); v.State.Seq != changed.Seq {
			t.Error("what came late is not known either")
		}
		s.wantPhase("a", Reporting)
	})
}
